"""A run: each case on each gateway in turn."""
import json
import os
import signal
import time

from . import report
from .gateway import Gateway, Upstream
from .registry import CASES, shown
from .settings import HERE, RESULTS


class Run:
    def __init__(self, options):
        self.options, self.records, self.failures = options, [], []
        self.gateways = [Gateway(name, options.workers) for name in options.gateways]
        self.about = {"date": time.strftime("%F %T"), "kernel": os.uname().release,
                      "cpus": os.cpu_count(), "arguments": vars(options),
                      "versions": {g.name: g.version() for g in self.gateways}}
        self.path = RESULTS / time.strftime("%Y%m%d-%H%M%S")

    def attempt(self, what, gateway, act):
        """What fails is told in the end; the rest goes on."""
        try:
            return act()
        except Exception as error:
            failure = f"{what} of {gateway.name}: {error}"
            if failure not in self.failures:
                self.failures.append(failure)
            print(f"!! {failure}", flush=True)
            return None

    def note(self, case, gateway, round_, figures):
        if not figures:
            return
        self.records.append({"case": case, "gateway": gateway.name, "round": round_,
                             "figures": figures})
        pairs = shown(case)[:3]
        said = " ".join(f"{heading}={figures[key]}" for key, heading in pairs if key in figures)
        print(f"{time.strftime('%T')} round {round_} {case:14} {gateway.name:8} {said}", flush=True)
        found = {"about": self.about, "records": self.records, "failures": self.failures}
        self.path.with_suffix(".json").write_text(json.dumps(found, indent=1))

    def start(self, gateway, variant):
        if gateway.is_direct:
            return not variant
        if self.attempt(f"start {variant}".strip(), gateway, lambda: gateway.start(variant)):
            return True
        gateway.stop()
        return False

    def settle(self, gateway):
        """Waits for what is still being sampled, and ends the gateway."""
        if gateway.later:
            gateway.later.join()
            self.note(*gateway.noted)
            gateway.later = None
        gateway.stop()

    def all(self):
        up = Upstream()
        try:
            for round_ in range(1, self.options.rounds + 1):
                # Another gateway is first in each round: the speed of machines drifts.
                turn = (round_ - 1) % len(self.gateways)
                self.round(round_, self.gateways[turn:] + self.gateways[:turn], up)
        finally:
            # A second signal would leave something behind.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            for gateway in self.gateways:
                gateway.stop()
            up.stop()

    def round(self, round_, order, up):
        for gateway in order:
            gateway.round = round_
        cases = [CASES[name] for name in self.options.case
                 if round_ <= self.most_rounds(CASES[name])]
        for variant in dict.fromkeys(case.variant for case in cases if not case.is_fresh):
            running = [gateway for gateway in order if self.start(gateway, variant)]
            for case in cases:
                if case.is_fresh or case.variant != variant:
                    continue
                if case.is_together:
                    self.together(case, running, up, round_)
                    continue
                # Each case on each gateway in turn.
                for gateway in running:
                    self.one(case, gateway, up, round_)
            for gateway in running:
                gateway.stop()
        for case in (case for case in cases if case.is_fresh):
            for gateway in order:
                if gateway.is_direct:
                    continue
                self.settle(gateway)
                if self.start(gateway, case.variant):
                    self.one(case, gateway, up, round_)
                if not gateway.later:
                    gateway.stop()
        for gateway in order:
            self.settle(gateway)

    def most_rounds(self, case):
        """Memory hardly differs from round to round."""
        return self.options.rounds if not case.is_steady else 1 if self.options.quick else 2

    def one(self, case, gateway, up, round_):
        figures = self.attempt(case.name, gateway, lambda: case.run(gateway, up, self.options))
        if gateway.later:
            gateway.noted = case.name, gateway, round_, figures
        else:
            self.note(case.name, gateway, round_, figures)

    def together(self, case, running, up, round_):
        found = self.attempt(case.name, running[0], lambda: case.run(running, up, self.options))
        for gateway in running:
            self.note(case.name, gateway, round_, (found or {}).get(gateway.name))

    def show(self):
        text = report.text(self.about, self.records, self.failures)
        self.path.with_suffix(".md").write_text(text)
        result = self.path.with_suffix(".json").relative_to(HERE.parent)
        print(f"\n{text}\nEvery measurement: {result}")
