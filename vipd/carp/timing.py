"""Intervals: when a master speaks, and how long a backup waits for it.

CARP counts in 1/256 s, so every interval here is an exact binary fraction and two of them compare
exactly as floats. All times are seconds.
"""

from math import floor

TICK = 1 / 256

#: Advertisements of all groups leave together, on whole seconds of the host's clock, so that 255
#: groups need one wake-up a second and not 255, and so that all leases end together: the kernel,
#: having ended one, looks at the others a second later at the earliest (ADDRCONF_TIMER_FUZZ_MAX
#: in net/ipv4/devinet.c). Rounding goes to the earlier point: nothing is late for it.
TOGETHER = 1.0
#: The same for intervals under a second.
GRID = 1 / 16
#: How exactly a new master meets the middle between the advertisements of the old one. Coarser than
#: the few milliseconds within which 255 groups are heard, so that they speak in one or two turns.
MIDDLE = 1 / 64
#: How much later than a healthy host a sick one takes over from a master that leaves. Longer than
#: the slowest healthy one takes, and shorter than a leaving master answers (`LEAVE_AT_MOST`).
SICK_LATER = 0.5


def interval(advbase: int, advskew: int) -> float:
    """Time between two advertisements: advbase + advskew/256 s.

    With advbase 0 it is advskew/256 s, and 1/256 s when both are 0 (OpenBSD ``carp_send_ad``;
    ucarp refuses to start with both 0).
    """
    return advbase + advskew * TICK or TICK


def master_down(advbase: int, advskew: int, deadratio: int) -> float:
    """Silence after which a backup takes over: deadratio·advbase + advskew/256 s (ucarp).

    With advbase 0 that formula would leave no margin at all, and ucarp flaps; it is then
    deadratio·interval, as in OpenBSD (which has a fixed ratio of 3).
    """
    if advbase == 0:
        return deadratio * interval(advbase, advskew)
    return deadratio * advbase + advskew * TICK


def grace(heard: float) -> float:
    """How much later than announced an advertisement may come before anybody may call it missing.

    Matters only with deadratio 1, where ucarp's master-down time equals the interval of an equal
    peer and two healthy hosts would take the address from each other for ever.
    """
    return min(heard / 2, GRID)


def next_advertisement(now: float, every: float, phase: float = 0.0) -> float:
    """The time of the advertisement after one that leaves ``now``, on the common grid; for
    intervals of a second and more, ``phase`` seconds (0 to 1) behind whole seconds.

    Short intervals (under eight steps of the finer grid) are kept exactly: rounding would distort
    them.
    """
    due = now + every
    if every < 8 * GRID:
        return due
    if every < TOGETHER:
        return floor(due / GRID) * GRID
    return floor(due - phase) + phase


def between(heard: float, now: float, every: float) -> float:
    """A time after ``now``, by one interval at most, that is half-way between the advertisements of
    a host that spoke at ``heard`` and has our interval, of a second or more; rounded to 1/64 s, so
    that groups that were heard together speak together, or in two turns.

    If that host lives, and only the network between us is cut, one of us is heard within half an
    interval (and 1/128 s) when that heals. With the same phase it would take up to a whole one.
    """
    step = floor(every)
    half = round((heard + step / 2) / MIDDLE) * MIDDLE
    return half + (floor((now - half) / step) + 1) * step


def stagger(advbase: int, advskew: int) -> float:
    """Wait of a backup that hears its master leave: a quarter of what its interval exceeds 1 s by,
    0.25 s at most.

    The best backup (advskew 0) acts at once and the others hear it first, so that a leaving master
    among three hosts causes one transition and not three. The idea is VRRP's skew time (RFC 5798,
    section 6.1); a vipd master that leaves keeps answering meanwhile.
    """
    return min(max(interval(advbase, advskew) - 1, 0), 1) / 4
