"""The upstream and the gateways as processes."""
import functools
import os
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import tomllib
import urllib.request

from . import variants
from .keys import CERTS
from .machine import is_running, pss_kib, tree
from .settings import (BOUND, BT, GATEWAYS, HERE, JWT_SECRET, NOFILE, PORT_OFFSET, UP_HTTP, UP_NEW,
                       UP_WS, WORK)


class Upstream:
    def __init__(self):
        ports = f"{UP_HTTP},{UP_WS},{UP_NEW}"
        command = BOUND + [BT, "upstream", "--ports", ports, "--life", "14400"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                        text=True)
        self.pids = [self.process.pid]
        if self.process.stdout.readline().strip() != "READY":
            self.stop()
            sys.exit(f"The upstream did not start: are the ports {ports} of 127.0.0.1 free?")

    def stop(self):
        self.process.kill()
        self.process.wait()


def description(name):
    """Of one that is `like` another, what is different is enough."""
    about = tomllib.loads((GATEWAYS / f"{name}.toml").read_text())
    return description(about["like"]) | about if "like" in about else about


class Gateway:
    def __init__(self, name, workers):
        self.name, self.workers, self.process = name, workers, None
        # Sampled while it goes on running after a case: see held.py.
        self.later = None
        self.round = 0
        self.is_direct = name == "direct"
        self.folder = WORK / name
        about = {} if self.is_direct else description(name)
        self.about, self.reload = about, about.get("reload")
        self.port = about["port"] + PORT_OFFSET if about else UP_HTTP
        self.program = about.get("program", "")
        self.variant = ""

    def binary(self):
        """The path in the variable of its name, as NGINX=/opt/nginx/sbin/nginx, or that in PATH."""
        return shutil.which(os.environ.get(self.program.upper()) or self.program)

    def version(self):
        if "version" not in self.about or not self.binary():
            return ""
        command = self.about["version"].replace("{{BIN}}", shlex.quote(self.binary()))
        found = subprocess.run(command, shell=True, capture_output=True, text=True).stdout
        return " ".join(found.split()) + f" ({self.binary()})"

    def render(self, gen):
        values = dict(DIR=self.folder, PORT=self.port, ADMIN=self.port + 10, BIN=self.binary(),
                      CERT=WORK / "cert.pem", KEY=WORK / "key.pem", CERTKEY=WORK / "certkey.pem",
                      CERTS=CERTS, JWT_SECRET=JWT_SECRET, JWT_KEY=WORK / "jwt.pub",
                      UP_HTTP=UP_HTTP, UP_WS=UP_WS, UP_GEN=gen, WORKERS=self.workers,
                      NOFILE=NOFILE)
        parts = self.about.get("parts", {})
        fill = lambda text: variants.fill(text, values, parts, self.variant)
        self.folder.mkdir(exist_ok=True)
        for template in self.about["templates"]:
            path = self.folder / template.removesuffix(".tmpl")
            # Renamed into place: a gateway may watch the file.
            new = path.with_suffix(".new")
            new.write_text(fill((GATEWAYS / template).read_text()))
            new.rename(path)
        env = {key: fill(value) for key, value in self.about.get("env", {}).items()}
        self.post_url = fill((self.reload or {}).get("url", ""))
        return [fill(word) for word in self.about["cmd"]], env

    def start(self, variant=""):
        """Starts it and returns what that took."""
        if self.is_direct:
            return None
        if not self.binary():
            raise RuntimeError(f"there is no program {self.program}; {self.program.upper()}=PATH "
                               "names one")
        self.variant = variant
        # Gateways share their ports among their own processes, so the kernel would also share them
        # with a stranger, which would then do half of the work unseen.
        if is_taken(self.port):
            raise RuntimeError(f"another program listens on 127.0.0.1:{self.port}")
        command, env = self.render(UP_HTTP)
        with open(self.folder / "output.log", "ab") as log:
            begun = time.perf_counter()
            self.process = subprocess.Popen(BOUND + command, env=os.environ | env, stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)
        answered = self.wait_for(UP_HTTP, 20)
        time.sleep(0.3)
        self.started = {"startup_ms": round((answered - begun) * 1e3, 2),
                        "pss_start_kib": pss_kib(self.pids())}
        return self.started

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
                head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                tls.sendall(head.encode())
                while more := tls.recv(4096):
                    answer += more
        return answer.decode("latin1")

    def pids(self):
        return [] if self.is_direct else tree(self.process.pid)

    def change_upstream(self, to=UP_NEW):
        self.render(to)
        match self.reload["kind"]:
            case "signal":
                os.kill(self.process.pid, signal.Signals[f"SIG{self.reload['signal']}"])
            case "post":
                body = (self.folder / self.reload["file"]).read_bytes()
                headers = {"Content-Type": self.reload["content_type"]}
                # Whatever proxy the environment names, this stays on loopback.
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                opener.open(urllib.request.Request(self.post_url, body, headers), timeout=30).read()

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
        for log in (self.folder / "access.log", self.folder / "output.log"):
            # A line for each request of a benchmark.
            if log.exists() and log.stat().st_size > 4 << 20:
                log.unlink()


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
