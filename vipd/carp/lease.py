"""Leases: for how long the kernel keeps the addresses of a master that no longer advertises.

A lease is renewed by an advertisement that left, and by nothing else. So it ends about when the
other hosts, which have been counting since the last advertisement, take over.
"""

from math import ceil


def shortened(
    until: float, guarded_for: float, renewed_within: float, advertised: float, now: float
) -> float:
    """Until when a lease holds that ran ``until`` then, if the files ask for a shorter one now (see
    `first_lease`): not to its old end, and long enough for the next advertisement to renew it."""
    return min(until, max(advertised + guarded_for, now + renewed_within))


def first_lease(
    lease: int,
    guarded_for: float,
    renewed_within: float,
    advertised: float,
    before: float,
    now: float,
) -> tuple[float, int]:
    """A lease of ``lease`` seconds on an address that is added ``now``: until when it holds, and
    the whole seconds that the kernel is asked for. All other times are seconds, too.

    ``guarded_for``: how long after an advertisement the guard ends the lease, if that is earlier.
    ``renewed_within``: the time from one advertisement to the next, with some for its being late.
    ``advertised``: when our last advertisement left. ``before``: until when an earlier lease ran,
    which this one does not make longer (inf: there was none).
    """
    shortest = int(renewed_within) + 1
    until = min(before, max(advertised + lease, now + shortest))
    left = round(until - now, 3)
    whole = max(1, int(left))
    if now + whole < advertised + renewed_within:
        whole = max(1, ceil(left))
    until = min(until, now + whole)
    if guarded_for < lease:
        until = min(until, advertised + guarded_for)
    return until, whole
