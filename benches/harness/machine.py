"""What the kernel knows of processes and of the machine."""
import os
import re
import resource
import time
from pathlib import Path

from .settings import TICKS


def tree(pid):
    """A process and all below it."""
    found, todo = set(), [pid]
    while todo:
        pid = todo.pop()
        found.add(pid)
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                todo += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
        except OSError:
            pass  # it ended meanwhile
    return sorted(found)


def cpu(pids):
    """CPU seconds of processes with all their threads, exact to the nanosecond."""
    total = 0.0
    for pid in pids:
        try:
            total += time.clock_gettime((~pid << 3) | 2)
        except OSError:
            pass
    return total


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def pss_kib(pids):
    """Memory, with shared pages counted once."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])
    return total


def wakeups(pids):
    """How often each thread of processes has gone to sleep so far."""
    counts = {}
    for pid in pids:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                text = Path(f"/proc/{pid}/task/{task}/status").read_text()
                counts[task] = int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M)[1])
        except OSError:
            pass
    return counts


def machine():
    """Busy seconds and stolen seconds of all CPUs together."""
    fields = [int(x) / TICKS for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return fields[0] + fields[1] + fields[2] + fields[5] + fields[6], fields[7]


class Quiet:
    """What the rest of the machine did meanwhile, in % of all CPUs."""

    def __init__(self, pids):
        self.pids = pids

    def now(self):
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        own = resource.getrusage(resource.RUSAGE_SELF)
        ours = cpu(self.pids) + children.ru_utime + children.ru_stime + own.ru_utime + own.ru_stime
        return time.time(), *machine(), ours

    def __enter__(self):
        self.before = self.now()
        return self

    def __exit__(self, *_):
        wall, busy, stolen, ours = (b - a for a, b in zip(self.before, self.now()))
        wall *= os.cpu_count()
        self.found = {"noise_pct": round(100 * max(0.0, busy - ours) / wall, 1),
                      "steal_pct": round(100 * stolen / wall, 1)}


def own_group():
    """One scheduler group for load, upstream and gateways, and as root ahead of whatever else runs
    here: the kernel shares CPUs between sessions first, so that `nice` alone would do nothing."""
    try:
        if os.getpid() != os.getsid(0):
            os.setsid()
        Path("/proc/self/autogroup").write_text("-20")
    except OSError:
        pass  # not root, no autogroups, or started from a shell without run.sh
