"""Advertisements of one group in both families: a host that sends each twice counts once."""

from collections.abc import Callable
from typing import Protocol

from vipd.carp.host import Address, in_both
from vipd.carp.packet import Advertisement

#: Advertisements of a host in one family, without any in the other family between them, after which
#: that is reported: three lost packets in a row are no coincidence.
_IN_A_ROW = 4
#: Hosts that are remembered at most. Forged sources replace each other.
_HOSTS = 32
_WHY = {
    4: "a switch that snoops IGMP may drop 224.0.0.18, or a packet filter does",
    6: "a switch that snoops MLD may drop ff02::12 (is there an MLD querier?), or a packet filter "
    "does",
}
_WHY_UNICAST = "a packet filter on the way may drop protocol 112, or its route is gone"


class Complaints(Protocol):
    def say(self, kind: object, text: Callable[[], str]) -> None: ...

    def forget(self, kind: object) -> None: ...


class BothFamilies:
    """For a group with both families: names the sender of each advertisement, and reports it when
    only one family arrives. One family is enough for the election, so no host takes over."""

    def __init__(self, complaints: Complaints, unicast: bool = False) -> None:
        """``unicast``: it has PEERS."""
        self._unicast = unicast
        self._complaints = complaints
        self._ipv4: dict[bytes, Address] = {}
        self._last = b"", 0  # host and IP version of the last advertisement,
        self._in_a_row = 0  # and how many like it came in a row

    def take(self, ad: Advertisement) -> Advertisement:
        """Return the advertisement with its sender's name for groups of both families
        (`vipd.carp.host`), and with its IPv4 address as source if that is known, so that users see
        one host and not two."""
        if ad.source.version == 4:
            ad = ad._replace(host=in_both(ad.source))
            if ad.host not in self._ipv4 and len(self._ipv4) >= _HOSTS:
                del self._ipv4[next(iter(self._ipv4))]
            self._ipv4[ad.host] = ad.source
            self._count(ad, 4)
            return ad
        ad = ad._replace(source=self._ipv4.get(ad.host, ad.source))
        self._count(ad, 6)
        return ad

    def _count(self, ad: Advertisement, version: int) -> None:
        host, before = self._last
        if (ad.host, version) == self._last:
            self._in_a_row += 1
            if self._in_a_row == _IN_A_ROW:
                self._complaints.say("family", lambda: self._lost(ad.source, version))
            return
        if host == ad.host and before != version:
            self._complaints.forget("family")
        self._last, self._in_a_row = (ad.host, version), 1

    def _lost(self, source: Address, version: int) -> str:
        missing = 6 if version == 4 else 4
        what, why, older = "this group", _WHY[missing], ", as an older vipd does"
        if self._unicast:
            what, why, older = "PEERS", _WHY_UNICAST, ""
        return (
            f"only IPv{version} advertisements of {source} arrive, although {what} has IPv4 "
            f"and IPv6 addresses: {why}; or that host sends IPv{version} only{older}. The election "
            "needs one family only"
        )
