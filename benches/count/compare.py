"""The recorded counts, and what new ones beside them say."""
import json
import tomllib
from dataclasses import dataclass, field

# What is less of a case than this is not recorded by function.
FLOOR = 0.01
TOLERANCE = 0.03
HEAD = """\
# Instructions for each operation of `make bench-count`: see README.md. Written by
# `make bench-count RECORD=1`: a commit that changes these says why.
"""


@dataclass
class Verdict:
    """Errors by case, and what is only said."""

    errors: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)


def load(path):
    return tomllib.loads(path.read_text()) if path.exists() else {"environment": {}, "cases": {}}


def recorded_form(profile):
    """A case as it is recorded."""
    floor = profile.total * FLOOR
    functions = {name: n for name, n in profile.functions.most_common() if n >= floor}
    return {part: profile.parts[part] for part in ("own", "libc", "crypto")} | {"functions": functions}


def text_of(record):
    lines = [HEAD, "[environment]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in record["environment"].items()]
    for case, counts in record["cases"].items():
        lines += ["", f"[cases.{case}]"]
        lines += [f"{part} = {counts[part]}" for part in ("own", "libc", "crypto")]
        lines += [f"[cases.{case}.functions]"]
        lines += [f"{json.dumps(name, ensure_ascii=False)} = {n}" for name, n in counts["functions"].items()]
    return "\n".join(lines) + "\n"


def comparable_parts(recorded, here):
    """The parts that can be compared between two environments, and why others cannot."""
    differs = [key for key in ("rustc", "target", "libc", "cpu") if recorded.get(key) != here.get(key)]
    reasons = [f"{key} is {here.get(key)} here, {recorded.get(key)} in the record" for key in differs]
    if {"rustc", "target"} & set(differs):
        return [], reasons
    return ["own"] if differs else ["own", "libc", "crypto"], reasons


def change(new, old):
    return new / old - 1 if old else 0.0


def judge(record, environment, found, tolerances, every_case=True):
    """Compares counts with the record. Growth beyond the tolerance, a case that is not recorded and
    one that was not counted are errors."""
    verdict = Verdict()
    parts, reasons = comparable_parts(record["environment"], environment)
    if record["cases"] and reasons:
        compared = f"only {' and '.join(parts)} is compared" if parts else "no growth is an error"
        verdict.notes.append(f"{'; '.join(reasons)}: {compared}. Record anew where CI runs.")
    for case, new in found.items():
        if case not in record["cases"]:
            verdict.errors[case] = f"{case} is not recorded: make bench-count RECORD=1"
        elif parts:
            judge_case(verdict, case, record["cases"][case], new, parts, tolerances.get(case, TOLERANCE))
    if every_case:
        for case in record["cases"]:
            if case not in found:
                verdict.errors[case] = f"{case} is recorded and was not counted: make bench-count RECORD=1"
    return verdict


def judge_case(verdict, case, old, new, parts, tolerance):
    """Our own code by itself, which is small beside cryptography, and all that can be compared."""
    sums = [("own", old["own"], new["own"])]
    if len(parts) > 1:
        sums.append(("in all", *(sum(counts[part] for part in parts) for counts in (old, new))))
    grown = [s for s in sums if change(s[2], s[1]) > tolerance]
    if grown:
        verdict.errors[case] = describe(case, old, new, grown, tolerance)
        return
    for what, before, after in sums:
        if change(after, before) < -tolerance:
            verdict.notes.append(f"{case}: {after:,} instructions ({what}), recorded are {before:,} "
                                 f"({change(after, before):+.1%}): make bench-count RECORD=1")
            return


def describe(case, old, new, grown, tolerance):
    lines = [f"{case}: {after:,} instructions ({what}), recorded are {before:,} "
             f"({change(after, before):+.1%}, allowed are {tolerance:.0%})" for what, before, after in grown]
    lines += [f"    {more:+,} {name}" for name, more in most_grown(old, new)]
    return "\n".join(lines)


def most_grown(old, new, count=8):
    """Functions with the most instructions more than recorded. One that is not recorded had few."""
    more = {name: n - old["functions"].get(name, 0) for name, n in new["functions"].items()}
    grown = sorted(((name, n) for name, n in more.items() if n > 0), key=lambda item: -item[1])
    return grown[:count]
