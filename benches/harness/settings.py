"""Places, ports and limits."""
import os
import resource
from pathlib import Path


HERE = Path(__file__).resolve().parent.parent
WORK, RESULTS, GATEWAYS = HERE / "work", HERE / "results", HERE / "gateways"
BT = os.environ.get("BT", str(HERE / "tools/target/release/bt"))
JWT_SECRET = "a secret of the benchmark and of forty bytes"
UP_HTTP, UP_WS, UP_NEW = 19388, 19389, 19390
RELOAD_WS = 1000
NOFILE = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
# Kept-alive servers and listeners beside the WebSockets.
SPARE_FILES = 600
TICKS = os.sysconf("SC_CLK_TCK")
# If this is killed outright, what it started ends too.
BOUND = ["setpriv", "--pdeathsig", "TERM", "--"]
