"""Cases in which something happens at once: a start, a reload, thousands of clients."""
import json
import subprocess
import time

from .drive import Hold, Load
from .machine import pss_kib
from .registry import ERRORS, LATENCY, P99, P999, case
from .settings import BOUND, BT, RELOAD_WS, RUSH, UP_HTTP, UP_NEW


def reload_ms(gateway):
    begun = time.perf_counter()
    gateway.change_upstream()
    return round((gateway.wait_for(UP_NEW, 60) - begun) * 1e3, 1)


@case(("reload_ms", "ms"), ("alive", f"alive of {RELOAD_WS}"), ("pss_after_kib", "KiB after it"),
      is_fresh=True, is_quick=True)
def reload(gateway, _, options):
    if not gateway.reload:
        return None
    with Hold(gateway, RELOAD_WS) as held:
        took = reload_ms(gateway)
        time.sleep(3)
        alive = held.alive()
        return {"reload_ms": took, "alive": alive,
                "errors": RELOAD_WS - held.opened["open"],
                "first_error": held.opened["first_error"],
                "pss_after_kib": pss_kib(gateway.pids())}


@case(*LATENCY, ERRORS, is_fresh=True)
def reload_rate(gateway, up, options):
    """Requests at a fixed rate on kept-alive connections, through three reloads."""
    if not gateway.reload:
        return None
    running = Load(gateway, up, options, "http", conns=64, rate=options.rate / 3, dur=3)
    time.sleep(options.warm + 0.5)
    for upstream in (UP_NEW, UP_HTTP, UP_NEW):
        time.sleep(0.5)
        gateway.change_upstream(upstream)
        time.sleep(0.4)
    figures = running.figures()
    return figures | {"broken": figures["errors"], "errors": 0}


@case(P99, P999, ("half_ms", "ms until half are served"), ("all_ms", "ms until all are served"),
      ERRORS, is_fresh=True)
def rush(gateway, up, options):
    """Clients that all connect at once, and the latency of those that were there before."""
    count = min(RUSH, options.idle)
    running = Load(gateway, up, options, "http", conns=32, rate=1000, dur=3)
    time.sleep(options.warm + 0.6)
    done = subprocess.run([*BOUND, BT, "rush", "--port", str(gateway.port), "--conns", str(count)],
                          capture_output=True, text=True, timeout=90)
    if done.returncode:
        raise RuntimeError(f"bt rush: {done.stderr[-300:]}")
    came, figures = json.loads(done.stdout), running.figures()
    return {"p99_us": figures["p99_us"], "p999_us": figures["p999_us"],
            "half_ms": came["half_ms"], "all_ms": came["all_ms"],
            "broken": came["errors"] + figures["errors"],
            "first_error": came["first_error"] or figures["first_error"]}


def changed(gateway, *_):
    """What a start and a reload take; the start is that of this case."""
    if not gateway.reload:
        return gateway.started
    return gateway.started | {"reload_ms": reload_ms(gateway),
                              "pss_after_kib": pss_kib(gateway.pids())}


START = ("startup_ms", "ms to first answer"), ("pss_start_kib", "KiB")
CHANGED = (*START, ("reload_ms", "ms of a reload"), ("pss_after_kib", "KiB after it"))
case(*CHANGED, name="routes_reload", variant="routes", is_fresh=True)(changed)
case(*CHANGED, name="allow_reload", variant="allow", is_fresh=True, is_quick=True)(changed)
case(*CHANGED, name="certs_reload", variant="certs", is_fresh=True)(changed)


@case(*START, is_fresh=True, is_quick=True)
def startup(gateway, _, options):
    return gateway.started
