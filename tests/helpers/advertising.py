"""What a capture says about advertisements that must go on while files change."""

import itertools
from collections.abc import Callable

from helpers.captured import Carp, advertisements
from helpers.hosts import until
from vipd.lab import Process

#: The issue asks that no advertisement be more than 50 ms late; the machine that runs the tests may
#: have better things to do for a while. A lost one would be a whole second late.
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


def go_on(dump: Process, *vhids: int) -> None:
    """Wait until each of these groups has advertised twice more."""
    counts = {vhid: len(of_vhid(dump, vhid)) for vhid in vhids}
    until(
        lambda: all(len(of_vhid(dump, vhid)) >= counts[vhid] + 2 for vhid in vhids),
        lambda: f"one of {vhids} fell silent{dump.tail()}",
    )


def lateness(ads: list[Carp]) -> float:
    """Seconds that the latest of these came after it was due."""
    return max(
        later.time - earlier.time - (earlier.advbase + earlier.advskew / 256)
        for earlier, later in itertools.pairwise(ads)
    )


def bows_out(ads: list[Carp]) -> bool:
    """Whether their last word was that they leave."""
    return bool(ads) and (ads[-1].advbase, ads[-1].advskew) == (255, 255)
