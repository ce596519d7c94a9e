"""Reads what callgrind writes: the instructions of each function, without those that it calls."""
import re
from collections import Counter

# The parts of a count. What libc and the cryptography do depends on the CPU.
PARTS = ("own", "libc", "crypto")


class Profile:
    """Instructions by part and function, and in how many seconds."""

    def __init__(self):
        self.functions = Counter()
        self.parts = Counter()
        self.seconds = 0.0

    @property
    def total(self):
        return sum(self.parts.values())

    def per(self, count):
        """The counts of one operation, if `count` of them were counted."""
        one = Profile()
        one.functions = Counter({name: n // count for name, n in self.functions.items()})
        one.parts = Counter({part: n // count for part, n in self.parts.items()})
        return one

    def subtract(self, idle):
        """Takes away what another profile has for each second."""
        share = self.seconds / idle.seconds
        for mine, theirs in ((self.parts, idle.parts), (self.functions, idle.functions)):
            mine.subtract({name: int(n * share) for name, n in theirs.items()})

    def add(self, obj, file, function, instructions):
        part = part_of(obj, file, function)
        self.parts[part] += instructions
        self.functions[short(function)] += instructions


def part_of(obj, file, function):
    if re.search(r"/(libc|libm|libgcc_s|ld-linux[^/]*)\.so|\bvdso\b", obj):
        return "libc"
    if function.startswith("aws_lc_") or "/aws-lc-sys-" in file or "/aws-lc/" in file:
        return "crypto"
    return "own"


def short(function):
    """Without hashes, type parameters, versions and copies of a function: names stay from build to build."""
    name = re.sub(r"(?<=^aws_lc)_\d+_\d+_\d+", "", function)
    name = re.sub(r"(::h[0-9a-f]{16}|\.llvm\.\d+|'\d+|\{\{closure\}\}|@@?[A-Z].*$)", "", name)
    if name.startswith("<"):
        # A method of a trait: what implements it, and the name of the method.
        inner, _, method = split_angle(name)
        name = without_parameters(inner.split(" as ")[0]) + method
    return re.sub(r"(::)+", "::", without_parameters(name)).strip(":") or function


def split_angle(name):
    depth = 0
    for at, letter in enumerate(name):
        depth += (letter == "<") - (letter == ">" and name[at - 1] != "-")
        if depth == 0:
            return name[1:at], ">", name[at + 1:]
    return name, "", ""


def without_parameters(name):
    out, depth = [], 0
    for at, letter in enumerate(name):
        if letter == "<":
            depth += 1
        elif letter == ">" and name[at - 1] != "-":
            depth -= 1
        elif depth == 0:
            out.append(letter)
    return "".join(out)


def read(lines):
    """A profile from the lines of one dump."""
    profile, names = Profile(), {"ob": {}, "fl": {}, "fn": {}}
    now = {"ob": "", "fl": "", "fn": ""}
    skip = False
    for line in lines:
        if match := re.match(r"(c?)(ob|fl|fi|fe|fn)=\((\d+)\)(?: (.*))?", line):
            called, kind, number, name = match.groups()
            table = names["fl" if kind in ("fi", "fe") else kind]
            if name is not None:
                table[number] = name.strip()
            if not called and kind in now:
                now[kind] = table[number]
        elif line.startswith("cfi=") or line.startswith("cfl="):
            if match := re.match(r"cf[il]=\((\d+)\) (.*)", line):
                names["fl"][match[1]] = match[2].strip()
        elif line.startswith("calls="):
            skip = True
        elif line[:1] in "0123456789+-*" and line.strip():
            if not skip:
                profile.add(now["ob"], now["fl"], now["fn"], int(line.split()[1]))
            skip = False
    return profile
