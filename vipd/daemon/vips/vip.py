"""One floating address: carries out what its machine decides."""

import asyncio
import os
from collections.abc import Callable, Collection
from functools import partial
from math import inf

from vipd.carp.effects import Acquire, Announce, Effects, Release, SendAdvertisement, Transition
from vipd.carp.machine import Machine
from vipd.carp.packet import Advertisement, Drop
from vipd.carp.rank import BOW_OUT
from vipd.carp.states import Mode, Reason, State
from vipd.config.model import VipConfig
from vipd.daemon.diagnosis.conflicts import ConflictDetector
from vipd.daemon.diagnosis.problems import RateLimitedProblems
from vipd.daemon.events.counters import Counters
from vipd.daemon.log.logger import VipLog
from vipd.daemon.vips.address_watch import AddressWatch
from vipd.daemon.vips.advertiser import Advertiser
from vipd.daemon.vips.group_member import GroupMember
from vipd.daemon.vips.hearing import Hearing
from vipd.daemon.vips.interface import Interface
from vipd.daemon.vips.link_watch import LinkWatch
from vipd.daemon.vips.notices import Notices
from vipd.daemon.vips.ownership import Ownership
from vipd.daemon.vips.publisher import Publisher
from vipd.daemon.vips.repeater import Repeater
from vipd.daemon.vips.script_runs import ScriptRuns
from vipd.daemon.vips.scripts import Wanted
from vipd.daemon.vips.services import Services
from vipd.daemon.vips.sources import find_sources, parameters
from vipd.daemon.vips.transition_timing import TransitionTiming
from vipd.daemon.vips.transitions import Transitions
from vipd.daemon.vips.vip_health import VipHealth
from vipd.linux.addresses import AnyAddress


class VipRunner:
    """One VIP on its interface. `run` is its task; everything else is called by the event loop, and
    an error there ends `run` with that exception."""

    def __init__(
        self, config: VipConfig, interface: Interface, services: Services, hold_until: float = -inf
    ) -> None:
        """``hold_until``: not master before this, a hold from an earlier run."""
        self.config = config
        self.machine = Machine(parameters(config, find_sources(config, tuple, ())))
        self.publisher = publisher = Publisher(self, services.hub)
        self.log, clock, timers = publisher.log, services.clock, services.timers
        self.notices = Notices(self, services.notifier)
        self.transitions = Transitions(self.publisher, self.notices, clock)
        self._interface, self._services = interface, services
        self.scripts = ScriptRuns(self, services.children, clock)
        self.counters = Counters()
        self.complaints = RateLimitedProblems(publisher.complain, clock, services.shared.budget)
        around = interface.neighbourhood, self.complaints, clock, self.announce
        self.conflicts = ConflictDetector(self.machine, config, *around)
        self.advertiser = Advertiser(config, interface, services, self.complaints)
        self._alarm = timers.alarm(self._tick)
        self._repeater = Repeater(
            lambda reply: self.guard(lambda: self.announce(reply=reply)), services.shared.pace
        )
        self._hearing = Hearing(config, self.advertiser, self.complaints, services.heard)
        self.stopping = False  # whether it is to end
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        final = partial(self.advertiser.final, self.machine)
        around_it = interface, services, self.counters, self.log, self.complaints
        makes = final, self.scripts.last_script
        self.owned = Ownership(config, *around_it, *makes, self._lease_answered)
        self.health = VipHealth(self, services.health)
        self.group = GroupMember(self, services.groups, clock, timers.alarm)
        self.link = LinkWatch(self, self.owned, interface, services)
        self.addresses = AddressWatch(self, self.owned, interface, services.clock)
        if hold_until > (now := clock()):
            self.machine.step_down(now, hold_until - now)

    async def run(self) -> None:
        """Live until `stop`, or until something breaks (whatever the exception)."""
        try:
            if not await self.link.alone(self._end):
                return
            self._interface.attach(self)
            self.owned.find(self._interface.link)
            self.health.change(self.config)
            self.carry_out(self.machine.start())
            self.link_changed()
            await self._end
            await self.scripts.idle()
        finally:
            await self._leave()

    async def _leave(self) -> None:
        """End the run: the addresses first. If one step fails, the others are taken all the same.
        The group is free for another process only after them."""
        for act in (
            self._let_go,
            self.notices.end,
            self.health.close,
            self.group.end,
            partial(self._alarm.set, inf),
            self.conflicts.close,
            self.addresses.stop_looking,
            self._repeater.stop,
            partial(self._interface.detach, self),
        ):
            _step(act, self.log)
        try:
            await self.owned.removal.gone()
        finally:
            self.owned.close()
            self.link.close()

    def stop(self) -> None:
        """Hand over and end; `run` returns when that is done."""
        self.stopping = True
        self.ask(self.machine.stop)

    def step_down(self, hold: float, reason: Reason) -> None:
        """Hand over, and do not be master for ``hold`` seconds (``inf``: until `resume`)."""
        self.ask(lambda now: self.machine.step_down(now, hold, reason))

    def resume(self) -> None:
        """Forget a hold."""
        self.ask(self.machine.resume)

    def ask(self, ask: Callable[[float], Effects]) -> None:
        """Ask the machine something, now, and carry out its answer."""
        self.guard(lambda: self.carry_out(ask(self._services.clock())))

    def change(self, config: VipConfig) -> None:
        """Another configuration, in place: `vipd.daemon.vips.changes.moves` is false of it. May
        raise."""
        old, self.config = self.config, config
        what = ", ".join(old.differences(config))
        self.log.info("changed in place: %s", what, extra={"reason": "reload"})
        self.advertiser.change(config)
        self._hearing.change(config)
        ours = parameters(config, self.machine.parameters.sources)
        self.carry_out(self.machine.change(ours, self._services.clock()))
        self.health.change(config)
        if config.announce_every != old.announce_every and self.machine.state is State.MASTER:
            self._repeater.start(config.announce_every, len(config.moving))
        if _heard_at(config) != _heard_at(old):
            self._interface.members_changed()
            self.owned.will.leave()
        if _held_how(config) != _held_how(old):
            self.owned.change(config, self._interface.link)
            if self.machine.state is State.MASTER and not self._lapsed():
                self.owned.hold()
                self.addresses.look_later()
        else:
            self.owned.go_on(config)
        self.link.look()

    def _let_go(self) -> None:
        """The last resort, for a run that ends in an exception: nothing of ours stays behind."""
        clock = self._services.clock
        until = -inf if self._lapsed() else self.owned.lease_until  # is forgotten with the lease
        self.owned.abandon()
        if self.machine.state is State.MASTER:
            self.advertiser.send(*BOW_OUT, self.machine.parameters, lambda: clock() >= until)

    # What happens to it

    def received(self, ad: Advertisement, now: float, came: float) -> Drop | None:
        """Why this advertisement for our VHID was not taken; None: it was."""
        ours = self.machine.parameters
        taken = self._hearing.take(ad, ours, now, came)
        if not isinstance(taken, Advertisement):
            return taken
        ad = taken
        patience = ours.master_down if self.machine.state is State.BACKUP else 0.0
        self.counters.heard(self.machine.heard, ad, now, patience)
        try:  # as _guard does, without its cost for every packet
            if self.owned.lapsed(now):
                self.lapse(now)
            effects = self.machine.receive(ad, now)
            if effects:
                self.carry_out(effects)
                self.conflicts.heard(ad)
            else:
                self._set_alarm()
        except Exception as error:
            self._failed(error)
        return None

    def link_changed(self) -> None:
        """The state of the interface, or an address on it, may be another now."""
        self.guard(self.link.look)

    def _tick(self, now: float) -> None:
        try:  # see received()
            if self._lapsed():
                self.lapse(now)
                return
            if self.machine.state is State.BACKUP:
                self._interface.receiver.read_before(now)
            effects = self.machine.tick(now)
            if self._goes_on(effects):
                self._alarm.set(self.machine.deadline)
            else:
                self.carry_out(effects)
        except Exception as error:
            self._failed(error)

    def _goes_on(self, effects: Effects) -> bool:
        """Whether a master says the same as before, and nothing else. Then it says that together
        with the others."""
        ours = self.machine.parameters
        if effects != (ours.advertisement,) or self.machine.mode is not Mode.MASTER:
            return False
        return self.advertiser.post(ours, self._departed)

    def _departed(self, left: int | None, errors: Collection[int], at: float) -> None:
        """What became of that, see `vipd.daemon.vips.outbox.Departed`."""
        try:
            if left is None:
                now = self._services.clock()
                lapsed = self.owned.lapsed(now)
                self.carry_out(self.machine.lapse(now) if lapsed else self.machine.speak(now))
                return
            for code in errors:
                self.advertiser.cannot_send(OSError(code, os.strerror(code)))
            if effects := self._sent(left > 0, at):
                self.carry_out(effects)
        except Exception as error:
            self._failed(error)

    def _sent(self, left: bool, at: float) -> Effects:
        """What follows from it that an advertisement of ours left, not before ``at``, or did
        not."""
        if left:
            self.counters.sent += 1
            self.owned.renew(at)
        else:
            self.counters.unsent += 1
        if left and not self.machine.last_send_failed:
            return ()
        if left:
            self.complaints.forget("send")
        return self.machine.sent(left, self._services.clock())

    def _lapsed(self) -> bool:
        """Whether the lease has ended by now: we may have been stopped since we looked last."""
        return self.owned.lapsed(self._services.clock())

    def lapse(self, now: float) -> None:
        """No advertisement left for so long that the kernel has let go, and others may own."""
        self.carry_out(self.machine.lapse(now))
        if self.owned.lapsed(now):  # whatever the machine takes itself for
            self.owned.abandon()

    def guard(self, act: Callable[[], None]) -> None:
        """Errors belong to this VIP alone: they end its task, not the event loop's callback."""
        if self._end.done():
            return
        try:
            act()
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        if not self._end.done():
            self._end.set_exception(error)

    # What it does

    def carry_out(self, effects: Effects) -> None:
        self._services.outbox.flush()  # what we said before comes first
        passages: list[TransitionTiming] = []
        todo = list(effects)
        for effect in todo:
            match effect:
                case SendAdvertisement(advbase, advskew):
                    ours, now = self.machine.parameters, self._services.clock()
                    left = self.advertiser.send(advbase, advskew, ours, self._lapsed)
                    if left is None:  # that is no failure to send
                        todo += self.machine.lapse(self._services.clock())
                    else:
                        todo += self._sent(left, now)
                case Announce():
                    self.announce()
                case Acquire():
                    self.owned.advertised = self._services.clock()  # in a moment
                    self.acquire()
                case Release(at_start):
                    self._release(at_start)
                case Transition():
                    passages.append(self._enter(effect))
            if passages:
                passages[-1].done(effect)
        self._set_alarm()
        self.group.look()
        for timed in passages:  # last: an idle host's first log line takes a millisecond
            self.transitions.publish(timed, self.machine.heard)
            self.conflicts.changed(timed.transition)
        if self.stopping and self.machine.state is State.INIT and not self._end.done():
            self._end.set_result(None)

    def _set_alarm(self) -> None:
        self._alarm.set(min(self.machine.deadline, self.owned.look_at))

    def _lease_answered(self) -> None:
        """Until when the lease holds is known again."""
        if self.owned.lease_until < self._alarm.wanted:
            self._alarm.set(self.owned.lease_until)

    def _enter(self, transition: Transition) -> TransitionTiming:
        timed = self.transitions.begin(transition, self.config.manages_address)
        self.addresses.appeared = inf
        self._interface.receiver.changed()
        self.health.variables_changed()
        if transition.new is State.MASTER:
            self._interface.neighbourhood.look_after()
            self._repeater.start(self.config.announce_every, len(self.config.moving))
        else:
            self._repeater.stop()
        return timed

    def acquire(self) -> None:
        self.owned.hold()
        self.scripts.want(Wanted.UP)
        self.addresses.look_later()

    def _release(self, at_start: bool) -> None:
        leaving_unscripted = self.stopping and not self.config.shutdown
        self.addresses.released()
        begun = self.owned.will.place.script
        # ucarp would end without DOWNSCRIPT and leave the address behind, on two hosts
        nobody_else = leaving_unscripted and self.config.manage_address != "no"
        self.owned.release(self.config.manages_address or nobody_else)
        neutral = at_start and self.config.neutral and not self.owned.will.is_owed
        if not (leaving_unscripted or neutral):
            self.scripts.want(Wanted.DOWN, begun)

    def announce(self, only: Collection[AnyAddress] | None = None, *, reply: bool = False) -> None:
        """Announce the addresses, or ``only`` these of them, unless our lease has ended: others may
        own by then. ``reply``: by ARP replies."""
        if not self._lapsed():
            self.advertiser.announce(self.owned.places.link, only, reply=reply)


def _heard_at(config: VipConfig) -> tuple[object, ...]:
    """What the sockets that hear the group depend on, besides the interface."""
    return config.mcast, config.nomcast, config.peers


def _held_how(config: VipConfig) -> tuple[object, ...]:
    return config.lease_seconds, config.manages_address


def _step(act: Callable[[], None], log: VipLog) -> None:
    """One step of an end: its errors keep no other from being taken."""
    try:
        act()
    except Exception as error:
        words = "could not clean up as it ended: %s: %s; goes on with the rest"
        about = {"reason": type(error).__name__}
        log.error(words, type(error).__name__, error, extra=about)
