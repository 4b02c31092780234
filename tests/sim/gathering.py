"""What `vipd.daemon.vips.receiver` does where there are many groups: what is expected is read
together, a moment later, and counts from when it came."""

from typing import TYPE_CHECKING

from sim.host import Host
from sim.vipd import Vipd
from vipd.carp.packet import Advertisement, said
from vipd.carp.states import State
from vipd.daemon.vips.expectations import GATHER, RECENT, SHORTEST_ADVBASE

if TYPE_CHECKING:
    from sim.world import World

#: For how long the kernel may not know of a change of what is expected, seconds.
TOLD_LATE = 1.0


class GatheringVipd(Vipd):
    """Here the kernel learns what is expected a second later, always."""

    def __init__(self, world: "World", host: Host, group: int) -> None:
        super().__init__(world, host, group)
        self._told: tuple[int, int, int] | None = None
        self._waiting: list[tuple[Advertisement, float]] = []

    def start(self) -> None:
        self._told = None
        self._waiting.clear()
        super().start()

    def hear(self, ad: Advertisement) -> None:
        expected = said(ad) == self._told and ad.advbase >= SHORTEST_ADVBASE and not ad.demotion
        if not expected:
            self._read()
            super().hear(ad)
        else:
            self._waiting.append((ad, self.host.clock()))
            if len(self._waiting) == 1:
                self._later(GATHER, self._gather)
        if self.machine.expects != self._told:
            self._later(TOLD_LATE, self._tell)

    def catch_up(self) -> None:
        self._read()
        super().catch_up()

    def _alarm(self, now: float) -> None:
        if self.state is State.BACKUP:
            self._read()
        super()._alarm(now)

    def _gather(self) -> None:
        if self.host.acts:  # else `catch_up` will see to it
            self._read()

    def _tell(self) -> None:
        self._told = self.machine.expects

    def _read(self) -> None:
        now = self.host.clock()
        waiting, self._waiting = self._waiting, []
        for ad, came in waiting:
            self.take(ad, came if now - RECENT <= came else now)

    def _later(self, seconds: float, act: object) -> None:
        self.world.agenda.at(self.world.agenda.now + seconds, self._run, act, self._lives)

    def _run(self, act: object, life: int) -> None:
        if life == self._lives and callable(act):
            act()
