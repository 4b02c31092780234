"""Holds what was recorded of one address against what may be."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby, pairwise

from chaos import bounds
from chaos.groups import HOSTS, Group
from chaos.record import Condition, Span
from vipd.carp.backup import NO_PREEMPT_FOR
from vipd.lab import Change, Ownership

#: Two things that happen within this time, in seconds, are one.
_MOMENT = 0.001


class Check(Enum):
    """What is measured, in seconds."""

    NONE = "no owner, after a fault, although somebody could"
    BLINK = "no owner, although nothing befell the last one"
    DOUBLE = "two owners that hear each other, after a fault"
    HAND_OVER = "two owners that hear each other, otherwise"
    ORPHAN = "still owner after being frozen or killed"
    SICK = "a sick owner, although a healthy host could"
    CARRIER = "still owner after its cable was cut"
    BARRED = "owner although in maintenance"
    OWN = "a host's own address gone, although nobody took it"
    TOGETHER = "a part of a VIP's addresses, on a host that lacks the others"
    UNTOUCHED = "not where it was, although only the harmless befell it"


@dataclass(frozen=True, slots=True)
class Measured:
    """Something that lasted from ``begin`` for ``seconds``, and may last for ``limit``.
    ``group``: None for a host's own address. ``slack``: seconds that the machine has to be late for
    it to be the machine's fault; None: as many as are beyond the limit, and the ``patience`` that
    every machine gets (None: as much as usual)."""

    check: Check
    group: Group | None
    address: str
    hosts: tuple[str, ...]
    begin: float
    seconds: float
    limit: float
    slack: float | None = None
    patience: float | None = None

    def __str__(self) -> str:
        return (
            f"{self.check.value}: {self.seconds:.3f} s ({self.limit:.3f} s allowed), "
            f"{self.address}, {' and '.join(self.hosts)}"
        )


def judge(
    group: Group, ownership: Ownership, spans: Sequence[Span], patience: float
) -> Iterator[Measured]:
    """Everything about one address that has a limit. What the machine adds to each of several that
    follow each other is ``patience`` seconds at most."""
    return _Case(group, ownership, spans, patience).measure()


def judge_own(host: str, ownership: Ownership, spans: Sequence[Span]) -> Iterator[Measured]:
    """For how long a host was without its own address, but for when somebody took that."""
    taken = [s for s in spans if s.condition is Condition.ADDRESSLESS and s.host == host]
    lost: float | None = None
    for change in (*ownership.changes, Change(ownership.until, host, added=True)):
        if change.host != host:
            continue
        if not change.added:
            lost = change.time
        elif lost is not None:
            # It may go with a floating address only later; it is the first moment that counts.
            begin = max([lost, *(s.end for s in taken if s.begin <= lost + _MOMENT)])
            if begin < change.time:
                yield Measured(
                    Check.OWN, None, ownership.address, (host,), begin, change.time - begin, 0.0
                )
            lost = None


def judge_together(
    group: Group, ownerships: Sequence[Ownership], spans: Sequence[Span]
) -> Iterator[Measured]:
    """For how long a host had some of the addresses of a VIP, but not all of them. Whose process
    is frozen or dead keeps what it has until the leases end, each for itself."""
    changes = sorted(
        (change.time, change.host, change.added, ownership.address)
        for ownership in ownerships
        for change in ownership.changes
    )
    until = min(ownership.until for ownership in ownerships)
    for host in HOSTS:
        had: set[str] = set()
        begin: float | None = None
        own = [change for change in changes if change[1] == host]
        for time, moment in groupby([*own, (until, host, True, "")], lambda change: change[0]):
            for _, _, added, address in moment:
                (had.add if added else had.discard)(address)
            partly = 0 < len(had) < len(ownerships) and time < until
            if partly and begin is None:
                begin = time
            elif not partly and begin is not None:
                limit = bounds.together(group, host, begin, time, spans)
                text = " ".join(group.addresses)
                yield Measured(Check.TOGETHER, group, text, (host,), begin, time - begin, limit)
                begin = None


def judge_siege(group: Group, ownership: Ownership, spans: Sequence[Span]) -> Iterator[Measured]:
    """For how long an address was not with who had it at the begin, when nothing had a right to
    move it. However short that is, it is too long. Nothing if somebody was excused, or perhaps
    sick: a host that preempts again may be meant to."""
    begin = ownership.changes[0].time if ownership.changes else 0.0
    if any(
        span.condition in (Condition.EXCUSED, Condition.UNWELL)
        and span.concerns(group.vhid)
        and span.overlaps(begin, ownership.until)
        for span in spans
    ):
        return
    home = {change.host for change in ownership.changes if change.time == begin}
    owners = set(home)
    astray: list[tuple[float, float]] = []
    later = [change for change in ownership.changes if change.time > begin]
    ends = [*(change.time for change in later), ownership.until][1:]
    for change, end in zip(later, ends, strict=True):
        (owners.add if change.added else owners.discard)(change.host)
        if owners != home:
            astray.append((change.time, end))
    hosts = tuple(sorted(home | {change.host for change in later}))
    yield Measured(
        Check.UNTOUCHED,
        group,
        ownership.address,
        hosts,
        astray[0][0] if astray else begin,
        sum(end - start for start, end in astray),
        0.0,
        bounds.slack(group),
    )


def missed_an_owner(sampled: Measured, told: Iterable[Measured], between_samples: float) -> bool:
    """Whether a time without an owner is two or more, as the kernel's events tell (they are in
    ``told``, and judged for themselves): an owner came and went between two samples."""
    if sampled.check not in (Check.NONE, Check.BLINK):
        return False
    parts = sorted(
        (each.begin, each.begin + each.seconds)
        for each in told
        if each.check in (Check.NONE, Check.BLINK)
        and each.hosts == sampled.hosts
        and each.begin < sampled.begin + sampled.seconds
        and each.begin + each.seconds > sampled.begin
    )
    gaps = [later - earlier for (_, earlier), (later, _) in pairwise(parts)]
    return bool(gaps) and max(gaps) < between_samples


@dataclass(frozen=True, slots=True)
class _Slice:
    """A time in which nothing changed."""

    begin: float
    end: float
    owners: frozenset[str]
    apart: frozenset[str]
    excused: frozenset[str]

    def together(self, host: str) -> frozenset[str]:
        """The hosts that this one can hear, itself included."""
        return frozenset((host,)) if host in self.apart else frozenset(HOSTS) - self.apart


@dataclass(frozen=True, slots=True)
class _Run:
    """Slices that followed each other."""

    begin: float
    end: float
    owners: frozenset[str]


class _Case:
    def __init__(
        self, group: Group, ownership: Ownership, spans: Sequence[Span], patience: float
    ) -> None:
        self._group = group
        self._patience = patience
        self._address = ownership.address
        self._changes = ownership.changes
        self._spans = [span for span in spans if span.concerns(group.vhid)]
        self._slices = list(self._cut(ownership))

    def measure(self) -> Iterator[Measured]:
        yield from self._nones()
        yield from self._doubles()
        yield from self._ownerless()
        yield from self._sick()
        yield from self._carriers()
        yield from self._barred()

    # What was when

    def _cut(self, ownership: Ownership) -> Iterator[_Slice]:
        if not self._changes:
            return
        start, until = self._changes[0].time, ownership.until
        moments = {start, until, *(change.time for change in self._changes)}
        moments |= {edge for span in self._spans for edge in (span.begin, span.end)}
        changes = iter(self._changes)
        coming = next(changes, None)
        owners: set[str] = set()
        for begin, end in pairwise(sorted(m for m in moments if start <= m <= until)):
            while coming and coming.time <= begin:
                (owners.add if coming.added else owners.discard)(coming.host)
                coming = next(changes, None)
            middle = (begin + end) / 2
            yield _Slice(
                begin,
                end,
                frozenset(owners),
                frozenset(self._those(Condition.APART, middle)),
                frozenset(self._those(Condition.EXCUSED, middle)),
            )

    def _those(self, condition: Condition, at: float) -> Iterator[str]:
        return (s.host for s in self._spans if s.condition is condition and s.begin <= at < s.end)

    def _runs(self, holds: Callable[[_Slice], bool]) -> Iterator[_Run]:
        run: _Run | None = None
        for piece in self._slices:
            if holds(piece):
                begin, before = (run.begin, run.owners) if run else (piece.begin, frozenset[str]())
                run = _Run(begin, piece.end, before | piece.owners)
            elif run:
                yield run
                run = None
        if run:
            yield run

    def _of(self, hosts: frozenset[str] | set[str], *conditions: Condition) -> list[Span]:
        return [s for s in self._spans if s.host in hosts and s.condition in conditions]

    # What is measured

    def _nones(self) -> Iterator[Measured]:
        for host in HOSTS:
            alone = self._runs(
                lambda piece, host=host: (  # type: ignore[misc]
                    host not in piece.excused and not piece.owners & piece.together(host)
                )
            )
            for run in alone:
                well = self._was_well(run)
                sick = self._overlap(run, self._of({host}, Condition.SICK, Condition.UNWELL))
                group = self._group
                limit = bounds.script(group) if well else bounds.none(group, sick=sick)
                check = Check.BLINK if well else Check.NONE
                yield self._measured(check, {host}, run.begin, run.end, limit)

    def _was_well(self, run: _Run) -> bool:
        """Whether a time without owner began with an owner's loss of the address, and there was
        nothing the matter with that owner."""
        lost = self._last_loss(run.begin)
        if lost is None or lost.time < run.begin - _MOMENT:
            return False
        lately = run.begin - bounds.orphan(self._group) - 1
        return not any(
            span.overlaps(lately, run.end)
            for span in self._of({lost.host}, Condition.EXCUSED, Condition.APART)
        )

    def _last_loss(self, before: float) -> Change | None:
        losses = (c for c in self._changes if not c.added and c.time <= before + _MOMENT)
        return max(losses, key=lambda change: change.time, default=None)

    def _doubles(self) -> Iterator[Measured]:
        for run in self._runs(lambda piece: len(piece.owners - piece.apart) > 1):
            spans = self._of(run.owners, *Condition)
            allowed = [bounds.double(self._group, span, spans) for span in spans]
            limit = self._reach(run.begin, [times for times in allowed if times])
            check = Check.DOUBLE if limit else Check.HAND_OVER
            yield self._measured(check, run.owners, run.begin, run.end, limit)

    def _reach(self, begin: float, allowed: list[tuple[float, float]]) -> float:
        """For how long, from ``begin`` on, one of these times follows the other."""
        reached = begin
        for start, until in sorted(allowed):
            if start <= reached + self._patience:
                reached = max(reached, until)
        return reached - begin

    def _ownerless(self) -> Iterator[Measured]:
        if self._group.scripted:  # see bounds.double
            return
        for span in self._of(set(HOSTS), Condition.IMPAIRED):
            end = self._owned_until(span)
            limit, guarded = bounds.kept(self._group, span, self._of({span.host}, *Condition))
            found = self._measured(Check.ORPHAN, {span.host}, span.begin, end, limit)
            yield replace(found, patience=bounds.GUARD_PATIENCE) if guarded else found

    def _sick(self) -> Iterator[Measured]:
        for host in HOSTS:
            if not self._of({host}, Condition.SICK):
                continue
            group = self._group
            for run in self._runs(lambda piece, host=host: self._relievable(host, piece)):  # type: ignore[misc]
                limit = bounds.sick(group)
                if self._others_moved(host, run.begin - bounds.doubt(group), run.end - _MOMENT):
                    limit += bounds.doubt(group)
                yield self._measured(Check.SICK, {host}, run.begin, run.end, limit)

    def _relievable(self, host: str, piece: _Slice) -> bool:
        """Whether a sick host owns, and is heard by a healthy one that is free to be master."""
        if host not in piece.owners or host in piece.excused:
            return False
        middle = (piece.begin + piece.end) / 2
        if host not in self._those(Condition.SICK, middle):
            return False
        able = piece.together(host) - piece.excused - {host}
        return bool(able - frozenset(self._those(Condition.UNWELL, middle)) - self._modest(middle))

    def _modest(self, at: float) -> frozenset[str]:
        """Who may have been unable to send, and so does not relieve for a while."""
        mute = (Condition.APART, Condition.ADDRESSLESS, Condition.IMPAIRED)
        since = at - NO_PREEMPT_FOR - self._patience
        return frozenset(
            s.host for s in self._spans if s.condition in mute and s.overlaps(since, at)
        )

    def _others_moved(self, host: str, begin: float, end: float) -> bool:
        return any(c.host != host and begin <= c.time < end for c in self._changes)

    @staticmethod
    def _overlap(run: _Run, spans: Iterable[Span]) -> bool:
        return any(span.overlaps(run.begin, run.end) for span in spans)

    def _carriers(self) -> Iterator[Measured]:
        for span in self._of(set(HOSTS), Condition.NO_CARRIER):
            end = self._owned_until(span)
            others = self._of({span.host}, Condition.IMPAIRED, Condition.SCRIPTLESS)
            if not any(other.overlaps(span.begin, end) for other in others):
                limit = bounds.script(self._group)
                yield self._measured(Check.CARRIER, {span.host}, span.begin, end, limit)

    def _barred(self) -> Iterator[Measured]:
        for span in self._of(set(HOSTS), Condition.BARRED):
            others = self._of({span.host}, Condition.IMPAIRED, Condition.SCRIPTLESS)
            worst = span.begin, span.begin
            for run in self._runs(lambda piece, host=span.host: host in piece.owners):  # type: ignore[misc]
                begin, end = max(run.begin, span.begin), min(run.end, span.end)
                if not any(other.overlaps(begin, end) for other in others):
                    worst = max(worst, (begin, end), key=lambda times: times[1] - times[0])
            limit = bounds.hand_over(self._group)
            yield self._measured(Check.BARRED, {span.host}, *worst, limit)

    def _owned_until(self, span: Span) -> float:
        """Until when, within a span, its host had the address that it had at its begin."""
        owned = self._runs(lambda piece: span.host in piece.owners)
        ends = (min(r.end, span.end) for r in owned if r.begin < span.begin < r.end)
        return max(ends, default=span.begin)

    def _measured(
        self,
        check: Check,
        hosts: frozenset[str] | set[str],
        begin: float,
        end: float,
        limit: float,
    ) -> Measured:
        return Measured(
            check, self._group, self._address, tuple(sorted(hosts)), begin, end - begin, limit
        )
