#!/usr/bin/env python3
"""What a killed upstream costs: this gateway beside nginx and HAProxy, in the same run.

Each gateway has two servers, in turns, and one worker. While clients ask at a fixed rate, one
server gets SIGKILL. Shown are the time until the first request that avoids it (the second in a
row that the other server answers), the time until the last one that failed or took longer than
SLOW, and how many failed. A request without a body and a POST are told apart: one may be sent
again, the other not.

    IANITOR=target/release/ianitor python3 benches/failover.py [--rounds 3] [--rate 400] [--json]

NGINX and HAPROXY name other binaries. It needs no TLS, since it is about what is behind the
gateways.
"""
import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SLOW = 0.1
BEFORE, AFTER = 1.0, 3.0
CLIENTS = 16

NGINX = """
daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 1000; }}
http {{
    access_log off;
    client_body_temp_path {dir}/1; proxy_temp_path {dir}/2; fastcgi_temp_path {dir}/3;
    uwsgi_temp_path {dir}/4; scgi_temp_path {dir}/5;
    upstream app {{
        server 127.0.0.1:{one} max_fails=1 fail_timeout=10s;
        server 127.0.0.1:{two} max_fails=1 fail_timeout=10s;
        keepalive 64;
    }}
    server {{
        listen 127.0.0.1:{port};
        keepalive_requests 1000000;
        location / {{
            proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_next_upstream error timeout;
        }}
    }}
}}
"""

HAPROXY = """
global
    nbthread 1
defaults
    mode http
    timeout connect 3s
    timeout client 60s
    timeout server 60s
    option redispatch 1
    retries 3
    http-reuse always
frontend fe
    bind 127.0.0.1:{port}
    default_backend app
backend app
    balance roundrobin
    server one 127.0.0.1:{one} check inter 1s fall 2 rise 2
    server two 127.0.0.1:{two} check inter 1s fall 2 rise 2
"""

IANITOR = """
[listen]
plain = ["127.0.0.1:{port}"]
workers = 1

[log]
access = false

[upstreams.app]
servers = ["http://127.0.0.1:{one}", "http://127.0.0.1:{two}"]
balance = "round_robin"

[[routes]]
path = "/"
upstream = "app"
policy = "open"
"""

GATEWAYS = {
    "ianitor": ("ianitor", IANITOR, ["run", "--config"]),
    "nginx": ("nginx", NGINX, ["-c"]),
    "haproxy": ("haproxy", HAPROXY, ["-f"]),
}


async def serve(port):
    """A server that answers with its port."""
    async def connection(reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"ontent-" in head:
                    await reader.readexactly(length(head))
                body = str(port).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
                             % (len(body), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
    server = await asyncio.start_server(connection, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


def length(head):
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


class Client:
    """One kept-alive connection to the gateway, opened anew where it has broken."""

    def __init__(self, port):
        self.port, self.streams = port, None

    async def ask(self, method):
        """The status, and what has answered."""
        if not self.streams:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        body = "Content-Length: 2\r\n\r\n{}" if method == "POST" else "\r\n"
        writer.write(f"{method} / HTTP/1.1\r\nHost: localhost\r\n{body}".encode())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            answer = await reader.readexactly(length(head))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.close()
            return 0, b""
        if b"\r\nconnection: close" in head.lower():
            self.close()
        return int(head.split(b" ", 2)[1]), answer

    def close(self):
        self.streams[1].close()
        self.streams = None


async def load(port, rate, kill):
    """Asks at a rate, and calls `kill` meanwhile. Returns its time, and of each request its
    method, beginning, end, status and answer."""
    seen, clients, begun = [], asyncio.Queue(), time.monotonic()
    for _ in range(CLIENTS):
        clients.put_nowait(Client(port))

    async def one(number):
        client, method = await clients.get(), ("GET", "POST")[number // 2 % 2]
        start = time.monotonic()
        try:
            status, answer = await asyncio.wait_for(client.ask(method), 10)
        except (TimeoutError, OSError):
            status, answer, client = 0, b"", Client(port)
        seen.append((method, start, time.monotonic(), status, answer))
        clients.put_nowait(client)

    killed, tasks = None, []
    for number in range(int(rate * (BEFORE + AFTER))):
        due = begun + number / rate
        await asyncio.sleep(max(0, due - time.monotonic()))
        if killed is None and due >= begun + BEFORE:
            killed = time.monotonic()
            kill()
        tasks.append(asyncio.create_task(one(number)))
    await asyncio.gather(*tasks)
    return killed, seen


def judge(killed, seen, dead):
    """What the kill has cost."""
    if len({request[4] for request in seen if request[3] == 200 and request[1] < killed}) != 2:
        sys.exit("Not both servers were used before one was killed.")
    after = sorted((request for request in seen if request[2] > killed), key=lambda r: r[1])
    failed = [request for request in after if request[3] != 200]
    slow = [request for request in after if request[2] - request[1] > SLOW]
    first = next(
        (now[2] for was, now in zip(after, after[1:])
         if was[1] > killed and all(r[3] == 200 and r[4] != dead for r in (was, now))),
        None)
    last = max((request[2] for request in failed + slow), default=killed)
    return {
        "first_ms": None if first is None else round((first - killed) * 1000, 1),
        "clean_ms": round((last - killed) * 1000, 1),
        "lost_get": sum(request[0] == "GET" for request in failed),
        "lost_post": sum(request[0] == "POST" for request in failed),
        "slowest_ms": round(max(request[2] - request[1] for request in after) * 1000, 1),
        "requests": len(after),
    }


def listens(port):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    sys.exit(f"Nothing listens on port {port}.")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def binary(name):
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    found = shutil.which(os.environ.get(name.upper()) or name, path=path)
    return found or sys.exit(f"{name} is not installed; {name.upper()}= names another binary.")


def measure(name, rate, folder):
    program, template, arguments = GATEWAYS[name]
    one, two, port = free_port(), free_port(), free_port()
    config = folder / f"{name}.conf"
    config.write_text(template.format(dir=folder, one=one, two=two, port=port))
    started = []

    def start(command):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL)
        started.append(process)
        return process

    try:
        servers = [start([sys.executable, __file__, "--serve", str(at)]) for at in (one, two)]
        for at in (one, two):
            listens(at)
        start([binary(program), *arguments, str(config)])
        listens(port)
        # HAProxy's first checks.
        time.sleep(0.5)
        kill = lambda: servers[0].send_signal(signal.SIGKILL)
        killed, seen = asyncio.run(load(port, rate, kill))
        return judge(killed, seen, str(one).encode())
    finally:
        for process in started:
            process.kill()
            process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=400, help="requests a second")
    parser.add_argument("--gateways", default="ianitor,nginx,haproxy")
    parser.add_argument("--json", action="store_true", help="one line for each gateway and round")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        return asyncio.run(serve(chosen.serve))
    results = {name: [] for name in chosen.gateways.split(",")}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(chosen.rounds):
            for name, all_of in results.items():
                all_of.append(measure(name, chosen.rate, Path(folder)))
                if chosen.json:
                    print(json.dumps({"gateway": name} | all_of[-1]), flush=True)
    if not chosen.json:
        show(results)


def show(results):
    columns = ["first_ms", "clean_ms", "slowest_ms", "lost_get", "lost_post", "requests"]
    print(f"{'gateway':10}" + "".join(f"{column:>12}" for column in columns))
    for name, rounds in results.items():
        median = [statistics.median(r[column] or 0 for r in rounds) for column in columns]
        print(f"{name:10}" + "".join(f"{value:>12g}" for value in median))


if __name__ == "__main__":
    main()
