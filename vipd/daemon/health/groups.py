"""GROUP: what ails one VIP of this host makes the others of its group sick.

Each VIP tells what ails itself, and is told one verdict about all others. What it tells never comes
from what it is told, and each verdict is computed from all that was told: so there is no circle,
and nothing is left over.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice

from vipd.daemon.health.pool import Environment
from vipd.daemon.health.settings import Grouped
from vipd.daemon.health.verdict import Changed, Verdict
from vipd.daemon.log.logger import printable


@dataclass(frozen=True, slots=True)
class _Told:
    """What the VIPs of a group have told. ``ailing`` and ``unknown``: those that ail, and those
    without a verdict, by ID; who has told that for longest comes first."""

    ailing: Mapping[str, Verdict]
    unknown: Mapping[str, Verdict]


class OthersOf:
    """What the others of its group mean for one VIP (`vipd.daemon.health.verdict.Source`): they are
    well, or the first that ails, or the first that has no verdict yet."""

    def __init__(self, groups: "Groups", setting: Grouped, changed: Changed, now: float) -> None:
        self.setting = setting
        self.verdict = Verdict(None, now)
        self._groups = groups
        self._changed = changed

    def start(self) -> None:
        self._groups.add(self)

    def close(self) -> None:
        self._groups.remove(self)

    def see(self, told: _Told, now: float) -> None:
        """What was told is this now."""
        own = self.setting.vip
        for verdicts in (told.ailing, told.unknown):
            # The own one is among them, perhaps: two are enough to find another's.
            for vip, verdict in islice(verdicts.items(), 2):
                if vip != own:
                    more = len(verdicts) - 1 - (own in verdicts)
                    self._say(verdict.well, _said(vip, verdict, more), _ends(vip, verdict), now)
                    return
        self._say(True, "", "", now)

    def _say(self, well: bool | None, said: str, ends: str, now: float) -> None:
        since = self.verdict.since if well is self.verdict.well else now
        verdict = Verdict(well, since, said, ends)
        if verdict != self.verdict:
            self.verdict = verdict
            self._changed()


class Groups:
    """All groups of this host, by name. However many VIPs tell something at a time, and however
    many want to know, the loop makes one pass over the group."""

    def __init__(
        self, clock: Callable[[], float], soon: Callable[[Callable[[], None]], object]
    ) -> None:
        """``soon``: call something as soon as the loop has done what it is about."""
        self._clock = clock
        self._soon = soon
        self._told: dict[str, dict[str, Verdict]] = {}
        self._group_of: dict[str, str] = {}
        self._sources: dict[str, list[OthersOf]] = {}
        self._stale: dict[str, None] = {}  # groups of which something was told since the last pass

    def make(self, setting: Grouped, changed: Changed, _: Environment) -> OthersOf:
        """A maker for `vipd.daemon.health.pool.Pool`."""
        return OthersOf(self, setting, changed, self._clock())

    def tell(self, vip: str, group: str, verdict: Verdict) -> None:
        """What ails this VIP by itself, until it tells something else, or `forget`."""
        if self._group_of.get(vip, group) != group:
            self.forget(vip)
        told = self._told.setdefault(group, {})
        if told.get(vip) != verdict:
            self._group_of[vip] = group
            told[vip] = verdict
            self._look_later(group)

    def forget(self, vip: str) -> None:
        """It is in no group any more."""
        group = self._group_of.pop(vip, None)
        if group is not None:
            del self._told[group][vip]
            if not self._told[group]:
                del self._told[group]
            self._look_later(group)

    def told(self, vip: str) -> Verdict | None:
        """What this VIP has told; None: nothing, or it is in no group."""
        return self._told.get(self._group_of.get(vip, ""), {}).get(vip)

    def add(self, source: OthersOf) -> None:
        """One that wants to know, from now on."""
        self._sources.setdefault(source.setting.group, []).append(source)
        source.see(self._all_told(source.setting.group), self._clock())

    def remove(self, source: OthersOf) -> None:
        """It wants to know nothing more."""
        group = source.setting.group
        self._sources[group].remove(source)
        if not self._sources[group]:
            del self._sources[group]

    def _look_later(self, group: str) -> None:
        if not self._stale:
            self._soon(self._look)
        self._stale[group] = None

    def _look(self) -> None:
        stale, self._stale = self._stale, {}
        now = self._clock()
        for group in stale:
            told = self._all_told(group)
            for source in tuple(self._sources.get(group, ())):
                source.see(told, now)

    def _all_told(self, group: str) -> _Told:
        told = sorted(self._told.get(group, {}).items(), key=lambda each: (each[1].since, each[0]))
        return _Told(
            {vip: verdict for vip, verdict in told if verdict.well is False},
            {vip: verdict for vip, verdict in told if verdict.well is None},
        )


def _said(vip: str, verdict: Verdict, more: int) -> str:
    others = f", and {more} more" if more else ""
    return f"{printable(vip)}{others}: {verdict.said}"


def _ends(vip: str, verdict: Verdict) -> str:
    return f"with {printable(vip)}: {verdict.ends}" if verdict.ends else ""
