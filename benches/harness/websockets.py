"""Cases with messages on WebSockets."""
from .drive import janus_path, load, ws_port
from .keys import token
from .registry import CPU, LATENCY, P50, P99, PER_SECOND, case


@case(CPU, PER_SECOND, P99, is_quick=True)
def ws_max(gateway, up, options):
    return load(gateway, up, options, "ws", conns=200, size=200, port=ws_port(gateway))


@case(CPU, *LATENCY)
def ws_rate(gateway, up, options):
    return load(gateway, up, options, "ws", conns=200, size=200, rate=options.ws_rate,
                port=ws_port(gateway))


@case(CPU, PER_SECOND)
def ws_h2(gateway, up, options):
    """As streams of HTTP/2 (RFC 8441), ten on each connection."""
    if "h2_websockets" not in gateway.about:
        return None
    return load(gateway, up, options, "ws", conns=200, size=200, h2=True, streams=10)


@case(CPU, PER_SECOND, P99, is_quick=True)
def ws_janus(gateway, up, options):
    return load(gateway, up, options, "ws", conns=200, size=200, port=ws_port(gateway), janus=True,
                path=janus_path(gateway, "/janus-ws", "/kurento/janus"))


@case(CPU, PER_SECOND, P99, is_quick=True)
def ws_janus_raw(gateway, up, options):
    """Forwarded as they are: where nothing is judged, it is `ws_janus`."""
    if "janus" not in gateway.about:
        return None
    return load(gateway, up, options, "ws", conns=200, size=200, janus=True, path="/kurento/janus")


@case(CPU, PER_SECOND)
def ws_janus_jwt(gateway, up, options):
    if "janus" not in gateway.about:
        return None
    return load(gateway, up, options, "ws", conns=200, size=200, janus=True, path="/janus-ws-jwt",
                bearer=token("HS256"))


def kurento_path(gateway):
    return "/kms-ws" if "kurento" in gateway.about else "/kurento/kms"


@case(CPU, PER_SECOND, P99)
def ws_kurento(gateway, up, options):
    return load(gateway, up, options, "ws", conns=200, size=300, port=ws_port(gateway),
                kurento=True, path=kurento_path(gateway))


@case(CPU, PER_SECOND, P99)
def ws_kurento_raw(gateway, up, options):
    if "kurento" not in gateway.about:
        return None
    return load(gateway, up, options, "ws", conns=200, size=300, kurento=True, path="/kurento/kms")


@case(P50, P99, is_default=False)
def kurento_first(gateway, up, options):
    """What kurento-client begins with, a few times a second, as no client waits for another."""
    return load(gateway, up, options, "ws", conns=4, rate=300, port=ws_port(gateway), kurento=True,
                first=True, path=kurento_path(gateway))
