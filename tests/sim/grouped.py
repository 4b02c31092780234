"""A vipd whose VIP is one of a GROUP, with the daemon's own rules: what members tell each other
(`vipd.daemon.health.groups`, `vipd.daemon.vips.group_member`), and when a link counts as back
(`vipd.daemon.health.debounced`).
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Any, cast

from helpers.configured import model

from sim.host import Host
from sim.vipd import Vipd
from vipd.carp.effects import Effects, Transition
from vipd.carp.health import Health
from vipd.carp.machine import Machine
from vipd.carp.states import Reason, State
from vipd.config.model import VipConfig
from vipd.daemon.health.debounced import Debounced
from vipd.daemon.health.groups import Groups
from vipd.daemon.health.settings import Grouped, Times
from vipd.daemon.health.verdict import Reasons, Verdict
from vipd.daemon.vips.group_member import GroupMember

if TYPE_CHECKING:
    from sim.routers import Household, Segment

NAME = "router"


class Timer:
    """Calls something when its host's clock shows a time, and its process runs; it is late by no
    more than the host is."""

    def __init__(self, host: Host, call: Callable[..., None], *arguments: Any) -> None:
        self._host = host
        self._call = call
        self._arguments = arguments
        self._when = inf

    def set(self, when: float) -> None:
        self._when = when
        self.wait()

    def cancel(self) -> None:
        self._when = inf

    def wait(self) -> None:
        """Also after the process was stopped, or its clock."""
        if self._when < inf:
            self._host._agenda.at(self._host.runs_at(self._when), self._ring, self._when)

    def _ring(self, planned: float) -> None:
        if planned != self._when or not self._host.acts:
            return
        if self._host.clock() < self._when:
            self.wait()
        else:
            self._when = inf
            self._call(*self._arguments)


class Loop:
    """What `Debounced` needs of asyncio's."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._timers: list[Timer] = []

    def time(self) -> float:
        return self._host.clock()

    def call_at(self, when: float, call: Callable[..., None], *arguments: Any) -> Timer:
        timer = Timer(self._host, call, *arguments)
        timer.set(when)
        self._timers = [timer]  # it has one at a time
        return timer

    def go_on(self) -> None:
        for timer in self._timers:
            timer.wait()


class Runner:
    """A seat as `GroupMember` sees a VIP."""

    demoted_until = -inf  # scripts are not simulated

    def __init__(self, seat: "GroupedVipd", config: VipConfig) -> None:
        self._seat = seat
        self.config = config
        self.last = Transition(State.INIT, State.INIT, Reason.LINK_UP)
        self.decided = -inf

    @property
    def link(self) -> "Runner":
        return self

    scripts = transitions = health = link

    @property
    def machine(self) -> Machine:
        return self._seat.machine

    @property
    def stopping(self) -> bool:
        return self._seat.stops

    @property
    def waiting_for(self) -> str:
        return "" if self._seat.host.linked else "no carrier"

    @property
    def own(self) -> Reasons:
        return self._seat.verdicts


class GroupedVipd(Vipd):
    """``verdicts``: those that do not come from the group."""

    def __init__(self, world: "Segment", host: Host, group: int) -> None:
        self.verdicts: dict[str, Verdict] = {}
        self._ailing = Counter[Health]()
        self._household: Household = world.households[host.number]
        self._id = f"{world.number}"
        self._member: GroupMember | None = None
        super().__init__(world, host, group)
        self._runner = Runner(self, model(id=self._id, group=NAME, track_up=world.track_up))
        self._times = Times(0.0, world.track_up)

    @property
    def _groups(self) -> Groups:
        return self._household.groups

    @property
    def stops(self) -> bool:
        return self._stopping

    # What the world does to it

    def start(self) -> None:
        self._leave()
        self._stopping = False
        host = self.host
        self._loop = Loop(host)
        self._link = Debounced(
            cast("asyncio.AbstractEventLoop", self._loop), self._times, self._changed
        )
        self._others = self._groups.make(Grouped(NAME, self._id), self._changed, dict)
        self._others.start()
        self._when_it_ends: Timer | None = None

        def alarm(call: Callable[[float], None]) -> Timer:
            self._when_it_ends = Timer(host, lambda: call(host.clock()))
            return self._when_it_ends

        self._member = GroupMember(self._runner, self._groups, host.clock, alarm)
        self._set_own()
        super().start()
        self._household.go_on()

    def kill(self) -> None:
        self._leave()
        super().kill()

    def stop(self) -> None:
        self._groups.forget(self._id)
        super().stop()

    def link_changed(self) -> None:
        super().link_changed()
        if self._member:
            self._link.see(self._runner.waiting_for)
            self._look()

    def ails(self, cause: Health, more: int) -> None:
        self._ailing[cause] += more
        if self.host.acts:
            self._changed()

    def catch_up(self) -> None:
        self._loop.go_on()
        if self._when_it_ends:
            self._when_it_ends.wait()
        self._set_own()
        super().catch_up()
        self._look()
        self._household.go_on()

    def enter(self, state: State, why: str) -> None:
        assert self.why is not None
        self._runner.last = Transition(self.state, state, self.why)
        self._runner.decided = self.host.clock()
        super().enter(state, why)

    # What it knows

    def _verdict(self) -> Health:
        every = [*self.verdicts.values()]
        if self._member:
            every.append(self._others.verdict)
        if any(each.well is False for each in every):
            return Health.SICK
        unknown = any(each.well is None for each in every)
        return Health.UNKNOWN if unknown else Health.WELL

    def _set_own(self) -> None:
        """A check, and the link."""
        well: bool | None = self._has_verdict or None
        for cause, says in ((Health.UNKNOWN, None), (Health.SICK, False)):
            if self._ailing[cause] > 0:
                well = says
        before = self.verdicts.get("check", Verdict(None, 0.0))
        if before.well is not well:
            before = Verdict(well, self.host.clock(), "fails" if well is False else "")
        self.verdicts = {"check": before, "track:link": self._link.verdict}

    def _first_verdict(self, life: int) -> None:
        super()._first_verdict(life)
        if life == self._lives and self.host.acts:
            self._changed()

    def _changed(self) -> None:
        """A verdict is another: what `VipHealth` does."""
        if self._member is None or not self.host.acts:
            return
        self._set_own()
        if self.health is not self._verdict():
            with self.world.watch.judging(self.host):
                self._judge()
        self._look()

    def _look(self) -> None:
        if self._member and self.host.acts:
            self._member.look()

    def _do(self, effects: Effects) -> None:
        super()._do(effects)
        self._look()

    def _leave(self) -> None:
        if self._member:
            self._member.end()
            self._link.close()
            self._others.close()
            self._groups.forget(self._id)
            self._member = None
