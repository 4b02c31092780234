"""The ten lines of the comparison that README.md shows."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figure, Section
from bench.report import aligned, number

_WHO = ("vipd", "ucarp", "keepalived")
#: What is replaced in a file that has both.
BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"


@dataclass(frozen=True, slots=True)
class _Line:
    """``section`` and ``figure``: titles, of the latter only its begin; ``worst``: not the median
    of all runs."""

    text: str
    section: str
    figure: str
    worst: bool = False


_LINES = (
    _Line("client: crash of the master", "What a client sees", "crash of the master"),
    _Line("client: planned stop", "What a client sees", "planned stop of the master"),
    _Line("client: failback", "What a client sees", "failback by preemption"),
    _Line(
        "two owners after the daemon was killed, worst",
        "Killed and frozen",
        "killed, 1 VIP, 1 s, idle: two owners",
        worst=True,
    ),
    _Line(
        "two owners after it was frozen, worst",
        "Killed and frozen",
        "frozen, 1 VIP, 1 s, idle: two owners",
        worst=True,
    ),
    _Line("two owners after a partition, worst", "A partition heals", "two owners", worst=True),
    _Line("first failed check to the new owner", "A check fails", "first failed run"),
    _Line(
        "1000 addresses taken over within", "From one address", "first address to last address, 10"
    ),
    _Line("CPU of a master of 255 addresses", "255 addresses on one", "CPU of the master"),
    _Line("memory of a master of 255 addresses", "255 addresses on one", "PSS of the master"),
)


def summary(sections: Sequence[Section]) -> str:
    """The table, of what was measured: the medians, or the worst values. "" if nothing was."""
    rows = list(_rows(sections))
    return aligned([["", *_WHO], *rows]) if rows else ""


def _rows(sections: Sequence[Section]) -> Iterator[list[str]]:
    for line in _LINES:
        for section in sections:
            if section.title.startswith(line.section):
                found = (f for f in section.figures if f.title.startswith(line.figure))
                if figure := next(found, None):
                    yield [line.text, *(_cell(figure, who, line.worst) for who in _WHO)]


def _cell(figure: Figure, who: str, worst: bool) -> str:
    # keepalived's columns may say how it is set up: the better one counts.
    columns = [name for name in figure.values if name.split(",")[0] == who]
    values = [
        max(figure.values[name]) if worst else middle
        for name in columns
        if (middle := figure.median(name)) is not None
    ]
    return f"{number(min(values))} {figure.unit}" if values else "–"


def put(table: str, file: Path) -> bool:
    """Write the table into a file that has a place for it; whether it has one."""
    text = file.read_text()
    place = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    if not place.search(text):
        return False
    file.write_text(place.sub(lambda _: f"{BEGIN}\n{table}\n{END}", text))
    return True
