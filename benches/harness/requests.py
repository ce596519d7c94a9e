"""Cases with handshakes and requests."""
from .drive import browser_head, h2load, janus_path, load
from .keys import token
from .registry import CPU, LATENCY, P99, PER_SECOND, case
from .settings import BROWSER_HEAD, CERTIFICATES, ROUTES


@case(CPU, PER_SECOND, is_quick=True)
def hs_full(gateway, up, options):
    return None if gateway.is_direct else load(gateway, up, options, "hs", conns=32)


@case(CPU, PER_SECOND)
def hs_resume(gateway, up, options):
    return None if gateway.is_direct else load(gateway, up, options, "hs", conns=32, resume=True)


@case(CPU, PER_SECOND, P99, is_quick=True)
def h1_max(gateway, up, options):
    return load(gateway, up, options, "http", conns=64)


@case(CPU, *LATENCY, is_quick=True)
def h1_rate(gateway, up, options):
    return load(gateway, up, options, "http", conns=64, rate=options.rate)


@case(CPU, PER_SECOND)
def h1_browser(gateway, up, options):
    return load(gateway, up, options, "http", conns=64, head=BROWSER_HEAD)


@case(CPU, PER_SECOND, is_quick=True)
def h2_max(gateway, up, options):
    return None if gateway.is_direct else h2load(gateway, up, options)


@case(CPU, *LATENCY)
def h2_rate(gateway, up, options):
    if gateway.is_direct:
        return None
    return load(gateway, up, options, "http", conns=16, h2=True, streams=4, rate=options.rate)


@case(CPU, PER_SECOND)
def h2_browser(gateway, up, options):
    return None if gateway.is_direct else h2load(gateway, up, options, browser_head())


@case(CPU, PER_SECOND, is_quick=True)
def post300(gateway, up, options):
    return load(gateway, up, options, "http", conns=64, body=300, path="/janus")


@case(CPU, PER_SECOND, is_quick=True)
def rest_janus(gateway, up, options):
    return load(gateway, up, options, "http", conns=64, body=300, janus=True,
                path=janus_path(gateway, "/janus-rest", "/janus/rest"))


@case(CPU, PER_SECOND, is_quick=True)
def rest_janus_raw(gateway, up, options):
    """The same forwarded as it is: where nothing is judged, it is `rest_janus`."""
    if "janus" not in gateway.about:
        return None
    return load(gateway, up, options, "http", conns=64, body=300, janus=True, path="/janus/rest")


@case(CPU, ("rps", "MiB/s"), is_quick=True)
def dl1m(gateway, up, options):
    return load(gateway, up, options, "http", conns=8, path="/janus/m1", buf=65536)


@case(CPU, ("rps", "MiB/s"))
def ul1m(gateway, up, options):
    return load(gateway, up, options, "http", conns=8, body=1 << 20, path="/janus")


def with_token(gateway, up, options, algorithm, path):
    if "jwt" not in gateway.about:
        return None
    return load(gateway, up, options, "http", conns=64, bearer=token(algorithm), path=path)


@case(CPU, PER_SECOND, is_quick=True)
def jwt_off(gateway, up, options):
    return with_token(gateway, up, options, "RS256", "/janus/b100")


@case(CPU, PER_SECOND, is_quick=True)
def jwt_hs256(gateway, up, options):
    return with_token(gateway, up, options, "HS256", "/janus-hs256/b100")


@case(CPU, PER_SECOND)
def jwt_rs256(gateway, up, options):
    return with_token(gateway, up, options, "RS256", "/janus-rs256/b100")


# What writes a line for each request is measured with the access log on as well.
case(CPU, PER_SECOND, name="hs_full_log", variant="log")(hs_full)
case(CPU, PER_SECOND, name="hs_resume_log", variant="log")(hs_resume)
case(CPU, PER_SECOND, name="h1_max_log", variant="log", is_quick=True)(h1_max)
case(CPU, *LATENCY, name="h1_rate_log", variant="log")(h1_rate)
case(CPU, PER_SECOND, name="h2_max_log", variant="log")(h2_max)
case(CPU, PER_SECOND, name="post300_log", variant="log")(post300)
case(CPU, PER_SECOND, name="rest_janus_log", variant="log")(rest_janus)
case(CPU, ("rps", "MiB/s"), name="dl1m_log", variant="log")(dl1m)
case(CPU, ("rps", "MiB/s"), name="ul1m_log", variant="log")(ul1m)
case(CPU, PER_SECOND, name="jwt_hs256_log", variant="log")(jwt_hs256)


@case(CPU, PER_SECOND, variant="routes")
def routes(gateway, up, options):
    """By the last of many routes."""
    if gateway.is_direct:
        return None
    return load(gateway, up, options, "http", conns=64, path=f"/room{ROUTES - 1}/b100")


@case(CPU, PER_SECOND, variant="allow", is_quick=True)
def allow(gateway, up, options):
    """From an address that is in the last network of a long list."""
    if gateway.is_direct:
        return None
    return load(gateway, up, options, "http", conns=64, path="/listed/b100")


@case(CPU, PER_SECOND, variant="allow")
def allow_jwt(gateway, up, options):
    return with_token(gateway, up, options, "HS256", "/listed-jwt/b100")


@case(CPU, PER_SECOND, variant="certs")
def certs(gateway, up, options):
    """Each handshake for another name."""
    if gateway.is_direct:
        return None
    return load(gateway, up, options, "hs", conns=32, hosts=CERTIFICATES)
