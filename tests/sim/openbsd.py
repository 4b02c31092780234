"""A model of CARP in OpenBSD's kernel, read from ``ip_carp.c`` (`carp_proto_input_c`,
`carp_master_down`, `carp_send_ad`, `carp_group_demote_adj`):

- demotion, byte 4 of an advertisement, counts before the interval, with and without preempt;
- a master yields to an equal one, whatever their addresses;
- it keeps one counter for as long as it is configured;
- it bows out once, and lets go at once;
- there is no process that could be frozen or killed, and no lease.

Its master-down time is that of before 2025, 3·advbase + advskew/256 s. That it demotes itself when
it cannot send is left out.
"""

from dataclasses import replace
from math import inf
from random import Random
from typing import TYPE_CHECKING

from sim.host import Host
from sim.scenario import Setting
from sim.seat import Seat
from vipd.carp.packet import Advertisement
from vipd.carp.states import State
from vipd.carp.timing import interval

if TYPE_CHECKING:
    from sim.world import World

_BOW_OUT = (255, 255)


class OpenBSD(Seat):
    def __init__(self, world: "World", host: Host, group: int) -> None:
        super().__init__(world, host, group)
        self._draw = Random(f"{world.scenario.seed} {host} {group}")
        self._cookie = self._draw.getrandbits(64)
        self._lives = 0
        self._queued = inf
        self._down = dict.fromkeys((4, 6) if world.scenario.both else (4,), inf)

    # What the world does to it

    def start(self) -> None:
        self._lives += 1
        self._cookie = self._draw.getrandbits(64)
        self._queued = self.due = inf
        self.link_changed()

    def kill(self) -> None:
        """The machine is gone, and so is all that it knew."""
        self._lives += 1
        self.state = State.INIT
        self.due = inf

    def stop(self) -> None:
        """``ifconfig carp0 down``."""
        if self.state is State.MASTER:
            self.world.network.send(self, *_BOW_OUT)
            self.own(False)
        self._end()

    def _end(self) -> None:
        self._lives += 1
        self.due = inf
        if self.state is not State.INIT:
            self.enter(State.INIT, "ended")
        self.world.faults.ended(self.host)

    @property
    def ended(self) -> bool:
        return self.state is State.INIT

    def step_down(self, _hold: float) -> None:
        """There is no way to tell it."""

    def resume(self) -> None:
        """There was no hold."""

    def change(self, setting: Setting) -> None:
        self.setting = replace(setting, deadratio=3)
        self._set_run()

    def demoted(self) -> None:
        """Who has just been demoted says so at once."""
        if self.host.acts and self.state is State.MASTER and self.host.demotion:
            self.world.network.send(self, self.setting.advbase, self.setting.advskew)

    def link_changed(self) -> None:
        if self.host.linked and self.state is State.INIT:
            self.enter(State.BACKUP, "interface is up")
            self._set_run()
        elif not self.host.linked and self.state is not State.INIT:
            self.own(False)
            self.due = inf
            self.enter(State.INIT, "interface is down")

    def hear(self, ad: Advertisement) -> None:
        ours, theirs = self.setting.interval, interval(ad.advbase, ad.advskew)
        if self.state is State.MASTER:
            lower, higher = ad.demotion < self.demotion, ad.demotion > self.demotion
            if lower or (theirs <= ours and not higher):
                self.own(False)
                self.enter(State.BACKUP, "preferred master advertised")
                self._set_run()
        elif self.state is State.BACKUP:
            if self.setting.preempt and ours < theirs and ad.demotion >= self.demotion:
                self._take_over("preemption")
            elif ad.demotion > self.demotion:
                self._take_over("the master is demoted")
            elif self.setting.advbase and 3 * self.setting.advbase < theirs:
                self._take_over("going to time out")
            else:
                self._set_run(ad.source.version)

    def flushed(self) -> None:
        """Nobody does that."""

    def clock_moved(self) -> None:
        """Nothing of it is on another clock."""

    def catch_up(self) -> None:
        self._queued = inf
        self._queue()

    @property
    def able(self) -> bool:
        return self.state is not State.INIT and not self.host.mute

    @property
    def leaving(self) -> bool:
        return False

    @property
    def demotion(self) -> int:
        return min(self.host.demotion, 255)

    def takes_from(self, owner: Seat) -> bool:
        if owner.demotion != self.demotion:
            return owner.demotion > self.demotion
        return super().takes_from(owner)

    def gives_up(self, owner: Seat) -> bool:
        return 0 < 3 * self.setting.advbase < owner.announced

    def counter(self) -> int:
        return self._cookie

    # Its timers

    def _set_run(self, family: int | None = None) -> None:
        """`carp_setrun`. Each family has a master-down timer of its own."""
        if self.state is State.INIT:
            return
        now = self.host.clock()
        if self.state is State.MASTER:
            self.due = now + self.setting.interval
        else:
            for each in self._down:
                if family in (None, each):
                    self._down[each] = now + self.setting.master_down
            self.due = min(self._down.values())
        self._queue()

    def _queue(self) -> None:
        if self.due < self._queued:
            self._queued = self.due
            when = self.host.runs_at(self.due)
            self.world.agenda.at(when, self._ring, self.due, self._lives)

    def _ring(self, queued: float, life: int) -> None:
        if queued != self._queued or life != self._lives or not self.host.acts:
            return
        self._queued = inf
        if self.host.clock() < self.due:
            self._queue()
        elif self.state is State.MASTER:
            self._advertise()
        elif self.state is State.BACKUP:
            self._take_over("nothing heard from a master")

    def _take_over(self, why: str) -> None:
        self.enter(State.MASTER, why)
        self.own(True)
        self._advertise()

    def _advertise(self) -> None:
        self.world.network.send(self, self.setting.advbase, self.setting.advskew)
        self._set_run()
