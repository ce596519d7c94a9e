"""Cases with connections that are held open, on a gateway just started."""
import threading
import time

from .drive import Hold, load
from .machine import cpu, pss_kib, wakeups
from .registry import case

IDLE = (("kib_idle", "KiB each"), ("kib_after_message", "KiB each after a message"),
        ("cpu_us_per", "gateway CPU us to open"), ("mib_kept", "MiB kept 2 s after closing"))
KEPT = ("mib_kept_12s", "MiB kept after 12 s"), ("mib_kept_60s", "MiB kept after 60 s")


class Later(threading.Thread):
    """Memory of a gateway some time after a case, while others are measured."""

    def __init__(self, gateway, before, figures, begun, moments):
        super().__init__(daemon=True)
        self.before, self.figures, self.moments = before, figures, moments
        self.pids, self.begun = gateway.pids(), begun
        self.start()

    def run(self):
        for moment in self.moments:
            time.sleep(max(0.0, self.begun + moment - time.monotonic()))
            kept = (pss_kib(self.pids) - self.before) / 1024
            self.figures[f"mib_kept_{moment}s"] = round(kept, 1)


@case(*IDLE, *KEPT, is_fresh=True, is_steady=True, is_quick=True)
def idle_ws(gateway, _, options):
    # Once is enough for the minute, which the next case on this gateway has to wait for.
    moments = [] if options.quick else [12, 60] if gateway.round == 1 else [12]
    return idle(gateway, options, moments)


@case(*IDLE, is_fresh=True, is_steady=True)
def idle_janus(gateway, _, options):
    """Each with a session and a handle."""
    if "janus" not in gateway.about:
        return None
    return idle(gateway, options, [], "--janus", "--path", "/janus-ws")


def idle(gateway, options, moments, *more):
    time.sleep(0.5)
    pids = gateway.pids()
    pss = [pss_kib(pids)]
    before = cpu(pids)
    with Hold(gateway, options.idle, "ws", *more) as held:
        time.sleep(1)
        pss.append(pss_kib(pids))
        used = cpu(pids) - before
        alive = held.alive()
        time.sleep(2)
        pss.append(pss_kib(pids))
    closed = time.monotonic()
    time.sleep(2)
    pss.append(pss_kib(pids))
    count = max(held.opened["open"], 1)
    figures = {"open": held.opened["open"], "errors": options.idle - alive,
               "first_error": held.opened["first_error"],
               "kib_idle": round((pss[1] - pss[0]) / count, 3),
               "kib_after_message": round((pss[2] - pss[0]) / count, 3),
               "mib_kept": round((pss[3] - pss[0]) / 1024, 1),
               "cpu_us_per": round(used * 1e6 / count, 1)}
    if moments:
        gateway.later = Later(gateway, pss[0], figures, closed, moments)
    return figures


@case(("kib_pending", "KiB each"), is_fresh=True, is_steady=True, is_quick=True)
def idle_lp(gateway, _, options):
    return long_polls(gateway, options)


@case(("kib_pending", "KiB each"), is_fresh=True, is_steady=True)
def idle_lp_h2(gateway, _, options):
    """By HTTP/2, each on a connection of its own, as each user has."""
    return long_polls(gateway, options, "--h2", "--streams", "1")


def long_polls(gateway, options, *more):
    wanted = min(4000, options.idle)
    time.sleep(0.5)
    pids = gateway.pids()
    before = pss_kib(pids)
    with Hold(gateway, wanted, "lp", *more) as held:
        time.sleep(1.5)
        after = pss_kib(pids)
    count = held.opened["open"]
    return {"open": count, "errors": wanted - count, "first_error": held.opened["first_error"],
            "kib_pending": round((after - before) / max(count, 1), 3)}


@case(("cpu_us_few", "gateway CPU us of a GET beside 100"),
      ("cpu_us_many", "gateway CPU us of a GET beside all"), ("times", "x of that beside 100"),
      is_fresh=True, is_steady=True)
def growth(gateway, up, options):
    """What a request costs beside 100 idle WebSockets and beside as many as there may be."""
    few = min(100, options.idle)
    figures = {}
    with Hold(gateway, few):
        load(gateway, up, options, "http", conns=64, dur=0.5)
        first = load(gateway, up, options, "http", conns=64)
        with Hold(gateway, options.idle - few) as held:
            time.sleep(0.5)
            second = load(gateway, up, options, "http", conns=64)
            alive = held.alive()
    figures["cpu_us_few"], figures["cpu_us_many"] = first["cpu_us_per"], second["cpu_us_per"]
    figures["times"] = round(second["cpu_us_per"] / max(first["cpu_us_per"], 0.001), 3)
    figures["errors"] = first["errors"] + second["errors"] + options.idle - few - alive
    figures["first_error"] = first["first_error"] or second["first_error"]
    return figures


@case(("per_second", "wake-ups per s"), ("of_one", "of the busiest thread"), is_together=True, is_steady=True,
      is_quick=True)
def asleep(gateways, _, options):
    """How often threads go to sleep, so have been awake, while nothing happens: all, and the one that does most."""
    seconds = 5 if options.quick else 10
    gateways = [gateway for gateway in gateways if not gateway.is_direct]
    time.sleep(1)
    before = {gateway.name: wakeups(gateway.pids()) for gateway in gateways}
    time.sleep(seconds)
    figures = {}
    for gateway in gateways:
        counts = wakeups(gateway.pids())
        more = [count - before[gateway.name].get(task, 0) for task, count in counts.items()] or [0]
        figures[gateway.name] = {"per_second": round(sum(more) / seconds, 1), "of_one": round(max(more) / seconds, 1)}
    return figures
