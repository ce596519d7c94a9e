"""The table and what is said below it."""
import statistics

from .figures import CASES, FIGURES, LARGER_IS_BETTER


def number(x):
    return f"{x:.0f}" if abs(x) >= 100 else f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}"


def table(records, names, ref):
    """A line for each figure: the reference as it is, the others as medians of ratios paired within rounds."""
    names = [ref, *(name for name in names if name != ref)]
    heads = ["case", "figure", "better", ref, *names[1:]]
    lines = []
    for case in CASES:
        for key, heading in FIGURES[case]:
            of = {name: {r["round"]: r["figures"][key] for r in records
                         if (r["case"], r["gateway"]) == (case, name) and key in r["figures"]} for name in names}
            # The floor spends no gateway's CPU.
            if key == "cpu_us_per":
                of.pop("direct", None)
            if not any(of.values()):
                continue
            cells = [case, heading, "more" if key in LARGER_IS_BETTER else "less"]
            cells.append(number(statistics.median(of[ref].values())) if of[ref] else "-")
            for name in names[1:]:
                pairs = [x / of[ref][r] for r, x in of.get(name, {}).items() if of[ref].get(r)]
                # A reference that kept nothing has no ratio; the others are then shown as they are.
                plain = [number(statistics.median(of[name].values())) + " abs."] if of.get(name) else ["-"]
                cells.append(f"{statistics.median(pairs):.2f} x" if pairs else plain[0])
            lines.append(cells)
    widths = [max(map(len, column)) for column in zip(heads, *lines)]

    def line(cells):
        pad = [cell.ljust(width) if at < 3 else cell.rjust(width) for at, (cell, width) in enumerate(zip(cells, widths))]
        return "| " + " | ".join(pad) + " |"

    rule = "|" + "|".join("-" * (width + 1) + (":" if at > 2 else "-") for at, width in enumerate(widths)) + "|"
    return "\n".join([line(heads), rule, *map(line, lines)])


JUDGED = [("ws_janus", "ws_janus_raw"), ("ws_janus_jwt", "ws_janus_raw"), ("rest_janus", "post300"),
          ("ws_kurento", "ws_kurento_raw")]


def price_of_judging(records, gateways):
    """Gateway CPU where messages are judged, as a multiple of that where they are not, within the same gateway."""
    lines = []
    for name in (gateway.name for gateway in gateways if "janus" in gateway.about):
        of = {case: {r["round"]: r["figures"]["cpu_us_per"] for r in records if (r["case"], r["gateway"]) == (case, name)}
              for pair in JUDGED for case in pair}
        for judged, plain in JUDGED:
            ratios = [x / of[plain][r] for r, x in of[judged].items() if of[plain].get(r)]
            if ratios:
                lines.append(f"- {judged} of {name}: {statistics.median(ratios):.2f} x {plain}")
    return "\n".join(lines)


def added_latency(records, gateways):
    """What a gateway adds to the first messages of kurento-client, where the same was asked without any."""
    lines = []
    of = {name: {r["round"]: r["figures"]["p99_us"] for r in records
                 if (r["case"], r["gateway"]) == ("kurento_first", name)}
          for name in (gateway.name for gateway in gateways)}
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
        lines.append(f"- other programs used more than 10 % of the CPUs during {noisy} of {len(records)} measurements")
    return "\n".join(lines)
