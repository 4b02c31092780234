"""Counters: plain numbers that are counted where something happens, and read by the metrics."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from vipd.carp import timing
from vipd.carp.packet import Advertisement
from vipd.carp.situation import Heard


@dataclass(slots=True)
class Counters:
    """The counters of one VIP, since it was started. ``sent`` and ``unsent``: advertisements that
    were sent, and that could not be. ``received``: valid ones from other hosts; of the master's,
    ``late`` ones came later than announced, and ``missed`` ones not at all. ``renewals`` and
    ``lapses``: of the lease."""

    sent: int = 0
    unsent: int = 0
    received: int = 0
    late: int = 0
    missed: int = 0
    renewals: int = 0
    lapses: int = 0

    def heard(self, before: Heard | None, ad: Advertisement, now: float, patience: float) -> None:
        """Count an advertisement; ``before`` is the one before it. ``patience``: our master-down
        time in seconds, 0 unless we are backup. A host that sends later than that was away, not
        late."""
        self.received += 1
        if before is None:
            return
        last, gap = before.ad, now - before.at
        if last.advbase and gap <= last.advbase + last.advskew * timing.TICK + timing.GRID:
            return  # the usual case, so it returns early
        every = timing.interval(last.advbase, last.advskew)
        if every + timing.grace(every) < gap <= patience and last.source == ad.source:
            self.late += 1
            self.missed += round(gap / every) - 1


@dataclass(slots=True)
class Histogram:
    """Counts values by ``bounds`` (ascending): each counter is for values up to its bound. The last
    of ``counts`` is for values above all bounds."""

    bounds: Sequence[float]
    counts: list[int] = field(default_factory=list)
    sum: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value
