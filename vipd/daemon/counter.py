"""The counter in every advertisement: 64 bit, always larger than any before it, across restarts."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

#: How far ahead of the clock one life of the daemon may count. 255 groups that advertise 256 times
#: a second need half a year for it; the clock (in ns) makes up for it in 18 minutes.
_RESERVED = 1 << 40


def counter(file: Path) -> Iterator[int]:
    """Numbers that no earlier daemon has used, as long as ``file`` is kept or the clock goes on.

    It starts at the time in nanoseconds, or where an earlier life might have come to if the clock
    was set back since. The file is written before the first number is used. Raises OSError.
    """
    try:
        used = int(file.read_text())
    except (FileNotFoundError, ValueError):
        used = 0
    start = max(time.time_ns(), used) % (1 << 63)
    new = file.with_suffix(".new")
    new.write_text(f"{start + _RESERVED}\n")
    new.replace(file)
    return itertools.count(start + 1)
