"""The guard of a vipd: the real `vipd.daemon.guard.duty.Duty`, and a lease of each group in memory
as both processes see it. Around it what `vipd.daemon.guard.guard` does, without sockets."""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from vipd.carp.rank import BOW_OUT
from vipd.daemon.guard import leases as memory
from vipd.daemon.guard.duty import Duty
from vipd.daemon.guard.leases import NEVER

if TYPE_CHECKING:
    from sim.host import Host
    from sim.vipd import Vipd
    from sim.world import World
    from vipd.daemon.guard.duty import Charge

#: How late it gets to run at most, seconds: it has real-time priority, and does little.
LATE = 0.03
_NANO = 1_000_000_000


class Leases(memory.Leases):
    """Memory that nobody else shares."""

    def __init__(self, places: int) -> None:
        self._words = memoryview(bytearray(8 * 8 * (places + 1))).cast("q")


class Will:
    """``number``: the counter of its final advertisement; ``byte_4`` of that. The group has a place
    by its number, and no script."""

    __slots__ = ("byte_4", "number", "place", "script", "seat")

    def __init__(self, seat: "Vipd", number: int) -> None:
        self.seat = seat
        self.place = seat.group + 1
        self.script = None
        self.number = number
        self.byte_4 = seat.byte_4


class Guard:
    """``troubles``: how often it was stopped or killed."""

    def __init__(self, world: "World", host: "Host", leases: Leases) -> None:
        self.troubles = 0
        self.frozen = False
        self._alive = True
        self._orphan = False
        self._world = world
        self._host = host
        self._random = Random(f"guard {world.scenario.seed} {host.number} {world.agenda.now}")
        self._duty = Duty(leases, lambda: round(host.clock() * _NANO), self._carry_out)
        self._looks = NEVER  # for when that is on the agenda

    @property
    def acts(self) -> bool:
        return self._alive and not self.frozen and not self._host.still

    # What the daemon does

    def take_on(self, will: Will) -> None:
        """It is told this; or it is told again, because it is a new one."""
        self._duty.take_on(will)
        self.look_later()

    def daemon_ended(self) -> None:
        """It was killed."""
        self._orphan = True
        self._soon(self._finish)

    def end(self) -> None:
        """It was killed, or its daemon has ended as it should."""
        self._alive = False

    # What happens to it

    def freeze(self) -> None:
        self.frozen = True
        self.troubles += 1

    def kill(self) -> None:
        self.troubles += 1
        self.end()

    def goes_on(self) -> None:
        """It runs again, or the machine does."""
        self.frozen = False
        if self._orphan:
            self._soon(self._finish)
        self.look_later()

    # What it does

    def look_later(self) -> None:
        """Leases have changed. It does not know of those that end later than it looks anyway."""
        look = self._duty.next_look()
        if self.acts and not self._orphan and look < self._looks:
            self._looks = look
            when = max(self._world.agenda.now, self._host.when(look / _NANO)) + 1e-6
            self._world.agenda.at(when + self._late(), self._look, look)

    def _look(self, planned: int) -> None:
        if planned != self._looks:
            return
        self._looks = NEVER
        if self.acts and not self._orphan:
            self._duty.end_leases()
            self.look_later()

    def _finish(self) -> None:
        if self.acts:
            self._duty.daemon_ended()
            self.end()

    def _carry_out(self, will: "Charge", _what: str) -> None:
        """`farewell.fulfil`: it bows out if the address was still there."""
        assert isinstance(will, Will)
        if will.seat.taken_off() and self._duty.believed(will.place):
            self._world.network.send(will.seat, *BOW_OUT, (will.number, will.byte_4))
            self._world.watch.bowed_out(will.seat)

    def _soon(self, act: Callable[[], None]) -> None:
        self._world.agenda.at(self._world.agenda.now + self._late(), act)

    def _late(self) -> float:
        return LATE * self._random.random()
