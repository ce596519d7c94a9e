"""What there is to measure, and which figures of it are shown."""
from dataclasses import dataclass
from typing import Callable

CASES = {}

PER_SECOND, CPU = ("rps", "per s"), ("cpu_us_per", "gateway CPU us")
P50, P99, P999 = ("p50_us", "p50 us"), ("p99_us", "p99 us"), ("p999_us", "p99.9 us")
LATENCY = (P50, P99, P999)
ERRORS = ("broken", "requests that failed")
# Only these are better when they are larger.
LARGER_IS_BETTER = {"rps", "alive"}


@dataclass
class Case:
    name: str
    run: Callable
    figures: tuple
    # Of the configuration: see variants.py.
    variant: str = ""
    # What it measures depends on what ran before: each run has a gateway just started.
    is_fresh: bool = False
    # One call for all gateways, which only waits.
    is_together: bool = False
    # It hardly differs from round to round, and is left out of most.
    is_steady: bool = False
    is_default: bool = True
    is_quick: bool = False


def case(*figures, name=None, **about):
    """Registers a function that is called with a gateway, the upstream and the options, and returns
    the figures, or None where the gateway has no such thing."""

    def register(run):
        CASES[name or run.__name__] = Case(name or run.__name__, run, figures, **about)
        return run

    return register


# Derived within each round: the figure, its heading, and how it follows from the CPU of this and of
# another case of the same gateway.
TIMES = lambda a, b: a / b
MORE = lambda a, b: a - b
DERIVED = {
    "ws_janus": ("times_raw", "x ws_janus_raw", TIMES, "ws_janus_raw"),
    "ws_janus_jwt": ("times_raw", "x ws_janus_raw", TIMES, "ws_janus_raw"),
    "ws_kurento": ("times_raw", "x ws_kurento_raw", TIMES, "ws_kurento_raw"),
    "rest_janus": ("times_raw", "x rest_janus_raw", TIMES, "rest_janus_raw"),
    "jwt_hs256": ("added_us", "us more than jwt_off", MORE, "jwt_off"),
    "jwt_rs256": ("added_us", "us more than jwt_off", MORE, "jwt_off"),
    "routes": ("added_us", "us more than h1_max", MORE, "h1_max"),
    "allow": ("added_us", "us more than h1_max", MORE, "h1_max"),
    "allow_jwt": ("added_us", "us more than jwt_off", MORE, "jwt_off"),
}


def derive(records):
    """Adds to each record what follows from two records of a round."""
    of = {(r["case"], r["gateway"], r["round"]): r["figures"] for r in records}
    for record in records:
        if record["case"] not in DERIVED:
            continue
        key, _, follow, other = DERIVED[record["case"]]
        base = of.get((other, record["gateway"], record["round"]), {}).get("cpu_us_per")
        own = record["figures"].get("cpu_us_per")
        if base and own and record["gateway"] != "direct":
            record["figures"][key] = round(follow(own, base), 3)


def shown(name):
    """The figures of a case with their headings."""
    derived = DERIVED.get(name)
    return CASES[name].figures + ((derived[:2],) if derived else ())
