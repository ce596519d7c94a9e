"""The clients: one connection, one operation at a time, so that no scheduling changes what the
gateway does. Each case is a class whose `step` is one operation."""
import base64
import hashlib
import hmac
import json
import os
import socket
import ssl
import struct
import subprocess
import time

import upstream

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SECRET = "a secret of the benchmark and of forty bytes"
MASK = b"\x01\x02\x03\x04"


def tls_context(protocol):
    """The certificate is made here, and checking it is not what is measured."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context


def connect(port, context, session=None):
    tcp = socket.create_connection(("127.0.0.1", port), timeout=120)
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(tcp, server_hostname="localhost", session=session)


def token():
    """As an issuer would sign it. The time has always the same number of digits."""
    claims = {"iss": "https://login.example.org", "sub": "4711", "aud": "ianitor", "exp": int(time.time()) + 7200}
    part = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    signed = ".".join(part(json.dumps(x).encode()) for x in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{signed}.{part(hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest())}"


def http1(path, body=b"", headers=()):
    lines = [f"{'POST' if body else 'GET'} {path} HTTP/1.1", "Host: localhost", f"User-Agent: {AGENT}",
             "Accept: */*", "Origin: https://app.example.org", *headers]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def read_head(tls, status=200):
    """The head of a response, and what has come of its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += received(tls)
    head, body = data.split(b"\r\n\r\n", 1)
    if head.split()[1] != str(status).encode():
        raise RuntimeError(f"the gateway answered {head.splitlines()[0].decode()}")
    return head, body


def read_response(tls, status=200):
    """Reads one response and returns its body."""
    head, body = read_head(tls, status)
    headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    parts, missing = [body], int(headers.get(b"content-length", 0)) - len(body)
    while missing > 0:
        parts.append(received(tls))
        missing -= len(parts[-1])
    return b"".join(parts)


def received(tls):
    data = tls.recv(1 << 16)
    if not data:
        raise RuntimeError("the gateway has closed the connection")
    return data


class Http1:
    """A request on a kept-alive connection."""

    def __init__(self, gateway, path, body=b"", headers=()):
        self.tls = connect(gateway.port, tls_context("http/1.1"))
        self.request = http1(path, body, headers)

    def step(self):
        self.tls.sendall(self.request)
        read_response(self.tls)

    def close(self):
        self.tls.close()


class Upload(Http1):
    """1 MiB, each part when the server has got the one before it."""

    def __init__(self, gateway):
        super().__init__(gateway, "/open/small", bytes(upstream.MEBIBYTE))
        self.upstream = gateway.upstream

    def step(self):
        sent, end = 0, len(self.request) - upstream.MEBIBYTE
        for part in upstream.PARTS:
            end += part
            self.tls.sendall(self.request[sent:end])
            sent = end
            if not self.upstream.has_come.acquire(timeout=60):
                raise RuntimeError("an upload does not arrive")
        read_response(self.tls)


class Download(Http1):
    """1 MiB, each part when the client has got the one before it."""

    def __init__(self, gateway):
        super().__init__(gateway, "/open/mebibyte")
        self.upstream = gateway.upstream

    def step(self):
        self.upstream.may_go.release()
        self.tls.sendall(self.request)
        missing = -len(read_head(self.tls)[1])
        for number, part in enumerate(upstream.PARTS):
            if number:
                self.upstream.may_go.release()
            missing += part
            while missing > 0:
                missing -= len(received(self.tls))


class RestJanus(Http1):
    """A message to a handle over HTTP, judged."""

    def __init__(self, gateway):
        super().__init__(gateway, "/janus-rest")
        path = "/janus-rest"
        for verb in ({"janus": "create"}, {"janus": "attach", "plugin": "janus.plugin.videoroom"}):
            self.tls.sendall(http1(path, upstream.json_bytes(verb | {"transaction": "a1b2c3d4e5f6"})))
            path += f"/{json.loads(read_response(self.tls))['data']['id']}"
        self.request = http1(path, janus_message({}, 300))


class Http2:
    """A GET on one HTTP/2 connection. Its headers are not indexed: each request has the same bytes."""

    DATA, HEADERS, SETTINGS, PING, WINDOW = 0, 1, 4, 6, 8

    def __init__(self, gateway, path):
        self.tls = connect(gateway.port, tls_context("h2"))
        self.buffer, self.stream, self.received = b"", 1, 0
        fields = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"),
                  (":path", path), ("user-agent", AGENT), ("accept", "*/*"),
                  ("origin", "https://app.example.org")]
        text = lambda value: bytes([len(value)]) + value.encode()
        # RFC 7541, 6.2.2: literals that are not indexed, with new names and without Huffman coding.
        self.fields = b"".join(b"\0" + text(name) + text(value) for name, value in fields)
        self.tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self.frame(self.SETTINGS, 0, 0))

    def frame(self, kind, flags, stream, payload=b""):
        return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload

    def take(self, count):
        while len(self.buffer) < count:
            self.buffer += received(self.tls)
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_frame(self):
        head = self.take(9)
        length, kind, flags, stream = struct.unpack(">IBBI", b"\0" + head)
        return kind, flags, stream, self.take(length)

    def step(self):
        self.tls.sendall(self.frame(self.HEADERS, 5, self.stream, self.fields))
        while True:
            kind, flags, stream, payload = self.read_frame()
            if kind == self.SETTINGS and not flags & 1:
                self.tls.sendall(self.frame(self.SETTINGS, 1, 0))
            elif kind == self.PING and not flags & 1:
                self.tls.sendall(self.frame(self.PING, 1, 0, payload))
            elif kind == self.HEADERS and payload[0] != 0x88:
                raise RuntimeError("the gateway did not answer 200")
            elif kind not in (self.DATA, self.HEADERS, self.SETTINGS, self.PING, self.WINDOW):
                raise RuntimeError(f"the gateway sent a frame of kind {kind}: {payload}")
            if kind == self.DATA:
                self.received += len(payload)
            if stream == self.stream and flags & 1:
                break
        self.stream += 2
        if self.received > 16384:
            self.tls.sendall(self.frame(self.WINDOW, 0, 0, struct.pack(">I", self.received)))
            self.received = 0

    def close(self):
        self.tls.close()


class Handshake:
    """A new connection, one GET, and its end."""

    def __init__(self, gateway, resumed):
        self.port, self.resumed, self.session = gateway.port, resumed, None
        self.context = tls_context("http/1.1")
        self.request = http1("/open/small", headers=["Connection: close"])

    def step(self):
        tls = connect(self.port, self.context, self.session)
        tls.sendall(self.request)
        read_response(tls)
        if self.resumed:
            if self.session and not tls.session_reused:
                raise RuntimeError("the gateway did not resume the session")
            self.session = self.session or tls.session
        if tls.recv(1):
            raise RuntimeError("bytes after the response")
        tls.close()

    def close(self):
        pass


class WebSocket:
    """A text message and its answer."""

    def __init__(self, gateway, path, protocol=None):
        self.tls = connect(gateway.port, tls_context("http/1.1"))
        headers = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                   "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw=="]
        headers += [f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []
        self.tls.sendall(http1(path, headers=headers))
        read_response(self.tls, 101)
        self.reader = self.tls.makefile("rb")
        self.message = upstream.frame(b"m" * 200, MASK)

    def ask(self, message):
        """One message ahead of the measurement."""
        self.tls.sendall(upstream.frame(upstream.json_bytes(message), MASK))
        return json.loads(upstream.read_frame(self.reader))

    def step(self):
        self.tls.sendall(self.message)
        if not upstream.read_frame(self.reader):
            raise RuntimeError("the gateway has closed the WebSocket")

    def close(self):
        self.tls.close()


class JanusWebSocket(WebSocket):
    """A message to a handle, judged, and an event."""

    def __init__(self, gateway):
        super().__init__(gateway, "/janus-ws", "janus-protocol")
        create = {"janus": "create", "transaction": "a1b2c3d4e5f6"}
        session = self.ask(create)["data"]["id"]
        attach = create | {"janus": "attach", "session_id": session,
                           "plugin": "janus.plugin.videoroom"}
        ids = {"session_id": session, "handle_id": self.ask(attach)["data"]["id"]}
        self.message = upstream.frame(janus_message(ids, 300), MASK)


class KurentoWebSocket(WebSocket):
    """A candidate for an endpoint, judged, and the answer."""

    def __init__(self, gateway):
        super().__init__(gateway, "/kurento")
        create = lambda **params: {"id": 1, "jsonrpc": "2.0", "method": "create", "params": params}
        pipeline = self.ask(create(type="MediaPipeline"))["result"]
        session, pipeline = pipeline["sessionId"], pipeline["value"]
        endpoint = self.ask(create(type="WebRtcEndpoint", sessionId=session,
                                   constructorParams={"mediaPipeline": pipeline}))["result"]["value"]
        candidate = {"candidate": "candidate:1 1 UDP 2130706431 192.0.2.1 50000 typ host",
                     "sdpMid": "0", "sdpMLineIndex": 0}
        invoke = {"id": 2, "jsonrpc": "2.0", "method": "invoke", "params": {
            "object": endpoint, "sessionId": session, "operation": "addIceCandidate",
            "operationParams": {"candidate": candidate}}}
        self.message = upstream.frame(upstream.json_bytes(invoke), MASK)


def janus_message(ids, size):
    body = {"request": "configure", "audio": True, "video": True, "bitrate": 512000, "display": ""}
    message = {"janus": "message", **ids, "transaction": "a1b2c3d4e5f6", "body": body}
    body["display"] = "x" * (size - len(upstream.json_bytes(message)))
    return upstream.json_bytes(message)


class Reload:
    """A reload by the control socket, until the workers have the new configuration."""

    def __init__(self, gateway):
        self.command = [gateway.binary, "reload", "--config", gateway.config, "--wait", "2m"]

    def step(self):
        done = subprocess.run(self.command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"the reload failed: {done.stderr}")

    def close(self):
        pass


def file_content(folder):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "page.html"), "wb") as file:
        file.write(b"<p>text</p>\n" * 400)
