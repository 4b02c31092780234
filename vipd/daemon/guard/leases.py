"""The memory that the daemon and its guard share: until when each VIP may keep its addresses.

The daemon writes there without a system call whenever an advertisement renews a lease. All times
are CLOCK_MONOTONIC, nanoseconds. It imports next to nothing, because the guard imports it.
"""

import mmap
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: VIPs of one daemon that a guard can look after. Memory is used only for those that there are.
PLACES = 1 << 14
#: No lease: only the daemon's end makes the guard act.
NEVER = (1 << 63) - 1

#: A place: the end of the lease, twice; until when the others wait for us; taken; and the number of
#: times that the guard has run DOWNSCRIPT, times `_STATES`, and how the last one fares.
_WORDS = 5
_UNTIL, _AGAIN, _BELIEVED, _TAKEN, _SCRIPT = range(_WORDS)
_STATES = 4
_RUNS, _SUCCEEDED, _FAILED = 1, 2, 3
_BYTES = 8
_SIZE = PLACES * _WORDS * _BYTES
#: The first place is the guard's: when it looks next.
_NEXT_LOOK = 0
#: How often a lease is read that the daemon is just writing.
_READS = 3


def create() -> int:
    """A descriptor of new shared memory, all zero. Raises OSError."""
    file = os.memfd_create("vipd-leases", os.MFD_CLOEXEC)
    os.ftruncate(file, _SIZE)
    return file


class Leases:
    """The memory of this descriptor, which may be closed afterwards. Raises OSError."""

    def __init__(self, file: int) -> None:
        self._words = memoryview(mmap.mmap(file, _SIZE)).cast("q")

    def until(self, place: int) -> int:
        """The end of the lease; `NEVER`: there is none; 0: the VIP holds nothing.

        A processor writes an aligned word at once, or (32 bits) in two halves. So there are two
        words; while they differ, the daemon is writing, or was stopped meanwhile: then the earlier
        end counts, because an address may go too early, but not too late."""
        at = place * _WORDS
        for _ in range(_READS):
            second, first = self._words[at + _AGAIN], self._words[at + _UNTIL]
            if first == second:
                return first
        return min(first, second)

    def believed(self, place: int) -> int:
        """Until when the other hosts wait for an advertisement of ours."""
        return self._words[place * _WORDS + _BELIEVED]

    def taken(self, place: int) -> bool:
        """Whether the guard has taken the addresses off, or is just about to."""
        return self._words[place * _WORDS + _TAKEN] != 0

    def take(self, place: int) -> None:
        """The guard takes the addresses off: the daemon does not hold them any more."""
        self._words[place * _WORDS + _TAKEN] = 1

    def hold(self, place: int, until: int, believed: int) -> None:
        """The daemon holds the addresses until then."""
        at = place * _WORDS
        self._words[at + _BELIEVED] = believed
        self._words[at + _UNTIL] = until
        self._words[at + _AGAIN] = until

    def clear(self, place: int) -> None:
        """The daemon holds nothing."""
        self.hold(place, 0, 0)
        self._words[place * _WORDS + _TAKEN] = 0

    # DOWNSCRIPT, run by the guard. The daemon only reads, unless the guard has died.

    def begin_script(self, place: int) -> None:
        """The guard runs it now, or as soon as it is its turn."""
        self._words[place * _WORDS + _SCRIPT] = (self.scripts(place) + 1) * _STATES + _RUNS

    def end_script(self, place: int, succeeded: bool) -> None:
        """It has ended."""
        how = _SUCCEEDED if succeeded else _FAILED
        self._words[place * _WORDS + _SCRIPT] = self.scripts(place) * _STATES + how

    def scripts(self, place: int) -> int:
        """How often the guard has run it."""
        return self._words[place * _WORDS + _SCRIPT] // _STATES

    def script_succeeded(self, place: int) -> bool | None:
        """Whether the last run has; None: it has not ended yet."""
        how = self._words[place * _WORDS + _SCRIPT] % _STATES
        return None if how == _RUNS else how == _SUCCEEDED

    def forget_scripts(self, places: "Iterable[int]") -> None:
        """The guard has died: nobody sees to the end of those that run."""
        for place in places:
            if self.script_succeeded(place) is None:
                self.end_script(place, succeeded=False)

    @property
    def next_look(self) -> int:
        """When the guard looks at the leases next; `NEVER`: when it is told to; 0: it has not
        started yet."""
        return self._words[_NEXT_LOOK]

    @next_look.setter
    def next_look(self, when: int) -> None:
        self._words[_NEXT_LOOK] = when
