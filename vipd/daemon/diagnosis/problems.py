"""Lasting problems: each is logged once a minute at most, and remembered while it lasts."""

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
    """One kind of problem. ``since``, ``last`` (seen) and ``told`` (reported, or held back by the
    budget): times of the clock. ``id`` and ``vhid``: the VIP, if it concerns one. ``over``: it is
    solved."""

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
        """The problem, for people. The text is made only when it is read."""
        if not isinstance(self.words, str):
            self.words = self.words()
        return self.words

    def again(self, words: Callable[[], str], level: Level, now: float) -> None:
        """Report it again, with this text."""
        self.words, self.level, self.told = words, level, now


class RateLimitedProblems:
    """Reports each kind of problem once a minute at most, and only while ``budget`` allows it
    (None: always)."""

    EVERY = 60.0  # seconds
    #: Seconds for which a problem counts as current after it was seen last: a host with advbase 255
    #: shows its problem only every 255 s.
    KEPT = 300.0
    LIMIT = 1000  # kinds that are remembered,
    RESERVE = 100  # and places among them that are reserved for kinds that cannot be forged
    _LOOK_EVERY = 10.0  # seconds between two searches for kinds to forget, when all are taken

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
        #: Problems of new kinds for which there was no room.
        self.unkept = 0

    def __contains__(self, kind: Hashable) -> bool:
        """Whether a problem of this kind was reported or noted, and is still remembered."""
        return kind in self._known

    def repeated(self, kind: Hashable) -> bool:
        """Whether ``kind`` is known and was reported in the last minute. If so, it is counted, and
        the caller need do nothing else. It is quick, because packets come by the thousand."""
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
        """Report ``words()``, unless this ``kind`` was reported in the last minute. The kind, or
        its first part, is the problem's code. ``forgeable``: any host in the network segment can
        cause it."""
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
        """As `say`, for callers that have called `repeated`."""
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
        """Remember a problem of a new, forgeable ``kind`` without reporting it: more may be known
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
        """The problem is solved. (The time of its report is kept: once a minute is enough.)"""
        if known := self._known.get(kind):
            known.over = True

    def current(self) -> Iterator[RateLimitedProblem]:
        """The problems of now or a short while ago, whether they were logged or not."""
        now = self.clock()
        for complaint in self._known.values():
            if not complaint.over and now - complaint.last < self.KEPT:
                yield complaint

    def _room(self, now: float, forgeable: bool) -> bool:
        """Forget kinds that are over, if need be; return whether one more can be remembered."""
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
