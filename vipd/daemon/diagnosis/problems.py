"""What keeps being wrong: told once a minute at most, and remembered while it goes on."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from vipd.api.events import Level
from vipd.daemon.log.logger import word


class Budget(Protocol):
    """Whether one more problem may be logged, see `vipd.daemon.diagnosis.log_budget`."""

    def take(self, forgeable: bool) -> bool: ...


@dataclass(slots=True)
class RateLimitedProblem:
    """One kind of thing that is wrong. ``since``, ``last`` (seen) and ``told`` (or held back by the
    budget): times of the clock. ``id`` and ``vhid``: the VIP, if it is one's. ``over``: it is not
    wrong any more."""

    code: str
    level: Level
    id: str
    vhid: int
    since: float
    last: float
    told: float
    words: Callable[[], str] | str = field(repr=False)
    count: int = 1
    over: bool = False

    @property
    def text(self) -> str:
        """What is wrong, for people. It is put into words when somebody wants to read it."""
        if not isinstance(self.words, str):
            self.words = self.words()
        return self.words

    def again(self, words: Callable[[], str], level: Level, now: float) -> None:
        """Worth telling once more, in these words."""
        self.words, self.level, self.told = words, level, now


class RateLimitedProblems:
    """The same complaint once a minute at most, whatever happens in between, and only while
    ``budget`` allows it (None: always)."""

    EVERY = 60.0  # seconds
    #: How long after it was seen last something counts as wrong, seconds: a host with advbase 255
    #: shows what is wrong with it every 255 s.
    KEPT = 300.0
    LIMIT = 1000  # kinds that are remembered,
    RESERVE = 100  # and places among them that are kept for what nobody can forge
    _LOOK_EVERY = 10.0  # seconds between two looks for kinds to forget, when there are so many

    def __init__(
        self,
        tell: Callable[[RateLimitedProblem], None],
        clock: Callable[[], float],
        budget: Budget | None = None,
    ) -> None:
        self._tell = tell
        self.clock = clock
        self._budget = budget
        self._known: dict[Hashable, RateLimitedProblem] = {}
        self._looked = clock() - self._LOOK_EVERY
        #: Complaints of new kinds for which there was no room.
        self.unkept = 0

    def __contains__(self, kind: Hashable) -> bool:
        """Whether something of this kind was told or noted, and is still remembered."""
        return kind in self._known

    def repeated(self, kind: Hashable) -> bool:
        """Whether ``kind`` is known and was told in the last minute; then this counts it, and there
        is nothing else to do. It is quick, because packets come by the thousand."""
        known = self._known.get(kind)
        if known is None:
            return False
        now = self.clock()
        if known.over or now - known.last >= self.KEPT:
            known.since, known.count, known.over = now, 0, False
        known.count += 1
        known.last = now
        return now - known.told < self.EVERY

    def say(
        self,
        kind: Hashable,
        words: Callable[[], str],
        level: Level = "warning",
        *,
        id: str = "",  # noqa: A002
        vhid: int = 0,
        forgeable: bool = False,
    ) -> None:
        """Tell ``words()``, unless something of this ``kind`` was told in the last minute. The
        kind, or the first part of it, is the complaint's code. ``forgeable``: anybody in the
        network segment can cause it."""
        if not self.repeated(kind):
            self.tell(kind, words, level, id=id, vhid=vhid, forgeable=forgeable)

    def tell(
        self,
        kind: Hashable,
        words: Callable[[], str],
        level: Level = "warning",
        *,
        id: str = "",  # noqa: A002
        vhid: int = 0,
        forgeable: bool = False,
    ) -> None:
        """As `say`, after `repeated` has been asked."""
        now = self.clock()
        known = self._known.get(kind)
        if known:
            known.again(words, level, now)
        elif self._room(now, forgeable):
            known = self._known[kind] = self._complaint(kind, words, level, id, vhid, now)
        else:
            self.unkept += 1
            return
        if self._budget is None or self._budget.take(forgeable):
            self._tell(known)

    def note(
        self,
        kind: Hashable,
        words: Callable[[], str],
        *,
        id: str = "",  # noqa: A002
        vhid: int = 0,
    ) -> None:
        """Remember something of a new, forgeable ``kind`` without telling it: more may be known
        soon."""
        now = self.clock()
        if kind not in self._known:
            if self._room(now, forgeable=True):
                self._known[kind] = self._complaint(kind, words, "warning", id, vhid, -inf)
            else:
                self.unkept += 1

    def _complaint(
        self,
        kind: Hashable,
        words: Callable[[], str],
        level: Level,
        identifier: str,
        vhid: int,
        told: float,
    ) -> RateLimitedProblem:
        code = word(kind[0] if isinstance(kind, tuple) else kind)
        now = self.clock()
        return RateLimitedProblem(code, level, identifier, vhid, now, now, told, words)

    def forget(self, kind: Hashable) -> None:
        """It is not wrong any more. (That it was told is remembered: once a minute is enough.)"""
        if known := self._known.get(kind):
            known.over = True

    def current(self) -> Iterator[RateLimitedProblem]:
        """What is wrong now, or was a short while ago; whether it was logged or not."""
        now = self.clock()
        for complaint in self._known.values():
            if not complaint.over and now - complaint.last < self.KEPT:
                yield complaint

    def _room(self, now: float, forgeable: bool) -> bool:
        """Whether one more kind can be remembered, once those that are over are forgotten."""
        limit = self.LIMIT - (self.RESERVE if forgeable else 0)
        if len(self._known) < limit:
            return True
        if now - self._looked >= self._LOOK_EVERY:
            self._looked = now
            self._known = {
                kind: known
                for kind, known in self._known.items()
                if now - known.last < (self.EVERY if known.over else self.KEPT)
            }
        return len(self._known) < limit
