"""One VIP of a GROUP: what ails it by itself, for the others of the group to know."""

from collections.abc import Callable
from math import inf
from typing import NamedTuple, Protocol

from vipd.carp.effects import Transition
from vipd.carp.machine import Machine
from vipd.carp.states import Mode, Reason, State
from vipd.config.model import VipConfig
from vipd.daemon.health.groups import Groups
from vipd.daemon.health.verdict import Reasons, Verdict

#: A host that could not send tries again `vipd.carp.backup.NO_PREEMPT_FOR` later, with the next
#: advertisement that it hears. Seconds after that until it counts as able to send.
_TRIES_AGAIN = 10.0
#: A VIP that failed most likely fails again when it becomes master. Seconds after its restart until
#: it counts as well without having been master.
_PROVED_AFTER = 60.0
_MASTER_AGAIN = "when it is master again, or {:g} s after that (TRACK_UP)"


class _Alarm(Protocol):
    """See `vipd.daemon.vips.timers.Alarm`."""

    def set(self, when: float) -> None: ...


class _Link(Protocol):
    @property
    def waiting_for(self) -> str: ...


class _Scripts(Protocol):
    demoted_until: float


class _Transitions(Protocol):
    last: Transition
    decided: float


class _Health(Protocol):
    @property
    def own(self) -> Reasons: ...


class Runner(Protocol):
    """The VIP whose membership this is."""

    config: VipConfig

    @property
    def machine(self) -> Machine: ...

    @property
    def stopping(self) -> bool: ...

    @property
    def link(self) -> _Link: ...

    @property
    def scripts(self) -> _Scripts: ...

    @property
    def transitions(self) -> _Transitions: ...

    @property
    def health(self) -> _Health: ...


class Condition(NamedTuple):
    """``well``, ``said`` and ``ends`` are those of a `Verdict`; ``until``: when it ends by itself,
    on the clock of ``now``."""

    well: bool | None = True
    said: str = ""
    ends: str = ""
    until: float = inf


_WELL = Condition()


class GroupMember:
    """Tells `Groups` what ails the VIP. A hold is nothing that ails it: whoever asks for one has
    --group."""

    def __init__(
        self,
        vip: Runner,
        groups: Groups,
        clock: Callable[[], float],
        alarm: Callable[[Callable[[float], None]], _Alarm],
    ) -> None:
        self._vip = vip
        self._groups = groups
        self._clock = clock
        self._alarm = alarm(lambda _now: self.look())
        self._last: Condition | None = None
        self._group = ""
        self._ended = False
        #: What its last run failed with, if it did.
        self._failed = groups.told(vip.config.id)
        self._proved_at = clock() + _PROVED_AFTER

    @property
    def ails(self) -> str:
        """What makes the others of its group sick, or ""."""
        return self._last.said if self._last and self._last.well is False else ""

    def look(self) -> None:
        """Something about the VIP may be another now."""
        vip = self._vip
        group = vip.config.group
        if self._ended or vip.stopping or not (group or self._group):
            return
        if not group:
            self.close()
            return
        condition = self._condition(self._clock())
        if (condition, group) == (self._last, self._group):
            return
        before, self._last, self._group = self._last, condition, group
        self._alarm.set(condition.until)
        told = self._groups.told(vip.config.id)
        same = told and before and before.well is condition.well
        since = told.since if told and same else self._clock()
        self._groups.tell(
            vip.config.id, group, Verdict(condition.well, since, condition.said, condition.ends)
        )

    def close(self) -> None:
        """It is in no group any more."""
        self._groups.forget(self._vip.config.id)
        self._last, self._group = None, ""
        self._alarm.set(inf)

    def end(self) -> None:
        """Tell nothing more. What it told last counts until its next run tells something."""
        self._ended = True
        self._alarm.set(inf)

    def _condition(self, now: float) -> Condition:
        """What ails it now, whatever it knows of the others."""
        vip, machine = self._vip, self._vip.machine
        if waits := vip.link.waiting_for:
            return Condition(False, f"waits: {waits}", "when that ends")
        if machine.state is State.MASTER:
            self._failed = None
        if self._failed and now < self._proved_at:
            ends = f"when it is master again, or {_PROVED_AFTER:g} s after its restart"
            return Condition(False, self._failed.said, ends, self._proved_at)
        if machine.mode is Mode.INIT:
            return Condition(None, "is being started")
        if machine.mode in (Mode.HOLDING, Mode.LEAVING) and now < vip.scripts.demoted_until:
            ends = f"60 s after that, or at once: vipctl maintenance off {vip.config.id}"
            return Condition(False, "UPSCRIPT failed", ends, vip.scripts.demoted_until)
        if machine.state is not State.MASTER and (trouble := self._lost(now)):
            return trouble
        for name, verdict in vip.health.own.items():
            if verdict.well is False:
                ends = verdict.ends or f"see vipctl why {vip.config.id}"
                return Condition(False, f"{name}: {verdict.said}", ends)
        for name, verdict in vip.health.own.items():
            if verdict.well is None:
                return Condition(None, f"{name} has no verdict yet")
        return _WELL

    def _lost(self, now: float) -> Condition | None:
        """Whether this backup was master, and could not stay it."""
        vip, machine = self._vip, self._vip.machine
        if machine.last_send_failed:
            until = machine.no_preempt_until + _TRIES_AGAIN + machine.parameters.master_down
            if now < until:
                ends = f"when one has left, or {_TRIES_AGAIN:g} s after it tries again"
                return Condition(False, "its advertisements cannot be sent", ends, until)
        last = vip.transitions.last
        if last.reason is Reason.LAPSED and last.new is State.BACKUP:
            until = vip.transitions.decided + vip.config.track_up
            if now < until:
                ends = _MASTER_AGAIN.format(vip.config.track_up)
                return Condition(False, "its lease expired", ends, until)
        return None
