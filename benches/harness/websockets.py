"""Cases with messages on WebSockets."""
from .drive import janus_path, kurento_path, load, token, ws_port


def ws_max(gateway, up, options):
    return load(gateway, up, options, "ws", conns=200, size=200, port=ws_port(gateway))


def ws_rate(gateway, up, options):
    return load(gateway, up, options, "ws", conns=200, size=200, rate=options.ws_rate, port=ws_port(gateway))


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
