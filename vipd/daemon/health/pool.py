"""The sources of verdicts that run: equal ones run once for all VIPs that have them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from vipd.carp.states import State
from vipd.daemon.health.settings import Setting
from vipd.daemon.health.verdict import Changed, Resuming, Source

Environment = Callable[[], Mapping[str, str]]


class Member(Protocol):
    """A VIP that uses a source."""

    def environment(self) -> Mapping[str, str]:
        """The variables that describe it, STATE among them. It says when they are others, with
        `Pool.changed`."""

    def verdict_changed(self) -> None:
        """A source of this VIP has another verdict."""


Makers = Mapping[type, Callable[[Any, Changed, Environment], Source]]
"""For each type of setting what makes a source from it. A source calls the second when its verdict
has changed; the third gives the variables that are the same for all VIPs that use it."""


class Pool:
    """Sources by the setting that they were made from."""

    def __init__(self, makers: Makers) -> None:
        self._makers = makers
        self._sources: dict[Setting, Source] = {}
        self._members: dict[Setting, _Members] = {}

    def members(self, setting: Setting) -> int:
        """How many VIPs use the source for this setting."""
        return len(self._members.get(setting, ()))

    def changed(self, settings: Iterable[Setting]) -> None:
        """The variables of a member that uses these may be others."""
        for setting in settings:
            self._members[setting].same = None

    def join(self, setting: Setting, member: Member, before: Source | None = None) -> Source:
        """The source for this setting, which runs from now on. ``before``: one that asked the same
        at other times: until there is another verdict, its one counts."""
        members = self._members.setdefault(setting, _Members())
        if source := self._sources.get(setting):
            _resume(source, before)  # before the new one is among those that are told
        members.append(member)
        members.same = None
        if source:
            return source

        def changed() -> None:
            # Not from within `start`: who joins looks by itself, at all its sources.
            if self._sources.get(setting) is made:
                for each in tuple(members):
                    each.verdict_changed()

        made = self._makers[type(setting)](setting, changed, members.environment)
        _resume(made, before)
        made.start()
        self._sources[setting] = made
        return made

    def leave(self, setting: Setting, member: Member) -> None:
        """Not used by this VIP any more; without any, it ends."""
        members = self._members[setting]
        members.remove(member)
        members.same = None
        if members:
            return
        del self._members[setting]
        self._sources.pop(setting).close()


def _resume(source: Source, before: Source | None) -> None:
    if before and source.verdict.well is None and isinstance(source, Resuming):
        source.resume(before)


class _Members(list[Member]):
    """The VIPs that use one source. ``same``: what `environment` says, if that is known: to find it
    takes a millisecond for 255."""

    same: Mapping[str, str] | None = None

    def environment(self) -> Mapping[str, str]:
        """The variables that are the same for all of them. STATE is MASTER if one of them is."""
        if self.same is None:
            self.same = _common(self)
        return self.same


def _common(members: list[Member]) -> dict[str, str]:
    first, *others = (each.environment() for each in members)
    same = {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in others)
    }
    states = {each.get("STATE", "") for each in (first, *others)}
    for state in (State.MASTER, State.BACKUP, State.INIT):
        if state.value in states:
            return {**same, "STATE": state.value}
    return same
