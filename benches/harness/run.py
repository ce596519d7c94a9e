"""A run: each case on each gateway in turn."""
import json
import os
import signal
import time

from .figures import CASES, FIGURES
from .gateway import Gateway, Upstream
from .report import added_latency, doubts, price_of_judging, table
from .settings import HERE, RESULTS


class Run:
    def __init__(self, options):
        self.options, self.records, self.failures = options, [], []
        self.gateways = [Gateway(name, options.workers) for name in options.gateways]
        self.about = {"date": time.strftime("%F %T"), "kernel": os.uname().release, "cpus": os.cpu_count(),
                      "arguments": vars(options), "versions": {g.name: g.version() for g in self.gateways}}
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

    def note(self, case, gateway, number_of_round, figures):
        if not figures:
            return
        self.records.append({"case": case, "gateway": gateway.name, "round": number_of_round, "figures": figures})
        shown = " ".join(f"{heading}={figures[key]}" for key, heading in FIGURES[case][:2] if key in figures)
        print(f"{time.strftime('%T')} round {number_of_round} {case:9} {gateway.name:8} {shown}", flush=True)
        text = json.dumps({"about": self.about, "records": self.records}, indent=1)
        self.path.with_suffix(".json").write_text(text)

    def start(self, gateway, round_):
        figures = self.attempt("start", gateway, gateway.start)
        if not gateway.is_direct and figures is None:
            gateway.stop()
            return False
        if "startup" in self.options.case:
            self.note("startup", gateway, round_, figures)
        return True

    def all(self):
        options, cases = self.options, [case for case in self.options.case if CASES[case]]
        up = Upstream()
        try:
            for round_ in range(1, options.rounds + 1):
                # Each case on each gateway in turn, and another one first in each round: the speed of machines drifts.
                turn = (round_ - 1) % len(self.gateways)
                order = self.gateways[turn:] + self.gateways[:turn]
                shared = [case for case in cases if not hasattr(CASES[case], "is_fresh")]
                if shared or "startup" in options.case:
                    running = [gateway for gateway in order if self.start(gateway, round_)]
                    for case in shared:
                        for gateway in running:
                            self.one(case, gateway, up, round_)
                    for gateway in running:
                        gateway.stop()
                for case in (case for case in cases if case not in shared):
                    for gateway in order:
                        if gateway.is_direct or (case == "reload" and not gateway.reload):
                            continue
                        if self.attempt("start", gateway, gateway.start):
                            self.one(case, gateway, up, round_)
                        gateway.stop()
        finally:
            # A second signal would leave something behind.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            for gateway in self.gateways:
                gateway.stop()
            up.stop()

    def one(self, case, gateway, up, round_):
        self.note(case, gateway, round_, self.attempt(case, gateway, lambda: CASES[case](gateway, up, self.options)))

    def show(self):
        about, options = self.about, self.options
        text = f"{about['date']}, kernel {about['kernel']}, {about['cpus']} CPUs, {options.rounds} rounds of {options.dur} s\n\n"
        text += "".join(f"- {name}: {version}\n" for name, version in about["versions"].items() if version)
        text += f"\nThe figures of {options.ref}, and the others as multiples of them:\n\n"
        text += table(self.records, options.gateways, options.ref) + "\n"
        if price := price_of_judging(self.records, self.gateways):
            text += f"\nGateway CPU for what is judged:\n\n{price}\n"
        if added := added_latency(self.records, self.gateways):
            text += f"\nAdded to the first messages of kurento-client:\n\n{added}\n"
        if doubt := doubts(self.records, self.failures):
            text += f"\nTo be doubted:\n\n{doubt}\n"
        self.path.with_suffix(".md").write_text(text)
        print(f"\n{text}\nEvery measurement: {self.path.with_suffix('.json').relative_to(HERE.parent)}")
