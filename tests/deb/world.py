"""A Debian root for packages, and the network clients that look at what runs in it."""

import base64
import hashlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")).resolve()
SUITE = "bookworm"
CONFIG = "/etc/ianitor/gateway.toml"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def require():
    """Ends the test, with the reason, where it cannot run."""
    if os.geteuid() != 0:
        sys.exit("test-deb: needs root, for debootstrap and chroot: sudo make test-deb")
    tools = {"debootstrap": "debootstrap", "dpkg-deb": "dpkg", "ip": "iproute2"}
    missing = [package for tool, package in tools.items() if not shutil.which(tool)]
    if missing:
        sys.exit(f"test-deb: missing packages: {' '.join(missing)}; scripts/test-deps.sh installs them")


def mirror():
    """Where this machine has its packages from."""
    if "DEBIAN_MIRROR" in os.environ:
        return os.environ["DEBIAN_MIRROR"]
    wanted = ["Created-By: Packages", f"Codename: {SUITE}", "Component: main"]
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE)", *wanted],
                            capture_output=True, text=True, check=True)
    if not listed.stdout:
        sys.exit(f"test-deb: apt has no packages of {SUITE}; name a mirror with DEBIAN_MIRROR=")
    return listed.stdout.splitlines()[0]


def make_fresh():
    """The minimal system that each run copies; a minute and the network, once."""
    fresh = TARGET / "deb-test" / SUITE
    if fresh.exists():
        return
    new = fresh.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    new.parent.mkdir(parents=True, exist_ok=True)
    with open(new.with_suffix(".log"), "wb") as log:
        done = subprocess.run(["debootstrap", "--variant=minbase", SUITE, new, mirror()], stdout=log, stderr=log)
    if done.returncode != 0:
        sys.exit(f"test-deb: debootstrap failed: {log.name}")
    new.rename(fresh)


def is_isolated():
    return "IANITOR_DEB_TEST" in os.environ


def isolate():
    """Starts this script again where the ports of the machine and its mounts are not touched."""
    if is_isolated():
        return
    os.environ["IANITOR_DEB_TEST"] = "1"
    namespaces = ["--net", "--mount", "--propagation", "private",
                  "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.execvp("unshare", ["unshare", *namespaces, sys.executable, *sys.argv])


class Root:
    """A copy of a fresh minimal system, which debootstrap makes once."""

    def __init__(self):
        self.path = TARGET / "deb-test" / "root"
        shutil.rmtree(self.path, ignore_errors=True)
        subprocess.run(["cp", "-a", TARGET / "deb-test" / SUITE, self.path], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        subprocess.run(["mount", "-t", "proc", "proc", self.path / "proc"], check=True)
        subprocess.run(["mount", "--bind", "/dev", self.path / "dev"], check=True)
        self.gateways = []

    def command(self, *words):
        environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"]
        return ["env", "-i", *environment, "chroot", str(self.path), *words]

    def run(self, *words, code=0):
        """Runs a command in the root; what it prints."""
        done = subprocess.run(self.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=180)
        assert done.returncode == code, f"{' '.join(words)}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def install(self, package):
        shutil.copy(package, self.path / "tmp/ianitor.deb")
        return self.run("dpkg", "-i", "/tmp/ianitor.deb")

    def file(self, path):
        return self.path / path.lstrip("/")

    def mode(self, path):
        """The mode of a file, and its owner and group."""
        return self.run("stat", "-c", "%a %U:%G", path).strip()

    def write(self, path, text):
        self.file(path).write_text(text)

    def start(self):
        """Starts the gateway as the unit does: as its user, with the folder of the control socket."""
        self.run("install", "-d", "-o", "ianitor", "-g", "ianitor", "/run/ianitor")
        privileges = ["--reuid", "ianitor", "--regid", "ianitor", "--clear-groups", "--no-new-privs",
                      "--bounding-set", "-all,+net_bind_service", "--inh-caps", "-all,+net_bind_service",
                      "--ambient-caps", "-all,+net_bind_service"]
        command = self.command("setpriv", *privileges, "/usr/bin/ianitor", "run", "--config", CONFIG)
        log = open(self.path.parent / "gateway.log", "wb")
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.gateways.append(process)
        eventually("the gateway listens", lambda: process.poll() is not None or is_open(443))
        assert process.poll() is None, self.log()
        return process.pid

    def log(self):
        return (self.path.parent / "gateway.log").read_text()


def eventually(what, is_so):
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, f"not within a minute: {what}"
        time.sleep(0.05)


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_alive(pid):
    try:
        return not re.search(r"^State:\s+Z", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except FileNotFoundError:
        return False


def connect(root):
    """A TLS connection to the gateway, which trusts what that has made for `localhost`."""
    context = ssl.create_default_context(cafile=root.file("/etc/ianitor/certs/ca.pem"))
    return context.wrap_socket(socket.create_connection(("127.0.0.1", 443), 30), server_hostname="localhost")


def ask(stream, path):
    """The status line and body of an answer."""
    stream.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = b"".join(iter(lambda: stream.recv(65536), b""))
    head, _, body = answer.decode().partition("\r\n\r\n")
    return head.split("\r\n")[0], body


class WebSocket:
    """A client that sends short texts and expects them back."""

    def __init__(self, stream, path):
        self.stream = stream
        stream.sendall((f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
        answer = read_head(stream)
        assert answer.startswith(b"HTTP/1.1 101"), answer

    def echo(self, text):
        data, mask = text.encode(), b"\x01\x02\x03\x04"
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
        self.stream.sendall(bytes([0x81, 0x80 | len(data)]) + mask + masked)
        want = bytes([0x81, len(data)]) + data
        got = read_exactly(self.stream, len(want))
        assert got == want, got


def echo_server():
    """A WebSocket server that sends short texts back; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(stream):
        key = re.search(rb"(?i)sec-websocket-key: *(\S+)", read_head(stream))[1]
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        stream.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        while True:
            first, length = read_exactly(stream, 2)
            mask = read_exactly(stream, 4)
            data = read_exactly(stream, length & 0x7F)
            text = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
            stream.sendall(bytes([first, len(text)]) + text)

    def accept_all():
        while True:
            stream, _ = listener.accept()
            threading.Thread(target=until_closed, args=(serve, stream), daemon=True).start()

    threading.Thread(target=accept_all, daemon=True).start()
    return listener.getsockname()[1]


def until_closed(serve, stream):
    try:
        serve(stream)
    except (OSError, TypeError):
        stream.close()


def read_head(stream):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += read_exactly(stream, 1)
    return head


def read_exactly(stream, length):
    data = b""
    while len(data) < length:
        more = stream.recv(length - len(data))
        if not more:
            raise ConnectionError(f"closed after {data!r}")
        data += more
    return data
