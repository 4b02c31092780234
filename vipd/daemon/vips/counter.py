"""The counter in every advertisement: 64 bit, always larger than any before it, across restarts."""

import time
from pathlib import Path

from vipd.daemon.base.kept_files import read, replace

#: How far ahead of the clock one life of the daemon may count. 255 groups that advertise 256 times
#: a second need half a year for it; the clock (in ns) makes up for it in 18 minutes.
_RESERVED = 1 << 40


class Counter:
    """Numbers that no earlier daemon has used, as long as ``file`` is kept or the clock goes on.

    They start at the time in nanoseconds, or where an earlier life might have come to if the clock
    was set back since. The file is written before the first number is used; without one only the
    clock counts. Raises OSError.
    """

    def __init__(self, file: Path | None) -> None:
        try:
            used = int(read(file, 100)) if file else 0
        except (OSError, ValueError):
            used = 0
        self._used = max(time.time_ns(), used) % (1 << 63)
        #: Larger than any number of this life, and smaller than those of the next.
        self.last = self._used + _RESERVED
        if file:
            replace(file, f"{self.last}\n".encode())

    def __next__(self) -> int:
        self._used += 1
        return self._used
