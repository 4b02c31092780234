"""When the guard acts, and for whom: no sockets, no processes, and no clock of its own, so that the
simulator has the same code. It imports next to nothing, because the guard imports it."""

from vipd.daemon.guard.leases import NEVER, Leases

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Charge(Protocol):
        """A VIP's will. ``place``: of its lease; ``script``: its DOWNSCRIPT, or None."""

        @property
        def place(self) -> int: ...
        @property
        def script(self) -> object | None: ...


#: What has become of the daemon, in the words of the log.
KILLED, SILENT = "was killed", "did not renew its lease in time"

_MILLISECOND = 1_000_000
#: Nanoseconds for which a daemon that runs may be late with giving up by itself.
MARGIN = 10 * _MILLISECOND
#: Nanoseconds after the others' time is up for which a final advertisement still helps. After that
#: one of them is master: a final advertisement of ours might make a third host replace it.
STILL_BELIEVED = 100 * _MILLISECOND


class Duty:
    """``clock``: CLOCK_MONOTONIC, nanoseconds. ``carry_out`` a will, because of one of the reasons
    above."""

    def __init__(
        self,
        leases: Leases,
        clock: "Callable[[], int]",
        carry_out: "Callable[[Charge, str], None]",
    ) -> None:
        self._leases = leases
        self._clock = clock
        self._carry_out = carry_out
        self._charges: dict[int, Charge] = {}

    def take_on(self, charge: "Charge") -> None:
        """The daemon has left a will; it replaces the earlier one of this place."""
        self._charges[charge.place] = charge

    def end_leases(self) -> None:
        """Carry out the wills of those whose lease has ended."""
        now = self._clock()
        for charge in list(self._charges.values()):
            until = self._leases.until(charge.place)
            if not until or until + MARGIN > now or self._leases.taken(charge.place):
                continue
            if charge.script:
                self._leases.begin_script(charge.place)
            self._leases.take(charge.place)
            self._carry_out(charge, SILENT)
            del self._charges[charge.place]  # another will comes with the next lease

    def daemon_ended(self) -> None:
        """Carry out the wills of all that held something."""
        for charge in self._charges.values():
            if self._leases.until(charge.place):
                self._carry_out(charge, KILLED)

    def next_look(self) -> int:
        """When the earliest lease ends, and `end_leases` has something to do; `NEVER`: as far as
        is known, none does."""
        ends = [
            until
            for place in self._charges
            if (until := self._leases.until(place)) and not self._leases.taken(place)
        ]
        first = min(ends, default=NEVER)
        self._leases.next_look = look = NEVER if first == NEVER else first + MARGIN
        return look

    def believed(self, place: int) -> bool:
        """Whether the others still take the VIP for master, so that it can hand over."""
        return self._clock() < self._leases.believed(place) + STILL_BELIEVED
