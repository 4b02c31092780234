"""The counter in advertisements: 64 bit, always larger than any before it, across restarts."""

import time
from pathlib import Path

from vipd.daemon.base.kept_files import read, replace

#: How far one run of the daemon may count ahead of the clock. 255 groups that advertise 256 times a
#: second need half a year for it; the clock (in ns) catches up in 18 minutes.
_RESERVED = 1 << 40


class Counter:
    """Numbers that no earlier daemon has used, if ``file`` is kept or the clock was not set back.

    They start at the time in nanoseconds; if the clock was set back, at the highest number that an
    earlier run may have used. The file is written before the first number is used; without a file
    only the clock is used. Raises OSError.
    """

    def __init__(self, file: Path | None) -> None:
        try:
            used = int(read(file, 100)) if file else 0
        except (OSError, ValueError):
            used = 0
        self._file = file
        self._used = max(time.time_ns(), used) % (1 << 63)
        #: Larger than any number so far, and smaller than those of the next run and those after
        #: `skip`.
        self.last = 0
        self._reserve()

    def _reserve(self) -> None:
        self.last = self._used + _RESERVED
        if self._file:
            replace(self._file, f"{self.last}\n".encode())

    def skip(self, used: int) -> None:
        """Another process has used this number, an earlier `last`: go on behind it. Raises OSError
        when the file cannot be written; then the next run has only the clock."""
        if used > self._used:
            self._used = used
            self._reserve()

    def __next__(self) -> int:
        self._used += 1
        return self._used
