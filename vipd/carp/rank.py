"""Which of two hosts should be master: the only comparison of hosts that there is."""

from typing import NamedTuple

from vipd.carp import timing
from vipd.carp.packet import Advertisement

#: advbase and advskew of a master that leaves (OpenBSD ``carp_send_ad`` with ``bow_out``): slower
#: than any backup can wait for, so every backup takes over at once. ucarp obeys it too.
BOW_OUT = (255, 255)
#: advbase and byte 4 of a sick master. Every peer takes over from that, with and without preempt:
#: ucarp and FreeBSD because such a master is "going to time out" (``packethandler``,
#: ``carp_input_c``), OpenBSD because of byte 4. advskew stays what it is: it orders the sick.
SICK_ADVBASE, SICK_DEMOTION = 254, 1


class Rank(NamedTuple):
    """What a host says of itself, in the order in which it counts. The lower rank is preferred.

    ``demotion``: byte 4 of its advertisements, OpenBSD's demotion count, or `SICK_DEMOTION` (ucarp
    and FreeBSD send 0). ``interval``: seconds between two advertisements, as it says. ``host``: see
    `vipd.carp.host`.
    """

    demotion: int
    interval: float
    host: bytes

    def ties(self, other: "Rank") -> bool:
        """Whether the tie-break decides between them."""
        return self[:2] == other[:2]


def rank(host: bytes, advbase: int, advskew: int, demotion: int) -> Rank:
    """The rank of a host that sends these values."""
    return Rank(demotion, timing.interval(advbase, advskew), host)


def rank_of(ad: Advertisement) -> Rank:
    """The rank of the host that sent it."""
    return rank(ad.host, ad.advbase, ad.advskew, ad.demotion)


def bows_out(ad: Advertisement) -> bool:
    """Whether its sender says that it leaves."""
    return (ad.advbase, ad.advskew) == BOW_OUT


def slower_than(ad: Advertisement) -> tuple[int, int]:
    """advbase and advskew of a master that is beaten by the sender, and by hardly anybody else."""
    slower = 256 * ad.advbase + ad.advskew + 1
    advbase, advskew = divmod(min(slower, 256 * BOW_OUT[0] + BOW_OUT[1] - 1), 256)
    return advbase, advskew


def is_sick(ad: Advertisement) -> bool:
    """Whether its sender owns the addresses only until somebody healthy does. It advertises more
    often than it says."""
    return ad.advbase == SICK_ADVBASE and ad.demotion >= SICK_DEMOTION


def asks_for_successor(ad: Advertisement) -> bool:
    """Whether its sender owns the addresses no longer than it has to."""
    return bows_out(ad) or is_sick(ad)
