"""Advertisements that are late or missing, as a backup counts them; histograms."""

from ipaddress import IPv4Address

import pytest
from carp.handmade import GROUP

from vipd.carp.packet import Advertisement
from vipd.carp.situation import Heard
from vipd.daemon.events.counters import Counters, Histogram

MASTER = IPv4Address("198.51.100.180")
OTHER = IPv4Address("198.51.100.181")


def ad(source: IPv4Address = MASTER, advbase: int = 1, advskew: int = 0) -> Advertisement:
    return Advertisement(source, GROUP, 1, advbase, advskew, 0, 1, bytes(20))


@pytest.mark.parametrize(
    ("before", "gap", "late", "missed"),
    [
        (ad(), 1.0, 0, 0),
        (ad(), 0.9375, 0, 0),  # on the grid
        (ad(), 1.05, 0, 0),
        (ad(), 1.2, 1, 0),
        (ad(), 2.0, 1, 1),
        (ad(), 2.98, 1, 2),
        (ad(), 3.1, 0, 0),  # it was away
        (ad(advskew=128), 1.5, 0, 0),
        (ad(advskew=128), 3.0, 1, 1),
        (ad(advbase=255, advskew=255), 2.5, 0, 0),  # it had said that it leaves
        (ad(advbase=0, advskew=2), 1 / 128, 0, 0),
        (ad(advbase=0, advskew=2), 3 / 128, 1, 2),
        (ad(OTHER), 2.0, 0, 0),  # another has become master
    ],
)
def test_what_is_late_and_what_is_missing(
    before: Advertisement, gap: float, late: int, missed: int
) -> None:
    counters = Counters()
    counters.heard(Heard(before, 100.0), ad(), 100.0 + gap, 3.0)
    assert (counters.received, counters.late, counters.missed) == (1, late, missed)


def test_the_first_one_is_never_late() -> None:
    counters = Counters()
    counters.heard(None, ad(), 100.0, 3.0)
    assert (counters.received, counters.late, counters.missed) == (1, 0, 0)


def test_a_histogram_counts_up_to_each_bound() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.2, 5.0, -0.001):
        histogram.observe(value)
    assert histogram.counts == [3, 1, 1]
    assert histogram.sum == pytest.approx(5.349)
