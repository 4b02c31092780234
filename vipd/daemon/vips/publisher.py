"""The reports of one VIP: events for the log, the history and every client, and its log lines."""

from collections.abc import Callable
from typing import Protocol

from vipd.api import events
from vipd.api.events import Kind, Level, ScriptRun
from vipd.carp.machine import Machine
from vipd.config.model import VipConfig
from vipd.daemon.diagnosis.problems import RateLimitedProblem
from vipd.daemon.events.hub import Hub, Subject
from vipd.daemon.log.logger import Fields, VipLog


class Subjected(Protocol):
    """The VIP that the reports are about."""

    config: VipConfig
    machine: Machine


class Publisher:
    """``log``: for lines that are not events."""

    def __init__(self, vip: Subjected, hub: Hub) -> None:
        self._vip = vip
        self._hub = hub
        self.log = VipLog(vip.config.id, self._about)

    def publish(
        self,
        kind: Kind,
        text: str,
        *,
        code: str,
        level: Level = "warning",
        transition: events.Transition | None = None,
        script: ScriptRun | None = None,
        at: float | None = None,
    ) -> int:
        """Publish an event; returns its number. ``at``: when it happened, if not now."""
        config = self._vip.config
        state = transition.new if transition else self._vip.machine.state
        event = self._hub.publish(
            Subject(config.id, config.vhid, config.interface, state),
            kind,
            text,
            code=code,
            level=level,
            transition=transition,
            script=script,
            at=at,
        )
        return event.number

    def postpone(self, publish: Callable[[float], object]) -> None:
        """See `Hub.postpone`."""
        self._hub.postpone(publish)

    def settle(self) -> None:
        """See `Hub.settle`."""
        self._hub.settle()

    def complain(self, complaint: RateLimitedProblem) -> None:
        """Publish a problem."""
        self.publish(Kind.PROBLEM, complaint.text, code=complaint.code, level=complaint.level)

    def _about(self) -> Fields:
        """The fields about the VIP in each of its log lines."""
        config = self._vip.config
        state = self._vip.machine.state.value
        return {"vhid": config.vhid, "interface": config.interface, "state": state}
