"""The server behind the gateway: HTTP/1.1 and WebSockets, as much of Janus and Kurento as the cases
need. A response leaves in one write, so that the gateway gets it in one read; long bodies pass in
steps with the client, so that reads do not depend on how fast either side is."""
import base64
import hashlib
import itertools
import json
import socket
import struct
import threading

WEBSOCKET = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MEBIBYTE = 1 << 20
# Each with its head in one segment of TCP on loopback, and in one TLS record.
PARTS = [15 << 10] + [16 << 10] * 63 + [1 << 10]
IDS = itertools.count(1 << 50)


class Upstream:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        # A part of an upload has come; a part of a download may go.
        self.has_come, self.may_go = threading.Semaphore(0), threading.Semaphore(0)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            tcp, _ = self.listener.accept()
            tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(tcp, self), daemon=True).start()


def serve(tcp, upstream):
    """Requests of one connection, until its end."""
    try:
        with tcp:
            reader = tcp.makefile("rb")
            while head := read_head(reader):
                request, headers = head
                if "upgrade" in headers:
                    upgrade(tcp, headers)
                    return websocket(tcp, reader, request.split()[1])
                body = read_body(reader, int(headers.get("content-length", 0)), upstream)
                path = request.split()[1]
                if path.endswith("/mebibyte"):
                    download(tcp, upstream)
                else:
                    tcp.sendall(response(path, body))
    except OSError:
        pass  # The gateway has closed the connection.


def read_head(reader):
    request = reader.readline().decode("latin1")
    headers = {}
    while line := reader.readline().strip():
        name, value = line.decode("latin1").split(":", 1)
        headers[name.strip().lower()] = value.strip()
    return (request, headers) if request else None


def response(path, body):
    if path.startswith("/janus-rest"):
        body = json_bytes(janus(json.loads(body)))
    else:
        body = b"x" * 100
    return response_head(len(body)) + body


def response_head(length):
    return (f"HTTP/1.1 200 OK\r\nServer: upstream\r\nContent-Type: application/json\r\n"
            f"Content-Length: {length}\r\n\r\n").encode()


def read_body(reader, length, upstream):
    if length < MEBIBYTE:
        return reader.read(length)
    for part in PARTS:
        reader.read(part)
        upstream.has_come.release()
    return b""


def download(tcp, upstream):
    head = response_head(MEBIBYTE)
    for part in PARTS:
        upstream.may_go.acquire()
        tcp.sendall(head + bytes(part))
        head = b""


def upgrade(tcp, headers):
    key = (headers["sec-websocket-key"] + WEBSOCKET).encode()
    accept = base64.b64encode(hashlib.sha1(key).digest()).decode()
    head = (f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n")
    if "sec-websocket-protocol" in headers:
        head += f"Sec-WebSocket-Protocol: {headers['sec-websocket-protocol']}\r\n"
    tcp.sendall(head.encode() + b"\r\n")


def websocket(tcp, reader, path):
    """Messages are echoed, or answered as the path says."""
    while message := read_frame(reader):
        if path.startswith("/janus-ws"):
            message = json_bytes(janus(json.loads(message)))
        elif path.startswith("/kurento"):
            message = json_bytes(kurento(json.loads(message)))
        tcp.sendall(frame(message))


def read_frame(reader):
    """A text frame of at most 64 KiB, or nothing at the end."""
    first = reader.read(2)
    if len(first) < 2 or first[0] != 0x81:
        return None
    length = first[1] & 0x7F
    if length == 126:
        length, = struct.unpack(">H", reader.read(2))
    mask = reader.read(4) if first[1] & 0x80 else bytes(4)
    payload = reader.read(length)
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))


def frame(payload, mask=None):
    length = len(payload)
    head = bytes([0x81, (length if length < 126 else 126) | (0x80 if mask else 0)])
    if length >= 126:
        head += struct.pack(">H", length)
    if mask:
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return head + (mask or b"") + payload


def json_bytes(value):
    return json.dumps(value, separators=(",", ":")).encode()


def janus(request):
    transaction = request["transaction"]
    if request["janus"] in ("create", "attach"):
        return {"janus": "success", "transaction": transaction, "data": {"id": next(IDS)}}
    if request["janus"] == "message" and "handle_id" in request:
        data = {"videoroom": "event", "configured": "ok"}
        return {"janus": "event", "session_id": request["session_id"], "sender": request["handle_id"],
                "transaction": transaction,
                "plugindata": {"plugin": "janus.plugin.videoroom", "data": data}}
    return {"janus": "ack", "transaction": transaction}


def kurento(request):
    params = request["params"]
    session = params.get("sessionId", "5f1c9f0e-0000-4000-8000-000000000001")
    result = {"sessionId": session}
    if request["method"] == "create":
        made = f"{session}_kurento.{params['type']}"
        within = params.get("constructorParams", {}).get("mediaPipeline")
        result["value"] = f"{within}/{made}" if within else made
    return {"id": request["id"], "jsonrpc": "2.0", "result": result}
