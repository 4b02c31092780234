"""What a capture says about advertisements that must go on while files change."""

import itertools
from collections.abc import Callable, Sequence

from helpers.captured import Carp, advertisements
from helpers.hosts import until
from helpers.machine import Delay
from vipd.lab import Process

#: The issue asks that no advertisement be more than 50 ms late. What vipd waited for a processor is
#: taken off; the rest is for what no counter shows. A lost one would be a whole second late.
LATE = 0.6


def of_vhid(dump: Process, vhid: int, since: float = 0.0) -> list[Carp]:
    """The advertisements of one group, a bow-out included."""
    return [ad for ad in advertisements(dump, since) if ad.vhid == vhid]


def seen(
    dump: Process, vhid: int, right: Callable[[Carp], bool] = lambda _: True, *, times: int = 1
) -> None:
    """Wait until the newest advertisements of a group, so many, are `right`."""

    def newest() -> list[Carp]:
        return of_vhid(dump, vhid)[-times:]

    until(
        lambda: len(newest()) == times and all(map(right, newest())),
        lambda: f"VHID {vhid} advertises {newest()}{dump.tail()}",
    )


def go_on(dump: Process, *vhids: int, times: int = 2) -> None:
    """Wait until each of these groups has advertised so many times more."""
    counts = {vhid: len(of_vhid(dump, vhid)) for vhid in vhids}
    until(
        lambda: all(len(of_vhid(dump, vhid)) >= counts[vhid] + times for vhid in vhids),
        lambda: f"one of {vhids} fell silent{dump.tail()}",
    )


def lateness(ads: Sequence[Carp], delay: Delay) -> float:
    """Seconds that the latest of these came after it was due, but for those in which its sender
    was not let run."""
    assert len(ads) > 1, ads
    return max(
        later.time
        - earlier.time
        - (earlier.advbase + earlier.advskew / 256)
        - delay.between(earlier.time, later.time)
        for earlier, later in itertools.pairwise(ads)
    )


def bows_out(dump: Process, vhid: int) -> None:
    """Wait until the last word of a group is that it leaves."""
    seen(dump, vhid, lambda ad: (ad.advbase, ad.advskew) == (255, 255))
