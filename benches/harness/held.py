"""Cases with connections that are held open, on a gateway just started."""
import time

from .drive import Hold, fresh, janus_path
from .machine import cpu, pss_kib
from .settings import RELOAD_WS, UP_NEW


@fresh
def idle_ws(gateway, _, options):
    return idle(gateway, options)


@fresh
def idle_janus(gateway, _, options):
    """Each with a session and a handle."""
    path = janus_path(gateway, "/janus-ws", "/kurento/janus")
    return idle(gateway, options, "--janus", "--path", path)


def idle(gateway, options, *more):
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
    time.sleep(2)
    pss.append(pss_kib(pids))
    count = max(held.opened["open"], 1)
    return {"open": held.opened["open"], "errors": options.idle - alive, "first_error": held.opened["first_error"],
            "kib_idle": round((pss[1] - pss[0]) / count, 3), "kib_after_message": round((pss[2] - pss[0]) / count, 3),
            "mib_kept": round((pss[3] - pss[0]) / 1024, 1), "cpu_us_per": round(used * 1e6 / count, 1)}


@fresh
def idle_lp(gateway, _, options):
    wanted = min(4000, options.idle)
    time.sleep(0.5)
    pids = gateway.pids()
    before = pss_kib(pids)
    with Hold(gateway, wanted, "lp") as held:
        time.sleep(1.5)
        after = pss_kib(pids)
    count = held.opened["open"]
    return {"open": count, "errors": wanted - count, "first_error": held.opened["first_error"],
            "kib_pending": round((after - before) / max(count, 1), 3)}


@fresh
def reload(gateway, _, options):
    with Hold(gateway, RELOAD_WS) as held:
        begun = time.perf_counter()
        gateway.change_upstream()
        seen = gateway.wait_for(UP_NEW, 40)
        time.sleep(3)
        alive = held.alive()
        return {"reload_ms": round((seen - begun) * 1e3, 1), "alive": alive,
                "errors": RELOAD_WS - held.opened["open"], "first_error": held.opened["first_error"],
                "pss_after_kib": pss_kib(gateway.pids())}
