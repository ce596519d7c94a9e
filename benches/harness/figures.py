"""The cases, and which of their figures are shown."""
from .held import idle_janus, idle_lp, idle_ws, reload
from .requests import (dl1m, h1_max, h1_rate, h2_max, hs_full, hs_resume, jwt_hs256, jwt_off,
                       jwt_rs256, post300, rest_janus, ul1m)
from .settings import RELOAD_WS
from .websockets import (kurento_first, ws_janus, ws_janus_jwt, ws_janus_raw, ws_kurento,
                         ws_kurento_raw, ws_max, ws_rate)


CASES = {case.__name__: case for case in (
    hs_full, hs_resume, h1_max, h1_rate, h2_max, post300, rest_janus, dl1m, ul1m, ws_max, ws_rate, ws_janus_raw, ws_janus,
    ws_janus_jwt, ws_kurento_raw, ws_kurento, kurento_first, jwt_off, jwt_hs256, jwt_rs256, idle_ws, idle_janus, idle_lp, reload)}
CASES["startup"] = None  # falls out of starting them

PER_SECOND, CPU = ("rps", "per s"), ("cpu_us_per", "gateway CPU us")
LATENCY = [("p50_us", "p50 us"), ("p99_us", "p99 us")]
IDLE = [("kib_idle", "KiB each"), ("kib_after_message", "KiB each after a message"),
        ("mib_kept", "MiB kept after closing"), ("cpu_us_per", "gateway CPU us to open")]
FIGURES = {
    "hs_full": [CPU, PER_SECOND],
    "hs_resume": [CPU, PER_SECOND],
    "h1_max": [CPU, PER_SECOND, LATENCY[1]],
    "h1_rate": [CPU, *LATENCY],
    "h2_max": [CPU, PER_SECOND],
    "post300": [CPU, PER_SECOND],
    "rest_janus": [CPU, PER_SECOND],
    "dl1m": [CPU, ("rps", "MiB/s")],
    "ul1m": [CPU, ("rps", "MiB/s")],
    "ws_max": [CPU, PER_SECOND, LATENCY[1]],
    "ws_rate": [CPU, *LATENCY],
    "ws_janus_raw": [CPU, PER_SECOND, LATENCY[1]],
    "ws_janus": [CPU, PER_SECOND, LATENCY[1]],
    "ws_janus_jwt": [CPU, PER_SECOND],
    "ws_kurento_raw": [CPU, PER_SECOND, LATENCY[1]],
    "ws_kurento": [CPU, PER_SECOND, LATENCY[1]],
    "kurento_first": LATENCY,
    "jwt_off": [CPU, PER_SECOND],
    "jwt_hs256": [CPU, PER_SECOND],
    "jwt_rs256": [CPU, PER_SECOND],
    "idle_ws": IDLE,
    "idle_janus": IDLE,
    "idle_lp": [("kib_pending", "KiB each")],
    "reload": [("reload_ms", "ms"), ("alive", f"alive of {RELOAD_WS}"), ("pss_after_kib", "KiB after it")],
    "startup": [("startup_ms", "ms to first answer"), ("pss_start_kib", "KiB")],
}
# Only these are better when they are larger.
LARGER_IS_BETTER = {"rps", "alive"}
