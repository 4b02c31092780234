"""What was done to whom, and from when to when: the ground that the verdict stands on.

Times are seconds since the epoch, as in `vipd.lab.ownership`. A condition begins just before the
command that brings it about, and ends just after the one that ends it.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from math import inf


class Condition(Enum):
    """What a host may be in, as far as it matters for who may own an address."""

    EXCUSED = "need not own anything"
    APART = "on its own: nothing gets through to the others"
    IMPAIRED = "frozen or dead: what it owned ends with its lease"
    NO_CARRIER = "its cable is cut: has to let go at once"
    LEAVING = "may hand over"
    DEAD = "its vipd was killed"
    UNGUARDED = "its guard is frozen or dead: nobody but the kernel ends what vipd cannot"
    SICK = "its checks fail: it must not own what a healthy host can"
    UNWELL = "its checks may have failed, or have no verdict yet"
    BARRED = "in maintenance: must not own anything"
    SCRIPTLESS = "its scripts fail"
    ADDRESSLESS = "its own address was taken away, or its power"


@dataclass(slots=True)
class Span:
    """One condition of one host, for one group (by VHID) or for all of them (None)."""

    condition: Condition
    host: str
    vhid: int | None
    begin: float
    end: float = inf

    def concerns(self, vhid: int) -> bool:
        return self.vhid in (None, vhid)

    def overlaps(self, begin: float, end: float) -> bool:
        return self.begin <= end and self.end >= begin


@dataclass(frozen=True, slots=True)
class Happening:
    """A line of the story."""

    time: float
    what: str
    vhid: int | None = None  # None: concerns all


@dataclass(slots=True)
class Record:
    """Grows while the chaos goes on."""

    spans: list[Span] = field(default_factory=list)
    story: list[Happening] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)

    def begin(
        self, begin: float, host: str, *conditions: Condition, vhid: int | None = None
    ) -> list[Span]:
        """Conditions that last until somebody sets their end."""
        spans = [Span(condition, host, vhid, begin) for condition in conditions]
        self.spans += spans
        return spans

    def tell(self, time: float, what: str, vhid: int | None = None) -> None:
        self.story.append(Happening(time, what, vhid))
