"""Cases with handshakes and requests."""
import re
import subprocess

from .drive import janus_path, load, token
from .machine import Quiet, cpu


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
