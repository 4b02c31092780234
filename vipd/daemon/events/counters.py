"""What is counted where it happens: plain numbers, read by whoever wants to know."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from vipd.carp import timing
from vipd.carp.packet import Advertisement
from vipd.carp.situation import Heard


@dataclass(slots=True)
class Counters:
    """One VIP's, since it was started. ``sent`` and ``unsent``: advertisements that left, and that
    could not. ``received``: valid ones of other hosts; of the master's, ``late`` ones came later
    than announced, and ``missed`` ones not at all. ``renewals`` and ``lapses`` are a lease's."""

    sent: int = 0
    unsent: int = 0
    received: int = 0
    late: int = 0
    missed: int = 0
    renewals: int = 0
    lapses: int = 0

    def heard(self, before: Heard | None, ad: Advertisement, now: float, patience: float) -> None:
        """Count an advertisement; ``before`` is the one before it. A backup waits ``patience``
        seconds for the next: whoever speaks after more than that was away, not late."""
        self.received += 1
        if before is None:
            return
        last, gap = before.ad, now - before.at
        if last.advbase and gap <= last.advbase + last.advskew * timing.TICK + timing.GRID:
            return  # as it should be: said quickly, because it is said so often
        every = timing.interval(last.advbase, last.advskew)
        if every + timing.grace(every) < gap <= patience and last.source == ad.source:
            self.late += 1
            self.missed += round(gap / every) - 1


@dataclass(slots=True)
class Histogram:
    """How often a value was at most each of ``bounds`` (ascending); the last of ``counts`` is for
    those above all of them."""

    bounds: Sequence[float]
    counts: list[int] = field(default_factory=list)
    sum: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value
