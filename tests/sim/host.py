"""A host: its clock, its cable, and what has become of it."""

from ipaddress import IPv4Address
from math import inf
from random import Random
from typing import TYPE_CHECKING

from sim.agenda import Agenda
from sim.guard import Leases
from sim.scenario import HostPlan
from vipd.carp.packet import Advertisement

if TYPE_CHECKING:
    from sim.guard import Guard
    from sim.seat import Seat

#: Where hosts send from, in two subnets. Of equally fast ones the lower wins, as ucarp compares
#: them: the last octet first.
SOURCES = tuple(
    IPv4Address(f"{subnet}.{last}")
    for last in (30, 20, 10, *range(40, 80))
    for subnet in ("192.0.2", "198.51.100")
)

#: More than a vipd sends in its life.
_RESERVED = 1_000_000_000


class Host:
    """``running``: its process lives. ``frozen``: it lives, but is stopped. ``still``: the machine
    stands still. ``linked``: it has carrier. ``mute``: what it sends is refused. ``reaches``: the
    hosts that get what it sends, when it can send. ``misled``: when, on its clock, it heard of a
    host that is not there any more, and with which interval. ``came``: when, on its clock, what it
    hears came, if that waited in a socket; 0: now."""

    def __init__(self, number: int, plan: HostPlan, agenda: Agenda, random: Random) -> None:
        self.number = number
        self.plan = plan
        self.source = SOURCES[number]
        self.seats: list[Seat] = []
        self.running = self.frozen = self.still = self.mute = False
        self.linked = True
        self.counter = 1_000_000  # of the last advertisement of its vipd
        self.reserved = self.counter  # for what its guard sends
        self.leases = Leases(0)  # that its vipd and its guard share
        self.guard: Guard | None = None
        self.misled = (-inf, 0.0)
        self.demotion = 0  # of its OpenBSD's carp interfaces
        self.silences = 0  # counts up whenever it can be heard again
        self.deaf_to: set[int] = set()  # hosts whose packets do not get here
        self.lost_families: set[int] = set()  # whose packets do not get here
        self.noisy = False
        #: In the sockets of a stopped process, and since when.
        self.waiting: list[tuple[Advertisement, float]] = []
        self.came = 0.0
        self.reaches: list[Host] = []
        self._agenda = agenda
        self._random = random
        self._rate = 1.0 + plan.drift
        self._began, self._base = 0.0, random.uniform(0, 1000)

    def clock(self) -> float:
        """What its monotonic clock shows."""
        return self._base + (self._agenda.now - self._began) * self._rate

    def when(self, clock: float) -> float:
        """When its clock shows that, if it never stands still."""
        return self._began + (clock - self._base) / self._rate

    def runs_at(self, clock: float) -> float:
        """When a process gets to run that has waited for this: later than that by `lateness` at
        most, and by enough for the clock to show it, however the numbers are rounded."""
        late = 1e-6 + self.plan.lateness * self._random.random()
        return max(self._agenda.now, self.when(clock) + late)

    def leave_behind(self, used: int) -> None:
        """`Counter`: another process has used this number."""
        if used >= self.counter:
            self.counter, self.reserved = used, used + _RESERVED

    def set_clock_back(self, seconds: float) -> None:
        """The clock stood still for so long."""
        self._base -= seconds * self._rate

    @property
    def acts(self) -> bool:
        """Whether its process does what time and packets ask of it."""
        return self.running and not self.frozen and not self.still

    @property
    def present(self) -> bool:
        """Whether it is there to everybody else: it acts, and has a cable."""
        return self.acts and self.linked

    def hears(self, other: "Host") -> bool:
        """Whether what ``other`` sends gets here (most of it)."""
        return (
            self.present and other.present and not other.mute and other.number not in self.deaf_to
        )

    def __str__(self) -> str:
        return f"{self.plan.kind}{self.number}"
