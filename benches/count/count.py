#!/usr/bin/env python3
"""Counts the instructions of the gateway for each request, handshake and message: see ../README.md."""
import argparse
import os
import platform
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import callgrind
import client
import compare
import upstream

HERE = Path(__file__).resolve().parent
WORK = HERE.parent / "work" / "count"
RECORD = HERE.parent / "counts.toml"
# jemalloc tidies up by the clock, so more for each request on a slow machine: not while this counts.
ALLOCATOR = "experimental_tcache_gc:false,dirty_decay_ms:-1,muzzy_decay_ms:-1"
# If this is killed outright, what it started ends too.
BOUND = ["setpriv", "--pdeathsig", "KILL", "--"]


def allowlist():
    # Every other network, so that none can be merged with the next; the client is in the last.
    nets = [f"10.{i >> 7}.{2 * (i & 127)}.0/24" for i in range(9999)] + ["127.0.0.0/8"]
    quoted = ", ".join(f'"{net}"' for net in nets)
    return (f"[policies.long]\nallow = [{quoted}]\n"
            '[[routes]]\npath = "/long"\nupstream = "http"\npolicy = "long"\n'
            'cors = { origins = ["https://app.example.org"] }\n')


def routes():
    return "".join(f'[[routes]]\nhost = "h{i}.example.org"\npath = "/room-{i}"\n'
                   'upstream = "http"\npolicy = "open"\n' for i in range(200))


# What a gateway has in its configuration besides gateway.toml.
GATEWAYS = {
    "usual": {},
    "logged": {"access": "true"},
    "routes": {"more": routes},
    "allowlist": {"more": allowlist},
}


class Case:
    """One operation: on which gateway, by which client, how often for each dump, and what growth is an error."""

    def __init__(self, gateway, make, count=100, tolerance=compare.TOLERANCE):
        self.gateway, self.make, self.count, self.tolerance = gateway, make, count, tolerance


def get(path, **more):
    return lambda gateway: client.Http1(gateway, path, **more)


# A few short loops, whose cost differs by this much between builds of the same code.
LAYOUT = 0.06

CASES = {
    "h1_get": Case("usual", get("/open/small")),
    "h1_jwt": Case("usual", lambda gateway: client.Http1(
        gateway, "/tokens/small", headers=[f"Authorization: Bearer {client.token()}"])),
    "post300": Case("usual", get("/open/small", body=b"j" * 300)),
    "h2_get": Case("usual", lambda gateway: client.Http2(gateway, "/open/small")),
    "dl1m": Case("usual", client.Download, 4, tolerance=LAYOUT),
    "ul1m": Case("usual", client.Upload, 4, tolerance=LAYOUT),
    "hs_full": Case("usual", lambda gateway: client.Handshake(gateway, resumed=False), 20),
    "hs_resume": Case("usual", lambda gateway: client.Handshake(gateway, resumed=True), 20),
    "ws_raw": Case("usual", lambda gateway: client.WebSocket(gateway, "/open/echo"), tolerance=LAYOUT),
    "ws_janus": Case("usual", client.JanusWebSocket),
    "ws_kurento": Case("usual", client.KurentoWebSocket),
    "rest_janus": Case("usual", client.RestJanus),
    # Two threads: which of them is first decides how often the worker wakes up.
    "file": Case("usual", get("/files/page.html"), 200, tolerance=0.1),
    "h1_log": Case("logged", get("/open/small")),
    "reload": Case("routes", client.Reload, 1),
    "allowlist": Case("allowlist", get("/long/small")),
}
DUMPS = 3
# A case that has grown is counted again so often before it is an error.
RETRIES = 2


class Gateway:
    """The gateway under callgrind."""

    def __init__(self, binary, name, server):
        self.binary, self.name, self.upstream = binary, name, server
        self.folder = WORK / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.config = self.folder / "gateway.toml"
        self.write()
        for old in self.folder.glob("dump*"):
            old.unlink()
        callgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--dump-line=no",
                     f"--callgrind-out-file={self.folder / 'dump'}", f"--log-file={self.folder / 'valgrind.log'}"]
        # Accesses go to standard output, which is read by nobody.
        with open(self.folder / "events.log", "wb") as events:
            self.process = subprocess.Popen(
                BOUND + callgrind + [binary, "run", "--config", str(self.config)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=events,
                env={"PATH": os.environ["PATH"], "RUST_LOG": "error", "_RJEM_MALLOC_CONF": ALLOCATOR})
        self.dumps, self.idle = 0, None

    def write(self):
        certificate(self.folder)
        client.file_content(self.folder / "files")
        about = GATEWAYS[self.name]
        values = {"PORT": self.port, "FOLDER": self.folder, "UPSTREAM": self.upstream.port,
                  "CERT": self.folder / "cert.pem", "KEY": self.folder / "key.pem",
                  "SECRET": client.SECRET, "ACCESS": about.get("access", "false")}
        text = (HERE / "gateway.toml").read_text()
        text = re.sub(r"\{\{(\w+)\}\}", lambda found: str(values[found[1]]), text)
        self.config.write_text(text + about.get("more", str)())

    def wait(self):
        """Waits until it answers, and begins to count."""
        for _ in range(1200):
            if self.process.poll() is not None:
                sys.exit(f"The gateway has ended:\n{(self.folder / 'events.log').read_text()}")
            try:
                get("/open/small")(self).step()
                break
            except OSError:
                time.sleep(0.1)
        else:
            sys.exit(f"The gateway does not answer; see {self.folder}/events.log.")
        self.command("instrumentation", "on")
        self.zero()
        time.sleep(1.5)
        self.idle = self.dump()

    def command(self, *words):
        vgdb = ["vgdb", f"--pid={self.process.pid}", "--wait=60", *words]
        done = subprocess.run(vgdb, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            sys.exit(f"{' '.join(vgdb)}: {done.stderr}")

    def zero(self):
        time.sleep(0.05)  # What follows a response is counted with it.
        self.command("zero")
        self.since = time.monotonic()

    def dump(self):
        """What has been executed since the last dump, without what an idle gateway does in that time."""
        time.sleep(0.05)
        self.command("dump")
        self.dumps += 1
        seconds, self.since = time.monotonic() - self.since, time.monotonic()
        file = self.folder / f"dump.{self.dumps}"
        with open(file, encoding="utf-8", errors="replace") as lines:
            found = callgrind.read(lines)
        file.unlink()
        found.seconds = seconds
        if self.idle:
            found.subtract(self.idle)
        return found

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as tcp:
        return tcp.getsockname()[1]


def certificate(folder):
    if not (folder / "cert.pem").exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-days", "3650", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem",
                        "-out", folder / "cert.pem"], check=True, capture_output=True)


def count(case, gateway):
    """The least of several dumps, for one operation: what disturbs a measurement only adds."""
    about = CASES[case]
    operation = about.make(gateway)
    for _ in range(about.count):
        operation.step()
    gateway.zero()
    found = []
    for _ in range(DUMPS):
        for _ in range(about.count):
            operation.step()
        found.append(gateway.dump())
    operation.close()
    spread = max(p.total for p in found) / min(p.total for p in found) - 1
    return min(found, key=lambda p: p.total).per(about.count), spread


def count_all(binary, cases):
    server, found = upstream.Upstream(), {}
    for name in GATEWAYS:
        chosen = [case for case in cases if CASES[case].gateway == name]
        if not chosen:
            continue
        gateway = Gateway(binary, name, server)
        try:
            gateway.wait()
            for case in chosen:
                found[case], spread = count(case, gateway)
                print(f"{case:11} {row(found[case].parts)} {spread:8.2%}", flush=True)
        finally:
            gateway.stop()
    return found


def row(parts):
    return " ".join(f"{parts[part]:12,}" for part in callgrind.PARTS) + f" {sum(parts.values()):12,}"


def environment(binary):
    """What counts depend on. The compiler is that of the binary, and the CPU as valgrind shows it."""
    with open(binary, "rb") as file:
        compiler = re.search(rb"rustc version ([ -~]+)", file.read())
    loader = next(Path("/").glob("lib*/ld-linux*.so.*"), None)
    seen = loader and output("valgrind", "--tool=none", "-q", loader, "--help")
    level = re.search(r"^ +(\S+) \(supported, searched\)", seen or "", re.M)
    return {"rustc": compiler[1].decode() if compiler else "unknown", "target": platform.machine(),
            "libc": " ".join(platform.libc_ver()), "cpu": level[1] if level else platform.machine(),
            "valgrind": output("valgrind", "--version").strip(), "client": ssl.OPENSSL_VERSION}


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout


def judge(options, record, here):
    """Counts, and counts again what has grown: what disturbs a measurement only adds."""
    tolerances = {case: about.tolerance for case, about in CASES.items()}
    found, again = {}, options.case
    for _ in range(1 + RETRIES):
        for case, counted in count_all(options.binary, again).items():
            if case not in found or counted.total < found[case].total:
                found[case] = counted
        new = {case: compare.recorded_form(counted) for case, counted in found.items()}
        verdict = compare.judge(record, here, new, tolerances, options.case == list(CASES))
        again = [case for case in verdict.errors if case in found and case in record["cases"]]
        if not again or options.record:
            break
        print(f"Counted again: {', '.join(again)}")
    return found, new, verdict


def write(record, here, new):
    if record["environment"] != here:
        # Counts of two environments are not to stand in one record.
        record["cases"] = {}
    record["environment"] = here
    record["cases"] |= new
    RECORD.write_text(compare.text_of(record))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=os.environ.get("IANITOR", "target/release/ianitor"))
    parser.add_argument("--case", type=lambda text: text.split(","), default=list(CASES),
                        help="some of: " + ", ".join(CASES))
    parser.add_argument("--functions", type=int, default=0, metavar="N",
                        help="show the N functions of each case with the most instructions")
    parser.add_argument("--record", action="store_true", help="write the counts to benches/counts.toml")
    options = parser.parse_args()
    for case in options.case:
        if case not in CASES:
            parser.error(f"there is no case {case}")
    return options


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    record, here = compare.load(RECORD), environment(options.binary)
    print(f"{'':11} " + " ".join(f"{name:>12}" for name in (*callgrind.PARTS, "in all")) + "   spread")
    found, new, verdict = judge(options, record, here)
    for case, counted in found.items():
        for function, instructions in counted.functions.most_common(options.functions):
            print(f"{case:11} {instructions:12,} {function}")
    if options.record:
        write(record, here, new)
        return
    print("\n".join([*verdict.notes, *verdict.errors.values()]))
    sys.exit(1 if verdict.errors else 0)


if __name__ == "__main__":
    main()
