"""The part of docs/performance.md that a run writes."""
import json
from pathlib import Path

from .report import text
from .settings import PAGE

BEGIN, END = "<!-- written by bench.py --page -->", "<!-- end of what is written -->"


def write(result):
    """Puts the table of a file of results into the page."""
    found = json.loads(Path(result).read_text())
    new = text(found["about"], found["records"], found.get("failures", []))
    before, rest = PAGE.read_text().split(BEGIN, 1)
    _, after = rest.split(END, 1)
    PAGE.write_text(f"{before}{BEGIN}\n\n{new}\n{END}{after}")
