"""One floating address: carries out what its machine decides."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from math import inf

from vipd.api import events
from vipd.api.events import Kind, Level, ScriptRun
from vipd.carp.effects import Acquire, Announce, Effects, Release, SendAdvertisement, Transition
from vipd.carp.machine import Machine
from vipd.carp.packet import Advertisement, Drop
from vipd.carp.rank import BOW_OUT
from vipd.carp.states import Reason, State
from vipd.config.model import VipConfig
from vipd.daemon.diagnosis.conflicts import ConflictDetector
from vipd.daemon.diagnosis.problems import RateLimitedProblem, RateLimitedProblems
from vipd.daemon.events.counters import Counters
from vipd.daemon.events.hub import Subject
from vipd.daemon.log.logger import Fields, VipLog
from vipd.daemon.vips.address_watch import AddressWatch
from vipd.daemon.vips.advertiser import Advertiser
from vipd.daemon.vips.both_families import BothFamilies
from vipd.daemon.vips.interface import Interface
from vipd.daemon.vips.link_watch import LinkWatch
from vipd.daemon.vips.ownership import Ownership
from vipd.daemon.vips.repeater import Repeater
from vipd.daemon.vips.script_runs import ScriptRuns, job
from vipd.daemon.vips.scripts import Outcome, Scripts, Wanted
from vipd.daemon.vips.services import Services
from vipd.daemon.vips.sources import find_sources, parameters
from vipd.daemon.vips.transition_timing import TransitionTiming
from vipd.linux.addresses import AnyAddress
from vipd.linux.links import Loss

#: After a failed UPSCRIPT that is to hand the address on: how long not to try again, seconds.
_FAILED_HOLD = 60.0


class VipRunner:
    """Runs one configured VIP on its interface: `run` is the task, everything else is called by the
    event loop in between. What goes wrong in there ends `run` with the exception."""

    def __init__(
        self, config: VipConfig, interface: Interface, services: Services, hold_until: float = -inf
    ) -> None:
        """``hold_until``: not master before this, a hold from an earlier life."""
        self.config = config
        self.log = VipLog(config.id, self._about)
        self.machine = Machine(parameters(config, find_sources(config, (), ())))
        self._interface = interface
        self._services = services
        self._alarm = services.timers.alarm(self._tick)
        self.scripts = Scripts(self._script_done, self.log, services.children)
        self.counters = Counters()
        self.complaints = RateLimitedProblems(
            self._complain, services.clock, services.shared.budget
        )
        self._conflicts = ConflictDetector(
            self.machine, config, interface.neighbourhood, self.complaints, services.clock
        )
        self._advertiser = Advertiser(config, interface, services.counter, self.complaints)
        self._repeater = Repeater(self._announce_again)
        self._both_families = BothFamilies(self.complaints)
        self._stopping = False
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._owned = Ownership(
            config,
            interface,
            services,
            self.counters,
            self.log,
            self.complaints,
            self._last_frames,
        )
        self.link = LinkWatch(self, self._owned, interface, services)
        self.addresses = AddressWatch(self, self._owned, interface, services.clock)
        # For people
        self.last = Transition(State.INIT, State.INIT, Reason.LINK_UP)
        self.last_event = 0  # its number
        self.since = time.time()
        self.decided = services.clock()  # on the last transition
        if hold_until > self.decided:
            self.machine.step_down(self.decided, hold_until - self.decided)
        self.script_runs = ScriptRuns()

    # The life of a VIP

    async def run(self) -> None:
        """Live until `stop`, or until something breaks (whatever the exception)."""
        try:
            if not await self.link.alone(self._end):
                return
            self._interface.attach(self)
            self._owned.find(self._interface.link)
            self.carry_out(self.machine.start())
            self.link_changed()
            await self._end
            await self.scripts.idle()
        finally:
            await self._leave()

    async def _leave(self) -> None:
        """End a life, in order or not: the addresses first, and if one step fails, the others are
        taken all the same. Our group is free only when all the rest is."""
        self._step(self._let_go)
        self._step(partial(self._alarm.set, inf))
        self._step(self._conflicts.close)
        self._step(self.addresses.stop_looking)
        self._step(self._repeater.stop)
        self._step(partial(self._interface.detach, self))
        try:
            await self._owned.gone()
        finally:
            self.link.close()

    def _step(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:
            words = "could not clean up as it ended: %s: %s; goes on with the rest"
            about = {"reason": type(error).__name__}
            self.log.error(words, type(error).__name__, error, extra=about)

    @property
    def stopping(self) -> bool:
        """Whether it is to end."""
        return self._stopping

    def stop(self) -> None:
        """Hand over and end; `run` returns when that is done."""
        self._stopping = True
        self.guard(lambda: self.carry_out(self.machine.stop(self._services.clock())))

    @property
    def settled(self) -> bool:
        """Whether it listens, or has said what it waits for."""
        return self.machine.state is not State.INIT or bool(self.link.waiting_for)

    def step_down(self, hold: float, reason: Reason) -> None:
        """Hand over, and do not be master for ``hold`` seconds (``inf``: until `resume`)."""
        self.guard(
            lambda: self.carry_out(self.machine.step_down(self._services.clock(), hold, reason))
        )

    def resume(self) -> None:
        """Forget a hold."""
        self.guard(lambda: self.carry_out(self.machine.resume(self._services.clock())))

    def change(self, config: VipConfig) -> None:
        """Another configuration, in place: interface, VHID, source and addresses are the same."""
        self.guard(lambda: self._change(config))

    def _change(self, config: VipConfig) -> None:
        old, self.config = self.config, config
        what = ", ".join(old.differences(config))
        self.log.info("changed in place: %s", what, extra={"reason": "reload"})
        self._advertiser.change(config)
        ours = parameters(config, self.machine.parameters.sources)
        self.carry_out(self.machine.change(ours, self._services.clock()))
        if config.announce_every != old.announce_every and self.machine.state is State.MASTER:
            self._repeater.start(config.announce_every)
        if (config.mcast, config.nomcast) != (old.mcast, old.nomcast):
            self._interface.members_changed()
        if config.lease_seconds != old.lease_seconds or (
            config.manages_address != old.manages_address
        ):
            self._owned.change(config, self._interface.link)
            if self.machine.state is State.MASTER:
                self._owned.hold()
                self.addresses.look_later()
        else:
            self._owned.config = config
            self._owned.leave_will()  # there is another password in it, perhaps
        self.link.look()

    def publish(
        self,
        kind: Kind,
        text: str,
        *,
        code: str,
        level: Level = "warning",
        transition: events.Transition | None = None,
        script: ScriptRun | None = None,
    ) -> int:
        """Tell everybody; returns the event's number."""
        state = transition.new if transition else self.machine.state
        subject = Subject(self.config.id, self.config.vhid, self.config.interface, state)
        event = self._services.hub.publish(
            subject,
            kind,
            text,
            code=code,
            level=level,
            transition=transition,
            script=script,
        )
        return event.number

    def _complain(self, complaint: RateLimitedProblem) -> None:
        self.publish(Kind.PROBLEM, complaint.text, code=complaint.code, level=complaint.level)

    def _about(self) -> Fields:
        """What every line of the log says about us."""
        return {
            "vhid": self.config.vhid,
            "interface": self.config.interface,
            "state": self.machine.state.value,
        }

    def _let_go(self) -> None:
        """The last resort, for a life that ends in an exception: nothing of ours stays behind."""
        self._owned.abandon()
        if self.machine.state is State.MASTER:
            self._advertiser.send(*BOW_OUT, self.machine.parameters)

    @property
    def lease_until(self) -> float:
        """Until when the lease on the addresses holds (the loop's clock); ``inf``: no lease."""
        return self._owned.lease_until

    # What the world does to it

    def received(self, ad: Advertisement, now: float) -> Drop | None:
        """An advertisement for our VHID; says why it was not taken, if it was not."""
        ours = self.machine.parameters
        if drop := self._advertiser.doubts(ad, ours.sources):
            return drop
        if ours.also:
            ad = self._both_families.take(ad)
        patience = ours.master_down if self.machine.state is State.BACKUP else 0.0
        self.counters.heard(self.machine.heard, ad, now, patience)
        try:  # as _guard does, without its cost for every packet
            if now >= self._owned.lease_until:
                self.lapse(now)
            effects = self.machine.receive(ad, now)
            if effects:
                self.carry_out(effects)
                self._conflicts.heard(ad)
            else:
                self._set_alarm()
        except Exception as error:
            self._failed(error)
        return None

    def link_changed(self) -> None:
        """The state of the interface, or an address on it, may be another now."""
        self.guard(self.link.look)

    def addresses_gained(self, indexes: Collection[int]) -> None:
        """See `AddressWatch.gained`."""
        self.addresses.gained(indexes)

    def addresses_lost(self, losses: Sequence[Loss]) -> None:
        """See `AddressWatch.lost`."""
        self.addresses.lost(losses)

    def look_again(self) -> None:
        """See `AddressWatch.look_again`."""
        self.addresses.look_again()

    def claimed(self, address: AnyAddress, mac: bytes) -> None:
        """Another host answers for an address of ours (ARP, ND)."""
        self._conflicts.claimed(address, mac)

    @property
    def owns(self) -> bool:
        """Whether we are master."""
        return self.machine.state is State.MASTER

    @property
    def owns_alone(self) -> bool:
        """Whether nobody else may have our addresses now."""
        return self._conflicts.owns_alone

    def _tick(self, now: float) -> None:
        try:  # see received()
            # Not ``now``: we may have been stopped since.
            if self._services.clock() >= self._owned.lease_until:
                self.lapse(now)
            else:
                self.carry_out(self.machine.tick(now))
        except Exception as error:
            self._failed(error)

    def lapse(self, now: float) -> None:
        """No advertisement left for so long that the kernel has let go, and others may own."""
        self.carry_out(self.machine.lapse(now))

    def _script_done(self, outcome: Outcome) -> None:
        self.guard(lambda: self._after_script(outcome))

    def _after_script(self, outcome: Outcome) -> None:
        up = outcome.wanted is Wanted.UP
        went_up = up and self.machine.state is State.MASTER
        appeared = self.addresses.appeared
        gained = appeared - self.decided if went_up and appeared < inf else None
        cause = self.last_event if up == (self.machine.state is State.MASTER) else 0
        run = self.script_runs.ended(outcome, cause, gained)
        failed = self.script_runs.failed is run
        self.publish(
            Kind.SCRIPT,
            outcome.trouble or f"{outcome.wanted.value} ended after {outcome.seconds:.3f} s",
            code="script_failed" if failed else "script",
            level="info" if not failed else "warning" if outcome.status else "error",
            script=run,
        )
        if not went_up:
            return
        if outcome.status != 0 and self.config.upscript_failure == "demote":
            now = self._services.clock()
            self.carry_out(self.machine.step_down(now, _FAILED_HOLD, Reason.SCRIPT_FAILED))
            return
        # The address may be there only now: who asked for it before got no answer.
        self.announce()
        self.addresses.look_later()

    def guard(self, act: Callable[[], None]) -> None:
        """Errors belong to this VIP alone: they end its task, not the event loop's callback."""
        if self._end.done():
            return
        try:
            act()
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        """Whatever it is, `run` raises it."""
        if not self._end.done():
            self._end.set_exception(error)

    # What it does to the world

    def carry_out(self, effects: Effects) -> None:
        passages: list[TransitionTiming] = []
        todo = list(effects)
        for effect in todo:
            match effect:
                case SendAdvertisement(advbase, advskew):
                    left = self._advertiser.send(advbase, advskew, self.machine.parameters)
                    if left:
                        self.counters.sent += 1
                        self._owned.renew()
                    else:
                        self.counters.unsent += 1
                    if not left or self.machine.last_send_failed:
                        if left:
                            self.complaints.forget("send")
                        todo += self.machine.sent(left, self._services.clock())
                case Announce():
                    self.announce()
                case Acquire():
                    self._owned.advertised = self._services.clock()  # in a moment
                    self.acquire()
                case Release(at_start):
                    self._release(at_start)
                case Transition():
                    passages.append(self._enter(effect))
            if passages:
                passages[-1].done(effect)
        self._set_alarm()
        for timed in passages:  # last: an idle host's first words take a millisecond
            self._tell(timed)
        if self._stopping and self.machine.state is State.INIT and not self._end.done():
            self._end.set_result(None)

    def _set_alarm(self) -> None:
        self._alarm.set(min(self.machine.deadline, self._owned.lease_until))

    def _enter(self, transition: Transition) -> TransitionTiming:
        self.last, self.since = transition, time.time()
        timed = TransitionTiming(transition, self._services.clock, self.config.manages_address)
        self.decided, self.addresses.appeared = timed.began, inf
        if transition.new is State.MASTER:
            self._interface.neighbourhood.look_after()
            self._repeater.start(self.config.announce_every)
        else:
            self._repeater.stop()
        return timed

    def _tell(self, timed: TransitionTiming) -> None:
        transition = timed.transition
        self.last_event = self.publish(
            Kind.TRANSITION,
            f"Switching to state: {transition.new.value} ({transition.reason.value})",
            code=transition.reason.name,
            transition=timed.told(self.machine.heard),
        )
        if transition.reason is Reason.PREFERRED_MASTER:
            self.log.words("Preferred master advertised: going back to BACKUP state")
        self._conflicts.changed(transition)

    def acquire(self) -> None:
        self._owned.hold()
        self._run_script(Wanted.UP)
        self.addresses.look_later()

    def _release(self, at_start: bool) -> None:
        leaving_unscripted = self._stopping and not self.config.shutdown
        self.addresses.released()
        self._owned.release(
            self.config.manages_address
            # ucarp would end without DOWNSCRIPT and leave the address behind, on two hosts
            or (leaving_unscripted and self.config.manage_address != "no")
        )
        if not leaving_unscripted and not (at_start and self.config.neutral):
            self._run_script(Wanted.DOWN)

    def _last_frames(self, counter: int) -> tuple[str, list[bytes]] | None:
        return self._advertiser.final(self.machine.parameters, counter)

    def _run_script(self, wanted: Wanted) -> None:
        heard = self.machine.heard
        previous = str(heard.ad.source) if heard else ""
        self.scripts.want(
            wanted, job(self.config, wanted, self.machine.state, self.last.reason, previous)
        )

    def announce(self, only: Collection[AnyAddress] | None = None) -> None:
        """Announce the addresses, or ``only`` these of them."""
        self._advertiser.announce(self._owned.place, only)

    def _announce_again(self, reply: bool) -> None:
        self.guard(lambda: self._advertiser.announce(self._owned.place, reply=reply))
