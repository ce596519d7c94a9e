"""Load generators, connections that are held open, and tokens."""
import base64
import functools
import hashlib
import hmac
import json
import select
import subprocess
import time

from .machine import Quiet
from .settings import BOUND, BT, JWT_SECRET, UP_WS, WORK


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


def ws_port(gateway):
    return UP_WS if gateway.is_direct else gateway.port


def janus_path(gateway, understood, opaque):
    """A gateway that understands Janus has paths where it judges each message; to the others it is one like any."""
    return understood if "janus" in gateway.about else opaque


def kurento_path(gateway):
    return "/kms-ws" if "kurento" in gateway.about else "/kurento/kms"


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
