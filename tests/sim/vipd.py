"""A vipd process, as far as one group is concerned: a real machine, and around it what
`vipd.daemon.vips.vip` and `vipd.daemon.vips.timers` do, without sockets, scripts and words.

The kernel is here, too: it takes the address away when the lease on it ends.
"""

from collections import Counter
from dataclasses import replace
from functools import cache
from math import inf
from typing import TYPE_CHECKING, Any

from helpers.configured import model

from sim.guard import Will
from sim.host import Host
from sim.scenario import Setting
from sim.seat import Seat
from vipd.carp.effects import Acquire, Announce, Effects, Release, SendAdvertisement, Transition
from vipd.carp.health import Health
from vipd.carp.host import in_both
from vipd.carp.lease import first_lease, shortened
from vipd.carp.machine import Machine
from vipd.carp.packet import Advertisement
from vipd.carp.parameters import SLOWEST_DEMOTED, Parameters
from vipd.carp.states import Mode, Reason, State
from vipd.config.model import VipConfig
from vipd.daemon.guard.keeper import Place

if TYPE_CHECKING:
    from sim.world import World

#: How much later than the lease says the kernel takes an address away at most (measured), seconds.
KERNEL_LATE = 0.85
#: Time from the loss of an address to its being put back (`vipd.daemon.vips.vip`), seconds.
REGAIN_AFTER = 0.02


@cache
def settings(setting: Setting) -> VipConfig:
    """What the files would say, as far as leases are concerned."""
    options: dict[str, Any] = {
        "advbase": setting.advbase,
        "advskew": setting.advskew,
        "demote_by": setting.demote_by or "hand-over",
        "deadratio": setting.deadratio,
    }
    return model(**options)


@cache
def guarded_for(setting: Setting) -> float:
    """How long after an advertisement the guard ends the lease."""
    return settings(setting).guarded_for


@cache
def demoted(setting: Setting, health: Health) -> Setting:
    """What of DEMOTE_BY fits into advskew is added to it."""
    more = setting.demote_by if health is Health.SICK else 0
    advskew = max(setting.advskew, min(setting.advskew + more, 254))
    return replace(setting, advskew=advskew)


class Vipd(Seat):
    def __init__(self, world: "World", host: Host, group: int) -> None:
        super().__init__(world, host, group)
        self._causes = Counter[Health]()  # how many checks say that
        self.health = Health.WELL  # what the machine was told
        self.judged_at = -inf  # when it was told, on its host's clock
        self.why: Reason | None = None  # of its last transition
        self._has_verdict = True
        self.delayed_until = -inf  # on its host's clock: PREEMPT_DELAY
        self.listens_until = -inf  # likewise: LISTEN_FIRST
        self.machine = Machine(self._parameters())
        self._queued = inf  # for which of our alarms we are on the agenda
        self._advertised = 0.0  # when
        #: What the last renewal was made with: other settings count from the next one.
        self.renewed_with = self.setting
        self._lease_until = inf  # as the process counts
        self._kernel_until = inf  # as the kernel does,
        self.rounded = 0.0  # which is so much longer: it counts whole seconds
        self._kernel_looks = inf  # when it sees to that, as far as that is on the agenda
        self._stopping = False
        self._lives = 0
        self._place = Place(None, None, 0)
        self._will: Will | None = None

    # What the world does to it

    def start(self) -> None:
        self._lives += 1
        self._place = Place(None, self.host.leases, self.group + 1)
        if after := self.host.plan.verdict_after:
            self._has_verdict = False
            self.world.agenda.at(self.world.agenda.now + after, self._first_verdict, self._lives)
        self.health = self._verdict()
        self.machine = Machine(self._parameters())
        self.state = State.INIT
        self._stopping = False
        self._queued = inf
        self._do(self.machine.start())
        self.link_changed()

    def kill(self) -> None:
        self.state = State.INIT
        self.machine = Machine(self._parameters())
        self._lease_until = self.due = inf

    def stop(self) -> None:
        self._stopping = True
        self._do(self.machine.stop(self.host.clock()))

    @property
    def ended(self) -> bool:
        return self._stopping and self.machine.state is State.INIT

    def step_down(self, hold: float) -> None:
        self._do(self.machine.step_down(self.host.clock(), hold))
        self.world.watch.look(self.group)

    def resume(self) -> None:
        """The hold is lifted."""
        self._do(self.machine.resume(self.host.clock()))
        self.world.watch.look(self.group)

    def change(self, setting: Setting) -> None:
        before, self.setting = self.lease(), setting
        now = self.host.clock()
        self._do(self.machine.change(self._parameters(), now))
        if self.state is State.MASTER:
            if self._lease_until != inf:
                lasts = guarded_for(setting), settings(setting).renewed_within
                self._lease_until = shortened(self._lease_until, *lasts, self._advertised, now)
            self._show()
            self.leave_will()
        if self.lease() != before and self.state is State.MASTER:
            self._hold(now)
            self._set_alarm()

    def link_changed(self) -> None:
        now = self.host.clock()
        if not self.host.linked:
            self._do(self.machine.link_down(now))
        elif self.state is State.INIT and not self._stopping:
            self.delayed_until = now + self.setting.preempt_delay
            self.listens_until = now + self.setting.listen_first
            self._do(self.machine.link_up(now))

    def ails(self, cause: Health, more: int) -> None:
        self._causes[cause] += more
        if self.host.acts:
            self._judge()

    def hear(self, ad: Advertisement) -> None:
        self.take(ad, self.host.clock())

    def take(self, ad: Advertisement, now: float) -> None:
        """It counts from ``now``."""
        self.listens_until = -inf
        if self._lapsed(now):
            self._do(self.machine.lapse(now))
        effects = self.machine.receive(ad, now)
        if effects:
            self._do(effects)
        else:
            self._set_alarm()

    def flushed(self) -> None:
        if self.owner:
            self._kernel_until = inf
            self.own(False)
            self.world.agenda.at(
                self.world.agenda.now + REGAIN_AFTER, self._notice_loss, self._lives
            )

    def clock_moved(self) -> None:
        if self._kernel_until < inf:
            self._kernel_will_look()

    def catch_up(self) -> None:
        if self.due <= self.host.clock():
            self._alarm(self.host.clock())
        else:
            self._queue()
        if not self.owner:
            self._notice_loss(self._lives)
        if self.health is not self._verdict():
            self._judge()
            self.world.watch.disturbed(self.host)

    @property
    def able(self) -> bool:
        waits = self.machine.outlook(0).mode in (Mode.INIT, Mode.HOLDING)
        return not (waits or self._stopping or self.host.mute)

    @property
    def leaving(self) -> bool:
        return self.machine.leaving

    def counter(self) -> int:
        """It grows through all lives."""
        self.host.counter += 1
        return self.host.counter

    def final_counter(self) -> int:
        """That of what the guard sends for us: later than all of ours, earlier than the next's."""
        return self.host.reserved

    def was_sent(self, counter: int) -> None:
        """The guard has sent that."""
        self.host.leave_behind(counter)

    @property
    def held_until(self) -> float:
        """Until when it keeps out of the election, or is modest, on its host's clock."""
        return max(self.machine.hold_until, self.machine.no_preempt_until, 0.0)

    # In sickness and in health, as the rules have it

    @property
    def sick(self) -> bool:
        return self.health is Health.SICK and not self.setting.demote_by

    @property
    def demotion(self) -> int:
        return int(self.sick)

    @property
    def byte_4(self) -> int:
        return self.machine.parameters.demotion

    @property
    def interval(self) -> float:
        return demoted(self.setting, self.health).interval

    @property
    def announced(self) -> float:
        return 254 + self.setting.advskew / 256 if self.sick else self.interval

    @property
    def master_down(self) -> float:
        patience = demoted(self.setting, self.health).master_down
        return patience + self.sick * (self.setting.advbase or self.interval)

    def takes_from(self, owner: Seat) -> bool:
        if self.health is Health.UNKNOWN:
            return False
        if owner.demotion != self.demotion:
            return owner.demotion > self.demotion and not self.sick
        delayed = self.host.clock() < self.delayed_until
        return not (self.sick or delayed) and super().takes_from(owner)

    def gives_up(self, owner: Seat) -> bool:
        if owner.sick or owner.demotion < self.demotion:
            return False
        waits = self.sick and owner.demotion == self.demotion  # an OpenBSD, which does not yield
        return owner.announced > max(self.master_down, SLOWEST_DEMOTED if waits else 0.0)

    def _verdict(self) -> Health:
        if not self._has_verdict:
            return Health.UNKNOWN
        for cause in (Health.SICK, Health.UNKNOWN):
            if self._causes[cause] > 0:
                return cause
        return Health.WELL

    def _first_verdict(self, life: int) -> None:
        if life == self._lives:
            self._has_verdict = True
            if self.host.acts:
                with self.world.watch.judging(self.host):
                    self._judge()

    def _judge(self) -> None:
        """Tell the machine, if there is something new."""
        before, self.health = self.health, self._verdict()
        now = self.judged_at = self.host.clock()
        if before is Health.SICK is not self.health:
            self.delayed_until = now + self.setting.preempt_delay
        self._do(self.machine.judge(self.health, now))
        self.world.watch.look(self.group)

    # Timers

    def _set_alarm(self) -> None:
        self.due = min(self.machine.deadline, self._lease_until)
        if self.due < self._queued:
            self._queue()

    def _queue(self) -> None:
        self._queued = self.due
        if self.due < inf:
            self.world.agenda.at(self.host.runs_at(self.due), self._ring, self.due, self._lives)

    def _ring(self, queued: float, life: int) -> None:
        if queued != self._queued or life != self._lives:
            return  # an earlier one has replaced it
        if not self.host.acts:
            return  # `catch_up` will see to it
        now = self.host.clock()
        if self.due <= now:
            self._alarm(now)
        else:
            self._queue()

    def _alarm(self, now: float) -> None:
        self._queued = inf
        if self._lapsed(now):
            self._do(self.machine.lapse(now))
        else:
            self._do(self.machine.tick(now))
        if self.state is State.BACKUP:
            self.world.watch.look(self.group)  # perhaps a hold has ended

    # What it does

    def _do(self, effects: Effects) -> None:
        todo = list(effects)
        for effect in todo:
            match effect:
                case SendAdvertisement(advbase, advskew):
                    left = self.world.network.send(self, advbase, advskew)
                    now = self.host.clock()
                    if left:
                        self._renew(now)
                    if not left or self.machine.last_send_failed:
                        todo += self.machine.sent(left, now)
                case Transition(old, new, reason):
                    assert old is self.state
                    assert new is not old
                    self.why = reason
                    self.enter(new, reason.value)
                case Acquire():
                    assert self.state is State.MASTER
                    self._advertised = self.host.clock()
                    self._hold(self._advertised)
                case Release():
                    self._lease_until = self._kernel_until = inf
                    self.own(False)
                    self._revoke()
                case Announce():
                    pass
        assert self.machine.state is self.state
        self._set_alarm()
        if self.ended:
            self.world.faults.ended(self.host)

    def _hold(self, now: float) -> None:
        """`Ownership.hold`: only an advertisement makes a lease longer."""
        if self.host.plan.lease:
            config = settings(self.setting)
            self.renewed_with = self.setting
            before = self._lease_until
            lease, around = config.longest_lease, (self._advertised, before, now)
            lasts = guarded_for(self.setting), config.renewed_within
            self._lease_until, whole = first_lease(lease, *lasts, *around)
            unguarded, _ = first_lease(lease, lease, config.renewed_within, *around)
            self._ask_kernel(now + whole, now + whole - unguarded)
        self._show()
        self.own(True)
        self.leave_will()

    def _renew(self, now: float) -> None:
        self._advertised, self.renewed_with = now, self.setting
        if self._lease_until != inf:
            self._lease_until = max(self._lease_until, now + guarded_for(self.setting))
            self._ask_kernel(now + self.lease(), 0.0)
        if self.state is State.MASTER:
            self._show()

    def _ask_kernel(self, until: float, rounded: float) -> None:
        self._kernel_until = until
        self.rounded = rounded
        if self._kernel_until < self._kernel_looks:
            self._kernel_will_look()

    def _notice_loss(self, life: int) -> None:
        """`AddressWatch.lost` and `AddressWatch._put_back`."""
        if life != self._lives or not self.host.acts or self.state is not State.MASTER:
            return
        now = self.host.clock()
        if self._lapsed(now):
            self._do(self.machine.lapse(now))
        elif not self.owner:
            self._hold(now)
            self._set_alarm()

    def lease(self) -> float:
        return settings(self.setting).longest_lease if self.host.plan.lease else inf

    def _parameters(self) -> Parameters:
        s = self.setting
        name = in_both(self.host.source) if self.world.scenario.both else b""
        return Parameters(
            self.host.source,
            s.advbase,
            s.advskew,
            s.deadratio,
            s.preempt,
            s.preempt_delay,
            s.listen_first,
            s.demote_by,
            self.health,
            host=name,
        )

    # The guard

    def _show(self) -> None:
        """`Ownership._show`"""
        self._place.hold(self._lease_until, self._advertised + guarded_for(self.setting))
        if self.host.guard:
            self.host.guard.look_later()

    def leave_will(self) -> None:
        """`Will.leave`"""
        self._will = Will(self, self.final_counter())
        self.guarded_anew()

    def guarded_anew(self) -> None:
        if self.host.guard and self._will:
            self.host.guard.take_on(self._will)

    def _revoke(self) -> None:
        """`Will.revoke`"""
        if self._place.taken and self._will:
            self.was_sent(self._will.number)
        self._place.clear()
        self._will = None

    def _lapsed(self, now: float) -> bool:
        """`Ownership.lapsed`"""
        return now >= self._lease_until or self._place.taken

    def taken_off(self) -> bool:
        """The guard removes the address; whether it was there."""
        was, self._kernel_until = self.owner, inf
        self.own(False)
        if was and self.host.acts:
            self.world.agenda.at(
                self.host.runs_at(self.host.clock()), self._notice_loss, self._lives
            )
        return was

    # The kernel

    def _kernel_will_look(self) -> None:
        self._kernel_looks = self._kernel_until
        late = KERNEL_LATE * self.world.random.random()
        when = self.host.runs_at(self._kernel_until + late)
        self.world.agenda.at(when, self._kernel_looks_at, self._kernel_looks)

    def _kernel_looks_at(self, planned: float) -> None:
        if planned != self._kernel_looks:
            return  # it has looked earlier
        self._kernel_looks = inf
        if self._kernel_until == inf or self.host.still:
            return
        if self.host.clock() < self._kernel_until:
            self._kernel_will_look()
        else:
            self._kernel_until = inf
            self.own(False)
