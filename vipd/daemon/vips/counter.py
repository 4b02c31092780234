"""The sequence in the counter of advertisements (`vipd.carp.tag`): always later than any before it,
across restarts."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from vipd.carp.tag import following, is_newer
from vipd.daemon.base.kept_files import read, replace

#: How far one run of the daemon may count ahead before it writes the file again. The clock catches
#: up with so many in 68 minutes.
RESERVED = 1 << 14
#: The same without a file: what was reserved is soon behind the clock.
_RESERVED_WITHOUT_FILE = 1 << 6
#: The clock counts in quarters of a second, from the beginning of 2026, for 34 years: a group at
#: advbase 1 does not count faster (one at advbase 0 does, and needs the file, or hears how far it
#: was). A clock that is off by more than that is set to an end of it.
_UNIT_NS = 250_000_000
_ERA_NS = 1_767_225_600 * 1_000_000_000
_CLOCK_MAX = 1 << 32


def first(used: int | None, now_ns: int) -> int:
    """Where a daemon begins that knows what may have been ``used`` before it, at this time (since
    1970)."""
    clock = min(max(0, (now_ns - _ERA_NS) // _UNIT_NS), _CLOCK_MAX)
    return used if used is not None and is_newer(used, clock) else clock


class Reserve(Protocol):
    """See `Counter`."""

    last: int

    def reserve(self, used: int) -> None: ...


class Counter:
    """Gives each group sequences that no earlier daemon has used there, if ``file`` is kept or the
    clock was not set back.

    They start at the time; if the clock was set back, at the latest one that an earlier run may
    have used. The file is written before the first one is used; without a file only the clock is
    used. Raises OSError, but only here: a file that cannot be written later is left as it is.
    """

    def __init__(self, file: Path | None) -> None:
        try:
            used = following(int(read(file, 100)), 0) if file else None
        except (OSError, ValueError):
            used = None
        self._file = file
        self._begin = first(used, time.time_ns())
        self._of: dict[int, Sequence] = {}
        #: Later than any so far, and earlier than those of the next run.
        self.last = 0
        self._reserve(self._begin)

    def of(self, vhid: int) -> "Sequence":
        """The sequence of a group. Those of one VHID on two interfaces share it."""
        if vhid not in self._of:
            self._of[vhid] = Sequence(self, self._begin)
        return self._of[vhid]

    def reserve(self, used: int) -> None:
        """A group has got as far as `last`."""
        with suppress(OSError):  # the next run has only the clock
            self._reserve(used)

    def _reserve(self, used: int) -> None:
        self.last = following(used, RESERVED if self._file else _RESERVED_WITHOUT_FILE)
        if self._file:
            replace(self._file, f"{self.last}\n".encode())


class Sequence:
    """Of one group. Later than what any other host of it has sent, as far as that was heard: if
    our clock was set back and the file is gone, the first master that we hear knows how far the
    others remember us to have been. Else they would take our advertisements for repeated ones."""

    def __init__(self, counter: Reserve, used: int) -> None:
        self._counter = counter
        #: The latest that we left out because another process or host had used it.
        self.skipped = used
        self._used = used

    @property
    def last(self) -> int:
        """Later than any so far, and earlier than those of the next run and those after `skip`."""
        return self._counter.last

    def is_before(self, number: int) -> bool:
        """Whether this one is later than any that was used so far."""
        return is_newer(number, self._used)

    def skip(self, used: int) -> None:
        """Another process has used this one, an earlier `last`, or another host: go on behind
        it."""
        if is_newer(used, self._used):
            self.skipped = used
            self._use(used)

    def __next__(self) -> int:
        number = following(self._used)
        self._use(number)
        return number

    def _use(self, number: int) -> None:
        self._used = number
        if not is_newer(self._counter.last, number):
            self._counter.reserve(number)
