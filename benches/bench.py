#!/usr/bin/env python3
"""TLS gateways side by side on loopback: see README.md, and run.sh, which sees to everything that this needs."""
import argparse
import os
import resource
import shutil
import signal
import sys

from harness.figures import CASES
from harness.gateway import Gateway, make_keys
from harness.machine import own_group
from harness.run import Run
from harness.settings import GATEWAYS, NOFILE, RESULTS, SPARE_FILES, WORK


def missing(options):
    """Debian packages of what the chosen gateways and cases need and is not here."""
    needs = {"openssl": "openssl", "setpriv": "util-linux"}
    if "h2_max" in options.case:
        needs["h2load"] = "nghttp2-client"
    for name in options.gateways:
        needs |= Gateway(name, options.workers).about.get("needs", {})
    return [package for program, package in needs.items() if not shutil.which(program)]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    words = lambda text: text.split(",")
    parser.add_argument("--gateways", type=words, default=words("nginx,haproxy,caddy,ianitor"),
                        help="names in gateways/*.toml; `direct` is none, and no TLS")
    parser.add_argument("--case", type=words, default=list(CASES), help="some of: " + ", ".join(CASES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dur", type=float, default=4, help="seconds that are measured")
    parser.add_argument("--warm", type=float, default=1, help="seconds before them")
    parser.add_argument("--rate", type=float, default=6000, help="requests/s of h1_rate, so many that all can take it")
    parser.add_argument("--ws-rate", type=float, default=10000, help="messages/s of ws_rate")
    parser.add_argument("--idle", type=int, default=9000, help="idle WebSockets")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count()), help="threads of a gateway")
    parser.add_argument("--ref", default="nginx", help="the gateway that ratios refer to")
    parser.add_argument("--missing", action="store_true", help="print the packages that have to be installed, and end")
    options = parser.parse_args()
    for name in options.gateways:
        if name != "direct" and not (GATEWAYS / f"{name}.toml").exists():
            parser.error(f"there is no gateways/{name}.toml")
    for case in options.case:
        if case not in CASES:
            parser.error(f"there is no case {case}")
    if options.ref not in options.gateways:
        options.ref = options.gateways[0]
    return options


def main():
    options = arguments()
    if options.missing:
        print("\n".join(missing(options)))
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (NOFILE, NOFILE))
    # A gateway of one process needs two descriptors for each, and may keep a quarter of those to servers for others.
    if options.idle > (most := (NOFILE - SPARE_FILES) // 2 * 3 // 4):
        print(f"The limit on open files allows {most} idle connections, not {options.idle}: see ulimit -Hn.")
        options.idle = most
    own_group()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    WORK.mkdir(exist_ok=True)
    RESULTS.mkdir(exist_ok=True)
    make_keys()
    run = Run(options)
    run.all()
    run.show()
    sys.exit(1 if run.failures else 0)


if __name__ == "__main__":
    main()
