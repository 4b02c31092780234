"""What ails one VIP on this host: a set of named reasons, recomputed whenever one changes and never
counted, so that none is left over."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from vipd.api.events import Kind
from vipd.carp.effects import Effects
from vipd.carp.health import Health
from vipd.carp.machine import Machine
from vipd.config.model import VipConfig
from vipd.daemon.health.pool import Pool
from vipd.daemon.health.settings import Grouped, Setting, same_question, settings
from vipd.daemon.health.verdict import Reasons, Source
from vipd.daemon.vips.notices import Notices
from vipd.daemon.vips.publisher import Publisher


class Runner(Protocol):
    """The VIP whose health this is."""

    config: VipConfig
    machine: Machine
    publisher: Publisher
    notices: Notices

    def guard(self, act: Callable[[], None]) -> None:
        """Run a callback of the loop; its errors end only this VIP."""

    def ask(self, ask: Callable[[float], Effects]) -> None:
        """Ask the machine something, now, and carry out its answer."""


class VipHealth:
    """``health``: what the reasons make together. ``own``: the reasons that do not come from other
    VIPs of this host."""

    def __init__(self, vip: Runner, pool: Pool) -> None:
        self.health = Health.WELL
        self.own: Reasons = {}
        self._vip = vip
        self._pool = pool
        self._sources: dict[str, tuple[Setting, Source]] = {}
        self._failing: Reasons = {}

    def change(self, config: VipConfig) -> None:
        """Use the sources of this configuration from now on."""
        self.variables_changed()
        wanted = settings(config)
        old = self._sources
        self._sources = {}
        for name, setting in wanted.items():
            if name in old and old[name][0] == setting:
                self._sources[name] = old.pop(name)
                continue
            before = None
            if name in old and same_question(old[name][0], setting):
                before = old[name][1]
            self._sources[name] = setting, self._pool.join(setting, self, before)
        for setting, _ in old.values():
            self._pool.leave(setting, self)
        self._recompute()

    def close(self) -> None:
        """Use none any more."""
        for setting, _ in self._sources.values():
            self._pool.leave(setting, self)
        self._sources = {}

    @property
    def reasons(self) -> Reasons:
        """The verdict of everything that could ail it, by name."""
        return {name: source.verdict for name, (_, source) in self._sources.items()}

    @property
    def failing(self) -> Reasons:
        """Those of them that make it sick."""
        return self._failing

    @property
    def sources(self) -> Mapping[str, tuple[Source, int]]:
        """The sources, by the same names, each with the number of VIPs that use it."""
        return {
            name: (source, self._pool.members(setting))
            for name, (setting, source) in self._sources.items()
        }

    def environment(self) -> dict[str, str]:
        """The variables of its checks: those of the scripts that do not depend on a transition."""
        config = self._vip.config
        return {**config.environment, "STATE": self._vip.machine.state.value}

    def variables_changed(self) -> None:
        """The VIP has another state, or configuration."""
        self._pool.changed(setting for setting, _ in self._sources.values())

    def verdict_changed(self) -> None:
        """A source has another verdict."""
        self._vip.guard(self._recompute)

    def _recompute(self) -> None:
        reasons = self.reasons
        of_others = {n for n, (setting, _) in self._sources.items() if isinstance(setting, Grouped)}
        self.own = {name: v for name, v in reasons.items() if name not in of_others}
        before, self._failing = self._failing, {n: v for n, v in reasons.items() if v.well is False}
        if self._failing:
            self.health = Health.SICK
        elif any(verdict.well is None for verdict in reasons.values()):
            self.health = Health.UNKNOWN
        else:
            self.health = Health.WELL
        self._vip.ask(partial(self._vip.machine.judge, self.health))
        self._publish(before)

    def _publish(self, before: Reasons) -> None:
        self._publish_reasons(before)
        if self._failing and not before:
            said = (f"{name}: {verdict.said}" for name, verdict in self._failing.items())
            self._vip.notices.health("sick", "; ".join(said))
        elif before and not self._failing:
            self._vip.notices.health("well", f"{', '.join(before)} well again")

    def _publish_reasons(self, before: Reasons) -> None:
        publisher = self._vip.publisher
        for name, verdict in self._failing.items():
            if name not in before:
                text = f"sick: {name}: {verdict.said}"
                publisher.publish(Kind.HEALTH, text, code="sick", level="warning")
        over = [name for name in before if name not in self._failing]
        for name in over:
            if self._failing:
                text = f"{name} is well again; still sick: {', '.join(self._failing)}"
                publisher.publish(Kind.HEALTH, text, code="sick", level="info")
            else:
                text = f"well again: {', '.join(over)}"
                publisher.publish(Kind.HEALTH, text, code="well", level="info")
                return
