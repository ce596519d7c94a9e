"""Load generators, and connections that are held open."""
import json
import re
import select
import subprocess

from .machine import Quiet, cpu
from .settings import BOUND, BROWSER_HEAD, BT, UP_WS


class Load:
    """A load generator, which measures and ends by itself."""

    def __init__(self, gateway, up, options, kind, **more):
        dur, warm = more.pop("dur", options.dur), more.pop("warm", options.warm)
        # A rate begins half a second after the connections.
        warm += 0.5 if "rate" in more else 0
        self.kind, self.seconds = kind, dur + warm
        args = [BT, kind, "--port", more.pop("port", gateway.port), "--dur", dur, "--warm", warm,
                "--up-pids", ",".join(map(str, up.pids))]
        pids = ",".join(map(str, gateway.pids()))
        args += ["--plain"] if gateway.is_direct else ["--pids", pids]
        for key, value in more.items():
            args += [f"--{key}"] if value is True else [f"--{key}", value]
        self.process = subprocess.Popen(BOUND + list(map(str, args)), text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def figures(self):
        try:
            out, errors = self.process.communicate(timeout=self.seconds + 30)
        except BaseException:
            self.process.kill()
            self.process.communicate()
            raise
        if self.process.returncode:
            raise RuntimeError(f"bt {self.kind}: {errors[-300:]}")
        figures = json.loads(out)
        if not figures["n"]:
            raise RuntimeError(f"bt {self.kind}: nothing was done. {figures['first_error']}")
        return figures


def load(gateway, up, options, kind, **more):
    with Quiet(gateway.pids() + up.pids) as quiet:
        figures = Load(gateway, up, options, kind, **more).figures()
    return figures | quiet.found


SHORT_HEAD = ["user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
              "origin: https://app.example.org"]


def h2load(gateway, up, options, head=SHORT_HEAD):
    command = ["h2load", "-t1", "-c64", "-m10", "-D", str(max(1, round(options.dur))),
               "--groups=X25519", "--tls13-ciphers=TLS_AES_128_GCM_SHA256",
               f"--connect-to=127.0.0.1:{gateway.port}",
               f"https://localhost:{gateway.port}/janus/b100"]
    for line in head:
        command += ["-H", line]
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
            "first_error": "" if is_h2 else "not h2",
            "cpu_us_per": round(used * 1e6 / max(good, 1), 3)} | quiet.found


def browser_head():
    return BROWSER_HEAD.read_text().splitlines()


def ws_port(gateway):
    return UP_WS if gateway.is_direct else gateway.port


def janus_path(gateway, understood, opaque):
    """A gateway that understands Janus has paths where it judges each message; to the others it is
    one like any."""
    return understood if "janus" in gateway.about else opaque


class Hold:
    """Connections that are held open."""

    def __init__(self, gateway, count, mode="ws", *more):
        command = [BT, "hold", "--port", str(ws_port(gateway)), "--conns", str(count),
                   "--mode", mode, "--life", "150", *more]
        self.process = subprocess.Popen(BOUND + command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

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
