#!/usr/bin/env python3
"""TLS gateways side by side on loopback: see README.md, and run.sh, which sees to everything that
this needs."""
import argparse
import os
import resource
import shutil
import signal
import sys

from harness import page
from harness.cases import CASES
from harness.gateway import Gateway
from harness.keys import make_keys, make_many_certificates
from harness.machine import own_group
from harness.run import Run
from harness.settings import GATEWAYS, NOFILE, RESULTS, SPARE_FILES, WORK

def missing(options):
    """Debian packages of what the chosen gateways and cases need and is not here."""
    needs = {"openssl": "openssl", "setpriv": "util-linux"}
    if any(case.startswith(("h2_max", "h2_browser")) for case in options.case):
        needs["h2load"] = "nghttp2-client"
    packages = [package for program, package in needs.items() if not shutil.which(program)]
    for name in options.gateways:
        gateway = Gateway(name, options.workers)
        if not gateway.is_direct and not gateway.binary():
            packages += gateway.about.get("needs", {}).values()
    return packages


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    words = lambda text: text.split(",")
    add = parser.add_argument
    add("--gateways", type=words, default=words("nginx,haproxy,caddy,ianitor"),
        help="names in gateways/*.toml; `direct` is none, and no TLS")
    add("--case", type=words, help="some of: " + ", ".join(CASES))
    add("--quick", action="store_true",
        help="what matters most, in less than five minutes, beside the gateways that are installed")
    add("--rounds", type=int, help="3, with --quick 2")
    add("--dur", type=float, help="seconds that are measured: 1.5, with --quick 1")
    add("--warm", type=float, help="seconds before them: 0.3")
    add("--rate", type=float, default=6000,
        help="requests/s of h1_rate and h2_rate, few enough for every gateway")
    add("--ws-rate", type=float, default=10000, help="messages/s of ws_rate")
    add("--idle", type=int, help="idle WebSockets: 9000, with --quick 3000")
    add("--workers", type=int, default=min(2, os.cpu_count()), help="threads of a gateway")
    add("--ref", default="nginx", help="the gateway that ratios refer to")
    add("--missing", action="store_true",
        help="print the packages that have to be installed, and end")
    add("--page", metavar="RESULT.json",
        help="write the table of docs/performance.md from a file of results, and end")
    options = parser.parse_args()
    fill_in(options)
    for name in options.gateways:
        if name != "direct" and not (GATEWAYS / f"{name}.toml").exists():
            parser.error(f"there is no gateways/{name}.toml")
    for case in options.case:
        if case not in CASES:
            parser.error(f"there is no case {case}")
    if options.ref not in options.gateways:
        options.ref = options.gateways[0]
    return options


def fill_in(options):
    """What follows from --quick, or its absence."""
    usual = {"rounds": (3, 2), "dur": (1.5, 1.0), "warm": (0.3, 0.3), "idle": (9000, 3000)}
    for name, (full, quick) in usual.items():
        if getattr(options, name) is None:
            setattr(options, name, quick if options.quick else full)
    if not options.case:
        options.case = [case.name for case in CASES.values()
                        if (case.is_quick if options.quick else case.is_default)]
    if options.quick:
        # The program that was built is missing until it is.
        here = lambda name: name in ("direct", "ianitor") or Gateway(name, 1).binary()
        options.gateways = list(filter(here, options.gateways))


def main():
    options = arguments()
    if options.missing:
        print("\n".join(missing(options)))
        return
    if options.page:
        page.write(options.page)
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (NOFILE, NOFILE))
    # A gateway of one process needs two descriptors for each, and may keep a quarter of those to
    # servers for others.
    if options.idle > (most := (NOFILE - SPARE_FILES) // 2 * 3 // 4):
        print(f"The limit on open files allows {most} idle connections, not {options.idle}: "
              "see ulimit -Hn.")
        options.idle = most
    own_group()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    WORK.mkdir(exist_ok=True)
    RESULTS.mkdir(exist_ok=True)
    make_keys()
    if any(CASES[case].variant == "certs" for case in options.case):
        make_many_certificates()
    run = Run(options)
    run.all()
    run.show()
    sys.exit(1 if run.failures else 0)


if __name__ == "__main__":
    main()
