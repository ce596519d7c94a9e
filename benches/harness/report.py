"""The table, and what is said below it."""
import math
import statistics
import tomllib

from .registry import CASES, LARGER_IS_BETTER, derive, shown
from .settings import HERE

# Whose goals and rank are shown, and the one that goals are multiples of.
SUBJECT, ANCHOR = "ianitor", "nginx"
# No gateway, and an older build of the subject.
NO_PEERS = {"direct", "before"}
# Differences and ratios within one gateway.
WITHOUT_RANK = {"added_us", "times_raw", "times"}


def number(x):
    return f"{x:.0f}" if abs(x) >= 100 else f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}"


def spread(values, unit=""):
    """The median, and between what it lies."""
    middle = number(statistics.median(values)) + unit
    low, high = number(min(values)), number(max(values))
    return middle if low == high else f"{middle} ({low}-{high})"


def by_round(records, case, key):
    """For each gateway, the figure in each round."""
    found = {}
    for record in records:
        if record["case"] == case and key in record["figures"]:
            found.setdefault(record["gateway"], {})[record["round"]] = record["figures"][key]
    # The floor spends no gateway's CPU.
    if key == "cpu_us_per":
        found.pop("direct", None)
    return found


def ratios(own, other):
    return [x / other[r] for r, x in own.items() if other.get(r)]


def compared(values, bound, is_larger_better=False):
    """Whether all rounds are on one side of a bound."""
    if is_larger_better:
        values, bound = [-x for x in values], -bound
    return "met" if max(values) <= bound else "missed" if min(values) > bound else "within noise"


def verdict(goal, of):
    """A goal, and whether it is met, missed, or neither beyond what rounds are apart."""
    own = of.get(SUBJECT, {})
    if not goal or not own:
        return "", ""
    if "nginx" in goal:
        pairs, text = ratios(own, of.get(ANCHOR, {})), f"{goal['nginx']:.2f} x {ANCHOR}"
        return text, compared(pairs, goal["nginx"]) if pairs else "-"
    if "least" in goal:
        return f">= {goal['least']}", compared(own.values(), goal["least"], True)
    return f"<= {goal['most']}", compared(own.values(), goal["most"])


def rank(of, is_larger_better):
    """The subject beside the best of the others: ahead or behind only if so in every round."""
    own = of.get(SUBJECT)
    peers = {name: x for name, x in of.items() if name not in {SUBJECT} | NO_PEERS}
    if not own or not peers:
        return ""
    pick = max if is_larger_better else min
    best = pick(peers, key=lambda name: statistics.median(peers[name].values()))
    pairs = ratios(own, peers[best])
    if not pairs:
        equal = statistics.median(own.values()) <= statistics.median(peers[best].values())
        return f"{best}: {'level' if equal else 'behind'}"
    worse, better = ("behind", "ahead") if not is_larger_better else ("ahead", "behind")
    place = better if max(pairs) < 1 else worse if min(pairs) > 1 else "level"
    return f"{number(statistics.median(pairs))} x {best}: {place}"


def table(records, names, ref):
    """A line for each figure: the reference as it is, the others as medians of ratios paired within
    rounds; in brackets the least and the most."""
    derive(records)
    goals = tomllib.loads((HERE / "goals.toml").read_text())
    names = [ref, *(name for name in names if name != ref)]
    heads = ["case", "figure", "better", ref, *names[1:], "goal", "verdict", "beside the best"]
    lines = []
    for case in CASES:
        for key, heading in shown(case):
            of = by_round(records, case, key)
            if not any(of.values()):
                continue
            is_larger_better = key in LARGER_IS_BETTER
            cells = [case, heading, "more" if is_larger_better else "less"]
            cells.append(spread(of[ref].values()) if ref in of else "-")
            for name in names[1:]:
                pairs = ratios(of.get(name, {}), of.get(ref, {}))
                # A reference without the figure, or with nothing, has no ratio.
                plain = spread(of[name].values(), " abs.") if name in of else "-"
                cells.append(spread(pairs, " x") if pairs and key not in WITHOUT_RANK else plain)
            goal = goals.get(case, {}).get(key)
            place = "" if key in WITHOUT_RANK else rank(of, is_larger_better)
            lines.append([*cells, *verdict(goal, of), place])
    return aligned(heads, lines)


def aligned(heads, lines):
    widths = [max(map(len, column)) for column in zip(heads, *lines)]
    is_number = lambda at: 2 < at < len(heads) - 3

    def line(cells):
        pad = [cell.rjust(width) if is_number(at) else cell.ljust(width)
               for at, (cell, width) in enumerate(zip(cells, widths))]
        return "| " + " | ".join(pad) + " |"

    ends = ("-" * (width + 1) + (":" if is_number(at) else "-") for at, width in enumerate(widths))
    return "\n".join([line(heads), "|" + "|".join(ends) + "|", *map(line, lines)])


def noise(records):
    """What the rest of the machine did during the measurements."""
    lines = []
    for key, text in (("noise_pct", "other programs"), ("steal_pct", "other virtual machines")):
        found = sorted(r["figures"][key] for r in records if key in r["figures"])
        if found:
            most = found[math.ceil((len(found) - 1) * 0.95)]
            lines.append(f"{text} used {statistics.median(found):.1f} % of the CPUs in the median, "
                         f"{most:.1f} % in one of twenty measurements")
    return "; ".join(lines)


def added_latency(records):
    """What a gateway adds to the first messages of kurento-client, where `direct` was run too."""
    of = by_round(records, "kurento_first", "p99_us")
    lines = []
    for name, figures in of.items():
        more = [x - of["direct"][r] for r, x in figures.items() if r in of.get("direct", {})]
        if more and name != "direct":
            lines.append(f"- {name}: {statistics.median(more):.0f} us at p99")
    return "\n".join(lines)


def doubts(records, failures):
    """What keeps the table from meaning what it says."""
    wrong = {}
    for record in records:
        if record["figures"].get("errors"):
            name = f"{record['case']} of {record['gateway']}"
            count, first = wrong.get(name, (0, ""))
            figures = record["figures"]
            wrong[name] = (count + figures["errors"], first or figures.get("first_error", ""))
    lines = [f"- {name}: {count} errors {first}".rstrip() for name, (count, first) in wrong.items()]
    lines += [f"- {failure}" for failure in failures]
    noisy = sum(record["figures"].get("noise_pct", 0) > 10 for record in records)
    if noisy:
        lines.append(f"- other programs used more than 10 % of the CPUs during {noisy} of "
                     f"{len(records)} measurements")
    return "\n".join(lines)


def text(about, records, failures):
    """All that is said of a run; `about` is what its file of results begins with."""
    options = about["arguments"]
    ref = options["ref"]
    out = (f"{about['date']}, kernel {about['kernel']}, {about['cpus']} CPUs, "
           f"{options['rounds']} rounds of {options['dur']} s\n\n")
    versions = about["versions"].items()
    out += "".join(f"- {name}: {version}\n" for name, version in versions if version)
    out += (f"\nThe figures of {ref}, and the others as multiples of them: medians, and from the "
            "least to the most of the rounds.\n\n")
    out += table(records, options["gateways"], ref) + "\n"
    if said := noise(records):
        out += f"\nNoise: {said}.\n"
    if added := added_latency(records):
        out += f"\nAdded to the first messages of kurento-client:\n\n{added}\n"
    if doubt := doubts(records, failures):
        out += f"\nTo be doubted:\n\n{doubt}\n"
    return out
