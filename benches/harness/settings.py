"""Places, ports and limits."""
import os
import resource
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
WORK, RESULTS, GATEWAYS = HERE / "work", HERE / "results", HERE / "gateways"
PAGE = HERE.parent / "docs/performance.md"
BROWSER_HEAD = HERE / "browser-head.txt"
BT = os.environ.get("BT", str(HERE / "tools/target/release/bt"))
JWT_SECRET = "a secret of the benchmark and of forty bytes"
# Another run on the same machine needs other ports.
PORT_OFFSET = int(os.environ.get("BENCH_PORT_OFFSET", "0"))
UP_HTTP, UP_WS, UP_NEW = (port + PORT_OFFSET for port in (19388, 19389, 19390))
RELOAD_WS = 1000
RUSH = 5000
# How many of each the variants of a configuration have.
ROUTES, CERTIFICATES, NETWORKS = 200, 1000, 10000
NOFILE = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
# Kept-alive servers and listeners beside the WebSockets.
SPARE_FILES = 600
TICKS = os.sysconf("SC_CLK_TCK")
# If this is killed outright, what it started ends too.
BOUND = ["setpriv", "--pdeathsig", "TERM", "--"]
