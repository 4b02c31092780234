"""What commands print: tables, colours where they are wanted, and times for people.

All text from outside (a file, another host, the daemon) is printed through `safe`: a terminal
executes the control sequences in it.
"""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import TextIO

from vipd.carp.states import State
from vipd.config.problem import shown

GAP = "  "
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_SGR = re.compile(r"\x1b\[[\d;]*m")
_LONGEST = 2000  # characters of one text from outside


class Colour(Enum):
    """How a text stands out; the value is an SGR parameter (ECMA-48)."""

    PLAIN = ""
    BOLD = "1"
    DIM = "2"
    GOOD = "1;32"
    IDLE = "36"
    WARNING = "1;33"
    BAD = "1;31"


STATES = {State.MASTER: Colour.GOOD, State.BACKUP: Colour.IDLE, State.INIT: Colour.BAD}
"""How the states stand out."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A text and its colour."""

    text: str
    colour: Colour = Colour.PLAIN


def safe(text: str) -> str:
    """Text from outside as a terminal may see it: control characters, and those that reorder what
    stands beside them, are escaped; cut at 2000 characters."""
    return shown(text, _LONGEST)


def coloured(stream: TextIO) -> bool:
    """Whether to use colours there: at a terminal that has them, unless NO_COLOR is set
    (https://no-color.org: to anything but an empty string)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: Colour, wanted: bool) -> str:
    """The text in this colour, or as it is."""
    return f"\x1b[{colour.value}m{text}\x1b[0m" if wanted and colour.value else text


def table(
    headings: Sequence[str], rows: Iterable[Sequence[Cell | str]], colours: bool
) -> list[str]:
    """Lines of columns, each as wide as its widest cell."""
    cells = [[each if isinstance(each, Cell) else Cell(each) for each in row] for row in rows]
    lines = [[Cell(heading, Colour.DIM) for heading in headings], *cells]
    widths = [max(len(cell.text) for cell in column) for column in zip(*lines, strict=True)]
    return [_line(line, widths, colours) for line in lines]


def _line(cells: Sequence[Cell], widths: Sequence[int], colours: bool) -> str:
    texts = []
    for cell, width in zip(cells, widths, strict=True):
        padding = " " * (width - len(cell.text))
        texts.append(paint(cell.text, cell.colour, colours) + padding)
    return GAP.join(texts).rstrip()


def plain_length(line: str) -> int:
    """Characters of a line, its colours left out."""
    return len(_SGR.sub("", line))


def span(seconds: float, short: bool = False) -> str:
    """A time span in at most two units: “0.4 s”, “12 s”, “3 min 5 s”, “2 h 13 min”, “8 d 4 h”.
    `short`, for tables: “0.4s”, “12s”, “3m5s”, “2h13m”, “8d4h”."""
    parts = [f"{max(seconds, 0):.1f} s"]
    if seconds >= 0.95:
        whole = round(seconds)
        parts = [f"{whole} s"]
        for (name, size), (next_name, next_size) in pairwise(_UNITS):
            if whole >= size:
                rest = whole % size // next_size
                parts = [f"{whole // size} {name}", *([f"{rest} {next_name}"] if rest else [])]
                break
    text = " ".join(parts)
    return text.replace("min", "m").replace(" ", "") if short else text


def milliseconds(seconds: float) -> str:
    """A short time span, as it was measured: “0.4 ms”, “12 ms”, “1.50 s”."""
    thousandths = seconds * 1000
    if thousandths >= 1000:
        return f"{seconds:.2f} s"
    return f"{thousandths:.1f} ms" if thousandths < 10 else f"{thousandths:.0f} ms"


def wrapped(text: str) -> str:
    """A paragraph, broken where the terminal ends; in a pipe at 80 columns."""
    # Imported here: no other command prints paragraphs.
    import shutil
    import textwrap

    width = min(shutil.get_terminal_size().columns, 100)
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def counted(number: int, noun: str) -> str:
    """“1 VIP”, “2 VIPs”."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def joined(names: Sequence[str], most: int | None = None) -> str:
    """“web01”, “web01 and web02”, “web01, web02 and web03”; after `most`: “… and 4 more”."""
    if most is not None and len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(each for each in (", ".join(names[:-1]), names[-1]) if each)


def write(lines: Iterable[str]) -> None:
    """Print them all to stdout at once."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
