#!/usr/bin/env python3
"""TLS gateways side by side on loopback: see README.md, and run.sh, which sees to everything that this needs."""
import argparse
import base64
import functools
import hashlib
import hmac
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK, RESULTS, GATEWAYS = HERE / "work", HERE / "results", HERE / "gateways"
BT = os.environ.get("BT", str(HERE / "tools/target/release/bt"))
JWT_SECRET = "a secret of the benchmark and of forty bytes"
UP_HTTP, UP_WS, UP_NEW = 19388, 19389, 19390
RELOAD_WS = 1000
NOFILE = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
# Kept-alive servers and listeners beside the WebSockets.
SPARE_FILES = 600
TICKS = os.sysconf("SC_CLK_TCK")
# If this is killed outright, what it started ends too.
BOUND = ["setpriv", "--pdeathsig", "TERM", "--"]


# ---------------------------------------------------------------- what the kernel knows of processes

def tree(pid):
    """A process and all below it."""
    found, todo = set(), [pid]
    while todo:
        pid = todo.pop()
        found.add(pid)
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                todo += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
        except OSError:
            pass  # it ended meanwhile
    return sorted(found)


def cpu(pids):
    """CPU seconds of processes with all their threads, exact to the nanosecond."""
    total = 0.0
    for pid in pids:
        try:
            total += time.clock_gettime((~pid << 3) | 2)
        except OSError:
            pass
    return total


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def pss_kib(pids):
    """Memory, with shared pages counted once."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])
    return total


def machine():
    """Busy seconds and stolen seconds of all CPUs together."""
    fields = [int(x) / TICKS for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return fields[0] + fields[1] + fields[2] + fields[5] + fields[6], fields[7]


class Quiet:
    """What the rest of the machine did meanwhile, in % of all CPUs."""

    def __init__(self, pids):
        self.pids = pids

    def now(self):
        children, own = (resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF))
        ours = cpu(self.pids) + children.ru_utime + children.ru_stime + own.ru_utime + own.ru_stime
        return time.time(), *machine(), ours

    def __enter__(self):
        self.before = self.now()
        return self

    def __exit__(self, *_):
        wall, busy, stolen, ours = (b - a for a, b in zip(self.before, self.now()))
        wall *= os.cpu_count()
        self.found = {"noise_pct": round(100 * max(0.0, busy - ours) / wall, 1),
                      "steal_pct": round(100 * stolen / wall, 1)}


# ---------------------------------------------------------------- upstream and gateways

def make_keys():
    """A certificate, and the pair of an issuer of tokens."""
    make_certificate()
    if not (WORK / "jwt.pub").exists():
        private = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", WORK / "jwt.key"]
        subprocess.run(["openssl", "genpkey", *private], check=True, capture_output=True)
        public = ["-in", WORK / "jwt.key", "-pubout", "-out", WORK / "jwt.pub"]
        subprocess.run(["openssl", "pkey", *public], check=True, capture_output=True)


def make_certificate():
    if (WORK / "certkey.pem").exists():
        return
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "3650", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", WORK / "key.pem", "-out", WORK / "cert.pem"], check=True, capture_output=True)
    (WORK / "key.pem").chmod(0o600)
    (WORK / "certkey.pem").write_text((WORK / "cert.pem").read_text() + (WORK / "key.pem").read_text())
    (WORK / "certkey.pem").chmod(0o600)


class Upstream:
    def __init__(self):
        ports = f"{UP_HTTP},{UP_WS},{UP_NEW}"
        self.process = subprocess.Popen(BOUND + [BT, "upstream", "--ports", ports, "--life", "14400"],
                                        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.pids = [self.process.pid]
        if self.process.stdout.readline().strip() != "READY":
            self.stop()
            sys.exit(f"The upstream did not start: are the ports {ports} of 127.0.0.1 free?")

    def stop(self):
        self.process.kill()
        self.process.wait()


class Gateway:
    def __init__(self, name, workers):
        self.name, self.workers, self.process = name, workers, None
        self.is_direct = name == "direct"
        self.folder = WORK / name
        about = {} if self.is_direct else tomllib.loads((GATEWAYS / f"{name}.toml").read_text())
        self.about, self.port, self.reload = about, about.get("port", UP_HTTP), about.get("reload")

    def version(self):
        if "version" not in self.about:
            return ""
        return subprocess.run(self.about["version"], shell=True, capture_output=True, text=True).stdout.strip()

    def render(self, gen):
        values = dict(DIR=self.folder, PORT=self.port, CERT=WORK / "cert.pem", KEY=WORK / "key.pem",
                      CERTKEY=WORK / "certkey.pem", JWT_SECRET=JWT_SECRET, JWT_KEY=WORK / "jwt.pub",
                      UP_HTTP=UP_HTTP, UP_WS=UP_WS, UP_GEN=gen, WORKERS=self.workers,
                      NOFILE=NOFILE)
        fill = lambda text: re.sub(r"\{\{(\w+)\}\}", lambda found: str(values[found[1]]), text)
        self.folder.mkdir(exist_ok=True)
        for template in self.about["templates"]:
            path = self.folder / template.removesuffix(".tmpl")
            # Renamed into place: a gateway may watch the file.
            new = path.with_suffix(".new")
            new.write_text(fill((GATEWAYS / template).read_text()))
            new.rename(path)
        env = {key: fill(value) for key, value in self.about.get("env", {}).items()}
        return [fill(word) for word in self.about["cmd"]], env

    def start(self):
        """Starts it and returns what that took."""
        if self.is_direct:
            return None
        # Gateways share their ports among their own processes, so the kernel would also share them with a stranger, who
        # would then do half of the work unseen.
        if is_taken(self.port):
            raise RuntimeError(f"another program listens on 127.0.0.1:{self.port}")
        command, env = self.render(UP_HTTP)
        with open(self.folder / "output.log", "ab") as log:
            begun = time.perf_counter()
            self.process = subprocess.Popen(BOUND + command, env=os.environ | env, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL)
        answered = self.wait_for(UP_HTTP, 20)
        time.sleep(0.3)
        return {"startup_ms": round((answered - begun) * 1e3, 2), "pss_start_kib": pss_kib(self.pids())}

    def wait_for(self, upstream, seconds):
        """Waits until /gen is answered by this upstream."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"it ended; see {self.folder.relative_to(HERE)}/output.log")
            try:
                if f"port={upstream}" in self.get("/gen"):
                    return time.perf_counter()
            except OSError:
                pass
            time.sleep(0.001)
        raise RuntimeError(f"/gen is not answered by port {upstream} within {seconds} s")

    def get(self, path):
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=3) as tcp:
            with client_tls().wrap_socket(tcp, server_hostname="localhost") as tls:
                tls.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                while more := tls.recv(4096):
                    answer += more
        return answer.decode("latin1")

    def pids(self):
        return [] if self.is_direct else tree(self.process.pid)

    def change_upstream(self):
        self.render(UP_NEW)
        match self.reload["kind"]:
            case "signal":
                os.kill(self.process.pid, signal.Signals[f"SIG{self.reload['signal']}"])
            case "post":
                body = (self.folder / self.reload["file"]).read_bytes()
                headers = {"Content-Type": self.reload["content_type"]}
                # Whatever proxy the environment names, this stays on loopback.
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                opener.open(urllib.request.Request(self.reload["url"], body, headers), timeout=30).read()

    def stop(self):
        if not self.process:
            return
        pids = self.pids()
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in filter(is_running, pids):
                try:
                    os.kill(pid, number)
                except OSError:
                    pass
            for _ in range(40):
                self.process.poll()
                pids = [pid for pid in pids if is_running(pid)]
                if not pids:
                    break
                time.sleep(0.05)
        self.process.wait()
        self.process = None


def is_taken(port):
    with socket.socket() as tcp:
        tcp.settimeout(3)
        return tcp.connect_ex(("127.0.0.1", port)) == 0


@functools.cache
def client_tls():
    """The certificate is our own, and it is not what is measured."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# ---------------------------------------------------------------- cases

def load(gateway, up, options, kind, **more):
    """Runs a load generator, which measures and ends by itself."""
    args = [BT, kind, "--port", more.pop("port", gateway.port), "--dur", options.dur, "--warm", options.warm,
            "--up-pids", ",".join(map(str, up.pids))]
    args += ["--plain"] if gateway.is_direct else ["--pids", ",".join(map(str, gateway.pids()))]
    for key, value in more.items():
        args += [f"--{key}"] if value is True else [f"--{key}", value]
    with Quiet(gateway.pids() + up.pids) as quiet:
        done = subprocess.run(list(map(str, args)), capture_output=True, text=True,
                              timeout=options.dur + options.warm + 30)
    if done.returncode:
        raise RuntimeError(f"bt {kind}: {done.stderr[-300:]}")
    return json.loads(done.stdout) | quiet.found


def hs_full(gateway, up, options):
    return None if gateway.is_direct else load(gateway, up, options, "hs", conns=32)


def hs_resume(gateway, up, options):
    return None if gateway.is_direct else load(gateway, up, options, "hs", conns=32, resume=True)


def h1_max(gateway, up, options):
    return load(gateway, up, options, "http", conns=64)


def h1_rate(gateway, up, options):
    return load(gateway, up, options, "http", conns=64, rate=options.rate)


def post300(gateway, up, options):
    return load(gateway, up, options, "http", conns=64, body=300, path="/janus")


def dl1m(gateway, up, options):
    return load(gateway, up, options, "http", conns=8, path="/janus/m1", buf=65536)


def ul1m(gateway, up, options):
    return load(gateway, up, options, "http", conns=8, body=1 << 20, path="/janus")


def unpadded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@functools.cache
def token(algorithm):
    """As an issuer would sign it, good for longer than any run."""
    now = int(time.time())
    claims = {"iss": "https://login.example.org", "sub": "4711", "aud": "ianitor", "iat": now, "exp": now + 7200}
    head = {"alg": algorithm, "typ": "JWT"}
    signed = ".".join(unpadded(json.dumps(part).encode()) for part in (head, claims))
    if algorithm == "HS256":
        signature = hmac.new(JWT_SECRET.encode(), signed.encode(), hashlib.sha256).digest()
    else:
        command = ["openssl", "dgst", "-sha256", "-sign", WORK / "jwt.key"]
        signature = subprocess.run(command, input=signed.encode(), capture_output=True, check=True).stdout
    return f"{signed}.{unpadded(signature)}"


def with_token(gateway, up, options, algorithm, path):
    if "jwt" not in gateway.about:
        return None
    return load(gateway, up, options, "http", conns=64, bearer=token(algorithm), path=path)


def jwt_off(gateway, up, options):
    return with_token(gateway, up, options, "RS256", "/janus/b100")


def jwt_hs256(gateway, up, options):
    return with_token(gateway, up, options, "HS256", "/janus-hs256/b100")


def jwt_rs256(gateway, up, options):
    return with_token(gateway, up, options, "RS256", "/janus-rs256/b100")


def ws_port(gateway):
    return UP_WS if gateway.is_direct else gateway.port


def ws_max(gateway, up, options):
    return load(gateway, up, options, "ws", conns=200, size=200, port=ws_port(gateway))


def ws_rate(gateway, up, options):
    return load(gateway, up, options, "ws", conns=200, size=200, rate=options.ws_rate, port=ws_port(gateway))


def janus_path(gateway, understood, opaque):
    """A gateway that understands Janus has paths where it judges each message; to the others it is one like any."""
    return understood if "janus" in gateway.about else opaque


def ws_janus(gateway, up, options):
    return load(gateway, up, options, "ws", conns=200, size=200, port=ws_port(gateway), janus=True,
                path=janus_path(gateway, "/janus-ws", "/kurento/janus"))


def ws_janus_raw(gateway, up, options):
    return load(gateway, up, options, "ws", conns=200, size=200, port=ws_port(gateway), janus=True,
                path="/kurento/janus")


def ws_janus_jwt(gateway, up, options):
    if "janus" not in gateway.about:
        return None
    return load(gateway, up, options, "ws", conns=200, size=200, janus=True, path="/janus-ws-jwt",
                bearer=token("HS256"))


def kurento_path(gateway):
    return "/kms-ws" if "kurento" in gateway.about else "/kurento/kms"


def ws_kurento(gateway, up, options):
    return load(gateway, up, options, "ws", conns=200, size=300, port=ws_port(gateway), kurento=True,
                path=kurento_path(gateway))


def ws_kurento_raw(gateway, up, options):
    return load(gateway, up, options, "ws", conns=200, size=300, port=ws_port(gateway), kurento=True,
                path="/kurento/kms")


def kurento_first(gateway, up, options):
    """What kurento-client begins with, a few times a second, as no client waits for another."""
    return load(gateway, up, options, "ws", conns=4, rate=300, port=ws_port(gateway), kurento=True, first=True,
                path=kurento_path(gateway))


def rest_janus(gateway, up, options):
    return load(gateway, up, options, "http", conns=64, body=300, janus=True,
                path=janus_path(gateway, "/janus-rest", "/janus/rest"))


def h2_max(gateway, up, options):
    if gateway.is_direct:
        return None
    command = ["h2load", "-t1", "-c64", "-m10", "-D", str(max(1, round(options.dur))), "--groups=X25519",
               "--tls13-ciphers=TLS_AES_128_GCM_SHA256", f"--connect-to=127.0.0.1:{gateway.port}",
               "-H", "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
               "-H", "origin: https://app.example.org", f"https://localhost:{gateway.port}/janus/b100"]
    pids = gateway.pids()
    with Quiet(pids + up.pids) as quiet:
        before = cpu(pids)
        done = subprocess.run(command, capture_output=True, text=True, timeout=options.dur + 30)
        used = cpu(pids) - before
    rate = re.search(r"finished in [\d.]+m?s, ([\d.]+) req/s", done.stdout)
    codes = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", done.stdout)
    if not rate or not codes:
        raise RuntimeError("h2load: " + done.stdout[-400:] + done.stderr[-200:])
    good, *bad = map(int, codes.groups())
    is_h2 = "Application protocol: h2" in done.stdout
    return {"n": good, "rps": float(rate[1]), "errors": sum(bad) + (not is_h2),
            "first_error": "" if is_h2 else "not h2", "cpu_us_per": round(used * 1e6 / max(good, 1), 3)} | quiet.found


class Hold:
    """Connections that are held open."""

    def __init__(self, gateway, count, mode="ws", *more):
        command = [BT, "hold", "--port", str(ws_port(gateway)), "--conns", str(count), "--mode", mode, "--life", "150",
                   *more]
        self.process = subprocess.Popen(BOUND + command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        try:
            self.opened = self.answer()
        except BaseException:
            self.close()
            raise
        return self

    def answer(self):
        if not select.select([self.process.stdout], [], [], 90)[0]:
            raise RuntimeError("connections neither open nor fail for 90 s")
        return json.loads(self.process.stdout.readline())

    def alive(self):
        """How many echo a message."""
        self.process.stdin.write("check\n")
        self.process.stdin.flush()
        return self.answer()["alive"]

    def close(self):
        """May be called twice."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def __exit__(self, *_):
        self.close()


def fresh(case):
    """What it measures depends on what ran before: each run has a gateway just started."""
    case.is_fresh = True
    return case


@fresh
def idle_ws(gateway, _, options):
    return idle(gateway, options)


@fresh
def idle_janus(gateway, _, options):
    """Each with a session and a handle."""
    path = janus_path(gateway, "/janus-ws", "/kurento/janus")
    return idle(gateway, options, "--janus", "--path", path)


def idle(gateway, options, *more):
    time.sleep(0.5)
    pids = gateway.pids()
    pss = [pss_kib(pids)]
    before = cpu(pids)
    with Hold(gateway, options.idle, "ws", *more) as held:
        time.sleep(1)
        pss.append(pss_kib(pids))
        used = cpu(pids) - before
        alive = held.alive()
        time.sleep(2)
        pss.append(pss_kib(pids))
    time.sleep(2)
    pss.append(pss_kib(pids))
    count = max(held.opened["open"], 1)
    return {"open": held.opened["open"], "errors": options.idle - alive, "first_error": held.opened["first_error"],
            "kib_idle": round((pss[1] - pss[0]) / count, 3), "kib_after_message": round((pss[2] - pss[0]) / count, 3),
            "mib_kept": round((pss[3] - pss[0]) / 1024, 1), "cpu_us_per": round(used * 1e6 / count, 1)}


@fresh
def idle_lp(gateway, _, options):
    wanted = min(4000, options.idle)
    time.sleep(0.5)
    pids = gateway.pids()
    before = pss_kib(pids)
    with Hold(gateway, wanted, "lp") as held:
        time.sleep(1.5)
        after = pss_kib(pids)
    count = held.opened["open"]
    return {"open": count, "errors": wanted - count, "first_error": held.opened["first_error"],
            "kib_pending": round((after - before) / max(count, 1), 3)}


@fresh
def reload(gateway, _, options):
    with Hold(gateway, RELOAD_WS) as held:
        begun = time.perf_counter()
        gateway.change_upstream()
        seen = gateway.wait_for(UP_NEW, 40)
        time.sleep(3)
        alive = held.alive()
        return {"reload_ms": round((seen - begun) * 1e3, 1), "alive": alive,
                "errors": RELOAD_WS - held.opened["open"], "first_error": held.opened["first_error"],
                "pss_after_kib": pss_kib(gateway.pids())}


CASES = {case.__name__: case for case in (
    hs_full, hs_resume, h1_max, h1_rate, h2_max, post300, rest_janus, dl1m, ul1m, ws_max, ws_rate, ws_janus_raw, ws_janus,
    ws_janus_jwt, ws_kurento_raw, ws_kurento, kurento_first, jwt_off, jwt_hs256, jwt_rs256, idle_ws, idle_janus, idle_lp, reload)}
CASES["startup"] = None  # falls out of starting them

PER_SECOND, CPU = ("rps", "per s"), ("cpu_us_per", "gateway CPU us")
LATENCY = [("p50_us", "p50 us"), ("p99_us", "p99 us")]
IDLE = [("kib_idle", "KiB each"), ("kib_after_message", "KiB each after a message"),
        ("mib_kept", "MiB kept after closing"), ("cpu_us_per", "gateway CPU us to open")]
FIGURES = {
    "hs_full": [CPU, PER_SECOND],
    "hs_resume": [CPU, PER_SECOND],
    "h1_max": [CPU, PER_SECOND, LATENCY[1]],
    "h1_rate": [CPU, *LATENCY],
    "h2_max": [CPU, PER_SECOND],
    "post300": [CPU, PER_SECOND],
    "rest_janus": [CPU, PER_SECOND],
    "dl1m": [CPU, ("rps", "MiB/s")],
    "ul1m": [CPU, ("rps", "MiB/s")],
    "ws_max": [CPU, PER_SECOND, LATENCY[1]],
    "ws_rate": [CPU, *LATENCY],
    "ws_janus_raw": [CPU, PER_SECOND, LATENCY[1]],
    "ws_janus": [CPU, PER_SECOND, LATENCY[1]],
    "ws_janus_jwt": [CPU, PER_SECOND],
    "ws_kurento_raw": [CPU, PER_SECOND, LATENCY[1]],
    "ws_kurento": [CPU, PER_SECOND, LATENCY[1]],
    "kurento_first": LATENCY,
    "jwt_off": [CPU, PER_SECOND],
    "jwt_hs256": [CPU, PER_SECOND],
    "jwt_rs256": [CPU, PER_SECOND],
    "idle_ws": IDLE,
    "idle_janus": IDLE,
    "idle_lp": [("kib_pending", "KiB each")],
    "reload": [("reload_ms", "ms"), ("alive", f"alive of {RELOAD_WS}"), ("pss_after_kib", "KiB after it")],
    "startup": [("startup_ms", "ms to first answer"), ("pss_start_kib", "KiB")],
}
# Only these are better when they are larger.
LARGER_IS_BETTER = {"rps", "alive"}


# ---------------------------------------------------------------- the table

def number(x):
    return f"{x:.0f}" if abs(x) >= 100 else f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}"


def table(records, names, ref):
    """A line for each figure: the reference as it is, the others as medians of ratios paired within rounds."""
    names = [ref, *(name for name in names if name != ref)]
    heads = ["case", "figure", "better", ref, *names[1:]]
    lines = []
    for case in CASES:
        for key, heading in FIGURES[case]:
            of = {name: {r["round"]: r["figures"][key] for r in records
                         if (r["case"], r["gateway"]) == (case, name) and key in r["figures"]} for name in names}
            # The floor spends no gateway's CPU.
            if key == "cpu_us_per":
                of.pop("direct", None)
            if not any(of.values()):
                continue
            cells = [case, heading, "more" if key in LARGER_IS_BETTER else "less"]
            cells.append(number(statistics.median(of[ref].values())) if of[ref] else "-")
            for name in names[1:]:
                pairs = [x / of[ref][r] for r, x in of.get(name, {}).items() if of[ref].get(r)]
                # A reference that kept nothing has no ratio; the others are then shown as they are.
                plain = [number(statistics.median(of[name].values())) + " abs."] if of.get(name) else ["-"]
                cells.append(f"{statistics.median(pairs):.2f} x" if pairs else plain[0])
            lines.append(cells)
    widths = [max(map(len, column)) for column in zip(heads, *lines)]

    def line(cells):
        pad = [cell.ljust(width) if at < 3 else cell.rjust(width) for at, (cell, width) in enumerate(zip(cells, widths))]
        return "| " + " | ".join(pad) + " |"

    rule = "|" + "|".join("-" * (width + 1) + (":" if at > 2 else "-") for at, width in enumerate(widths)) + "|"
    return "\n".join([line(heads), rule, *map(line, lines)])


JUDGED = [("ws_janus", "ws_janus_raw"), ("ws_janus_jwt", "ws_janus_raw"), ("rest_janus", "post300"),
          ("ws_kurento", "ws_kurento_raw")]


def price_of_judging(records, gateways):
    """Gateway CPU where messages are judged, as a multiple of that where they are not, within the same gateway."""
    lines = []
    for name in (gateway.name for gateway in gateways if "janus" in gateway.about):
        of = {case: {r["round"]: r["figures"]["cpu_us_per"] for r in records if (r["case"], r["gateway"]) == (case, name)}
              for pair in JUDGED for case in pair}
        for judged, plain in JUDGED:
            ratios = [x / of[plain][r] for r, x in of[judged].items() if of[plain].get(r)]
            if ratios:
                lines.append(f"- {judged} of {name}: {statistics.median(ratios):.2f} x {plain}")
    return "\n".join(lines)


def added_latency(records, gateways):
    """What a gateway adds to the first messages of kurento-client, where the same was asked without any."""
    lines = []
    of = {name: {r["round"]: r["figures"]["p99_us"] for r in records
                 if (r["case"], r["gateway"]) == ("kurento_first", name)}
          for name in (gateway.name for gateway in gateways)}
    for name, figures in of.items():
        more = [x - of["direct"][r] for r, x in figures.items() if r in of.get("direct", {})]
        if more and name != "direct":
            lines.append(f"- {name}: {statistics.median(more):.0f} us at p99")
    return "\n".join(lines)


def doubts(records, failures):
    """What keeps the table from meaning what it says."""
    wrong = {}
    for record in records:
        if record["figures"].get("errors"):
            name = f"{record['case']} of {record['gateway']}"
            count, first = wrong.get(name, (0, ""))
            figures = record["figures"]
            wrong[name] = (count + figures["errors"], first or figures.get("first_error", ""))
    lines = [f"- {name}: {count} errors {first}".rstrip() for name, (count, first) in wrong.items()]
    lines += [f"- {failure}" for failure in failures]
    noisy = sum(record["figures"].get("noise_pct", 0) > 10 for record in records)
    if noisy:
        lines.append(f"- other programs used more than 10 % of the CPUs during {noisy} of {len(records)} measurements")
    return "\n".join(lines)


# ---------------------------------------------------------------- the run

def own_group():
    """One scheduler group for load, upstream and gateways, and as root ahead of whatever else runs here: the kernel
    shares CPUs between sessions first, so that `nice` alone would do nothing."""
    try:
        if os.getpid() != os.getsid(0):
            os.setsid()
        Path("/proc/self/autogroup").write_text("-20")
    except OSError:
        pass  # not root, no autogroups, or started from a shell without run.sh


def missing(options):
    """Debian packages of what the chosen gateways and cases need and is not here."""
    needs = {"openssl": "openssl", "setpriv": "util-linux"}
    if "h2_max" in options.case:
        needs["h2load"] = "nghttp2-client"
    for name in options.gateways:
        needs |= Gateway(name, options.workers).about.get("needs", {})
    return [package for program, package in needs.items() if not shutil.which(program)]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    words = lambda text: text.split(",")
    parser.add_argument("--gateways", type=words, default=words("nginx,haproxy,caddy,ianitor"),
                        help="names in gateways/*.toml; `direct` is none, and no TLS")
    parser.add_argument("--case", type=words, default=list(CASES), help="some of: " + ", ".join(CASES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dur", type=float, default=4, help="seconds that are measured")
    parser.add_argument("--warm", type=float, default=1, help="seconds before them")
    parser.add_argument("--rate", type=float, default=6000, help="requests/s of h1_rate, so many that all can take it")
    parser.add_argument("--ws-rate", type=float, default=10000, help="messages/s of ws_rate")
    parser.add_argument("--idle", type=int, default=9000, help="idle WebSockets")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count()), help="threads of a gateway")
    parser.add_argument("--ref", default="nginx", help="the gateway that ratios refer to")
    parser.add_argument("--missing", action="store_true", help="print the packages that have to be installed, and end")
    options = parser.parse_args()
    for name in options.gateways:
        if name != "direct" and not (GATEWAYS / f"{name}.toml").exists():
            parser.error(f"there is no gateways/{name}.toml")
    for case in options.case:
        if case not in CASES:
            parser.error(f"there is no case {case}")
    if options.ref not in options.gateways:
        options.ref = options.gateways[0]
    return options


class Run:
    def __init__(self, options):
        self.options, self.records, self.failures = options, [], []
        self.gateways = [Gateway(name, options.workers) for name in options.gateways]
        self.about = {"date": time.strftime("%F %T"), "kernel": os.uname().release, "cpus": os.cpu_count(),
                      "arguments": vars(options), "versions": {g.name: g.version() for g in self.gateways}}
        self.path = RESULTS / time.strftime("%Y%m%d-%H%M%S")

    def attempt(self, what, gateway, act):
        """What fails is told in the end; the rest goes on."""
        try:
            return act()
        except Exception as error:
            failure = f"{what} of {gateway.name}: {error}"
            if failure not in self.failures:
                self.failures.append(failure)
            print(f"!! {failure}", flush=True)
            return None

    def note(self, case, gateway, number_of_round, figures):
        if not figures:
            return
        self.records.append({"case": case, "gateway": gateway.name, "round": number_of_round, "figures": figures})
        shown = " ".join(f"{heading}={figures[key]}" for key, heading in FIGURES[case][:2] if key in figures)
        print(f"{time.strftime('%T')} round {number_of_round} {case:9} {gateway.name:8} {shown}", flush=True)
        text = json.dumps({"about": self.about, "records": self.records}, indent=1)
        self.path.with_suffix(".json").write_text(text)

    def start(self, gateway, round_):
        figures = self.attempt("start", gateway, gateway.start)
        if not gateway.is_direct and figures is None:
            gateway.stop()
            return False
        if "startup" in self.options.case:
            self.note("startup", gateway, round_, figures)
        return True

    def all(self):
        options, cases = self.options, [case for case in self.options.case if CASES[case]]
        up = Upstream()
        try:
            for round_ in range(1, options.rounds + 1):
                # Each case on each gateway in turn, and another one first in each round: the speed of machines drifts.
                turn = (round_ - 1) % len(self.gateways)
                order = self.gateways[turn:] + self.gateways[:turn]
                shared = [case for case in cases if not hasattr(CASES[case], "is_fresh")]
                if shared or "startup" in options.case:
                    running = [gateway for gateway in order if self.start(gateway, round_)]
                    for case in shared:
                        for gateway in running:
                            self.one(case, gateway, up, round_)
                    for gateway in running:
                        gateway.stop()
                for case in (case for case in cases if case not in shared):
                    for gateway in order:
                        if gateway.is_direct or (case == "reload" and not gateway.reload):
                            continue
                        if self.attempt("start", gateway, gateway.start):
                            self.one(case, gateway, up, round_)
                        gateway.stop()
        finally:
            # A second signal would leave something behind.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            for gateway in self.gateways:
                gateway.stop()
            up.stop()

    def one(self, case, gateway, up, round_):
        self.note(case, gateway, round_, self.attempt(case, gateway, lambda: CASES[case](gateway, up, self.options)))

    def show(self):
        about, options = self.about, self.options
        text = f"{about['date']}, kernel {about['kernel']}, {about['cpus']} CPUs, {options.rounds} rounds of {options.dur} s\n\n"
        text += "".join(f"- {name}: {version}\n" for name, version in about["versions"].items() if version)
        text += f"\nThe figures of {options.ref}, and the others as multiples of them:\n\n"
        text += table(self.records, options.gateways, options.ref) + "\n"
        if price := price_of_judging(self.records, self.gateways):
            text += f"\nGateway CPU for what is judged:\n\n{price}\n"
        if added := added_latency(self.records, self.gateways):
            text += f"\nAdded to the first messages of kurento-client:\n\n{added}\n"
        if doubt := doubts(self.records, self.failures):
            text += f"\nTo be doubted:\n\n{doubt}\n"
        self.path.with_suffix(".md").write_text(text)
        print(f"\n{text}\nEvery measurement: {self.path.with_suffix('.json').relative_to(HERE.parent)}")


def main():
    options = arguments()
    if options.missing:
        print("\n".join(missing(options)))
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (NOFILE, NOFILE))
    # A gateway of one process needs two descriptors for each, and may keep a quarter of those to servers for others.
    if options.idle > (most := (NOFILE - SPARE_FILES) // 2 * 3 // 4):
        print(f"The limit on open files allows {most} idle connections, not {options.idle}: see ulimit -Hn.")
        options.idle = most
    own_group()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    WORK.mkdir(exist_ok=True)
    RESULTS.mkdir(exist_ok=True)
    make_keys()
    run = Run(options)
    run.all()
    run.show()
    sys.exit(1 if run.failures else 0)


if __name__ == "__main__":
    main()
