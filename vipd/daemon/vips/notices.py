"""What NOTIFY is told about one VIP: its environment, and what follows when it fails."""

import time
from collections.abc import Mapping
from typing import Literal, Protocol

from vipd.api.events import Kind
from vipd.carp.effects import Transition
from vipd.carp.health import Health
from vipd.carp.machine import Machine
from vipd.carp.states import State
from vipd.config.model import VipConfig
from vipd.daemon.base.program import Ended, Job
from vipd.daemon.health.verdict import Reasons
from vipd.daemon.log.logger import VipLog
from vipd.daemon.vips.notifier import WAITING, Notifier
from vipd.daemon.vips.publisher import Publisher

_BROKE = "the VIP failed; see the log"


class Ailing(Protocol):
    """See `vipd.daemon.vips.vip_health.VipHealth`."""

    health: Health

    @property
    def failing(self) -> Reasons: ...


class Runner(Protocol):
    """The VIP that is told about."""

    config: VipConfig
    machine: Machine
    publisher: Publisher
    health: Ailing


class Notices:
    """``trouble``: what was wrong with the last run, or ""; ``since`` (Unix time): when it
    ended."""

    def __init__(self, vip: Runner, notifier: Notifier) -> None:
        self.trouble = ""
        self.since = 0.0
        self._vip = vip
        self._notifier = notifier
        self._state = State.INIT  # after the last transition that was told

    def transition(self, transition: Transition) -> None:
        """The state changed."""
        self._state = transition.new
        self._tell("transition", transition.old, transition.new, transition.reason.value)

    def health(self, event: Literal["sick", "well"], reason: str) -> None:
        """The host became sick for this VIP, or well again."""
        state = self._vip.machine.state
        self._tell(event, state, state, reason)

    def end(self) -> None:
        """The VIP ends. If something broke, there was no transition for it, and what the machine
        was about to become was not told either."""
        if self._state is not State.INIT:
            self._tell("transition", self._state, State.INIT, _BROKE)

    def _tell(self, event: str, old: State, new: State, reason: str) -> None:
        vip = self._vip
        if not vip.config.notify:
            return
        heard = vip.machine.heard
        about = {
            "EVENT": event,
            "STATE": new.value,
            "OLD_STATE": old.value,
            "REASON": reason,
            "HEALTH": vip.health.health.value,
            "SICK": " ".join(vip.health.failing),
            "PREVIOUS_MASTER": str(heard.ad.source) if heard else "",
            "EVENT_AT": f"{time.time():.3f}",
        }
        self._notifier.tell(vip.config.id, _Notice(self, vip.config, about))

    # What follows

    @property
    def log(self) -> VipLog:
        return self._vip.publisher.log

    def job(self, of: VipConfig, about: Mapping[str, str], lost: int) -> Job:
        """The program of now, with the settings of the time of the event."""
        now = self._vip.config
        environment = {**of.environment, **about, "LOST": str(lost)}
        return Job(now.notify, environment, now.script_timeout)

    def delivered(self, ended: Ended, lost: int) -> None:
        self.trouble, self.since = "", time.time()
        if lost:
            self._publish(f"{lost} notifications were lost: NOTIFY was too slow for them")
        if ended.trouble:
            said = f": {ended.said}" if ended.said else ""
            self.trouble = f"{ended.trouble}{said}"
            self._publish(self.trouble)

    def falls_behind(self) -> None:
        text = f"NOTIFY falls behind: {WAITING} notifications wait, and the oldest are dropped"
        self._publish(text)

    def _publish(self, text: str) -> None:
        self._vip.publisher.publish(Kind.SCRIPT, text, code="notify")


class _Notice:
    """One notification. ``of``: the VIP's settings at that time; ``about``: what happened."""

    def __init__(self, notices: Notices, of: VipConfig, about: Mapping[str, str]) -> None:
        self.log = notices.log
        self._notices = notices
        self._of = of
        self._about = about

    def job(self, lost: int) -> Job:
        return self._notices.job(self._of, self._about, lost)

    def delivered(self, ended: Ended, lost: int) -> None:
        self._notices.delivered(ended, lost)

    def falls_behind(self) -> None:
        self._notices.falls_behind()
