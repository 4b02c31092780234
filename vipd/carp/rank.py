"""Which of two hosts should be master: the only comparison of hosts that there is."""

from ipaddress import IPv4Address
from typing import NamedTuple

from vipd.carp import timing
from vipd.carp.packet import Advertisement

#: advbase and advskew of a master that leaves (OpenBSD ``carp_send_ad`` with ``bow_out``): slower
#: than any backup can wait for, so every backup takes over at once. ucarp obeys it too.
BOW_OUT = (255, 255)


class Rank(NamedTuple):
    """What a host says of itself, in the order in which it counts. The lower rank is preferred.

    ``demotion``: byte 4 of its advertisements, OpenBSD's demotion count (ucarp and FreeBSD send
    0). ``interval``: seconds between two advertisements. ``address``: see `address_order`.
    """

    demotion: int
    interval: float
    address: bytes

    def ties(self, other: "Rank") -> bool:
        """Whether nothing but the address decides between them."""
        return self[:2] == other[:2]


def rank(source: IPv4Address, advbase: int, advskew: int, demotion: int) -> Rank:
    """The rank of a host that sends these values from this address."""
    return Rank(demotion, timing.interval(advbase, advskew), address_order(source))


def rank_of(ad: Advertisement) -> Rank:
    """The rank of the host that sent it."""
    return rank(ad.source, ad.advbase, ad.advskew, ad.demotion)


def address_order(address: IPv4Address) -> bytes:
    """Of two equal hosts the one with the lower address wins; this sorts as that rule does.

    Lower as ucarp sees it, and it compares ``s_addr`` as a little-endian machine loads it, so the
    last octet counts most: 198.51.100.5 wins against 192.0.2.10 (measured). Comparing them as
    people would makes two masters beside a ucarp in another subnet.
    """
    return address.packed[::-1]


def bows_out(ad: Advertisement) -> bool:
    """Whether its sender says that it leaves."""
    return (ad.advbase, ad.advskew) == BOW_OUT
