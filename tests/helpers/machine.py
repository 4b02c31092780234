"""What a busy machine, and not vipd, has to answer for."""

import threading
from bisect import bisect_left, bisect_right
from contextlib import suppress
from pathlib import Path
from time import sleep, time

from vipd.lab import Process

_EVERY = 0.02  # seconds between two looks


class Delay:
    """For how long a process could have run and was not let, as the kernel counts it (the second
    number of /proc/PID/schedstat); from when this is made to the end of the process."""

    def __init__(self, process: Process) -> None:
        self._file = Path(f"/proc/{process.pid}/schedstat")
        self._moments: list[float] = []
        self._waited: list[float] = []  # seconds, until each of these moments
        self._lock = threading.Lock()  # the times are in order
        self._read()
        threading.Thread(target=self._follow, daemon=True).start()

    def between(self, begin: float, end: float) -> float:
        """Seconds of those from `begin` to `end` (seconds since the epoch). The kernel counts a
        wait when it is over, and a look may be late itself: it is between the last look before and
        the first one after."""
        last = len(self._waited) - 1  # the other list may have grown by one meanwhile
        before = max(bisect_right(self._moments, begin) - 1, 0)
        after = min(bisect_left(self._moments, end), last)
        return min(self._waited[after] - self._waited[min(before, last)], end - begin)

    def since(self, begin: float) -> float:
        """Seconds from `begin` to now."""
        with suppress(OSError):  # it has ended
            self._read()
        return self.between(begin, time())

    def worst(self, seconds: float) -> float:
        """The most, in seconds, within any time of this length so far."""
        moments = list(self._moments)
        return max(self.between(moment, moment + seconds) for moment in moments)

    def _follow(self) -> None:
        with suppress(OSError):  # it has ended
            while True:
                self._read()
                sleep(_EVERY)

    def _read(self) -> None:
        waited = int(self._file.read_text().split()[1]) / 1e9
        with self._lock:
            self._moments.append(time())
            self._waited.append(waited)


def children(process: Process) -> list[int]:
    """The processes that it has started, in whichever of its threads."""
    found: list[int] = []
    for thread in Path(f"/proc/{process.pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended
            found += map(int, thread.read_text().split())
    return found


def about_children(process: Process, file: str) -> dict[int, str]:
    """What is in this file of /proc about each of them that is still there."""
    found: dict[int, str] = {}
    for child in children(process):
        with suppress(FileNotFoundError, ProcessLookupError):
            found[child] = Path(f"/proc/{child}/{file}").read_text()
    return found
