"""One network interface: its packet socket, and the VIPs that share it."""

import asyncio
import errno
from collections import Counter
from ipaddress import IPv4Address
from typing import Protocol

from vipd.carp.packet import Advertisement, Drop, decode
from vipd.daemon.journal import log
from vipd.linux.links import Link
from vipd.linux.wire import Wire

#: The same complaint about the same VHID is repeated after this many seconds at the earliest.
_COMPLAIN_EVERY = 60.0


class Member(Protocol):
    """What an interface needs to know of a VIP."""

    vhid: int
    group: IPv4Address
    nomcast: bool

    def received(self, ad: Advertisement, now: float) -> Drop | None: ...

    def link_changed(self) -> None: ...


class Interface:
    """``wire`` is there while the interface exists and is fit for CARP; else ``problem`` says why
    it is not."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        self.link: Link | None = None
        self.wire: Wire | None = None
        self.problem = "is not there"
        self.drops: Counter[Drop] = Counter()
        self._loop = loop
        self._members: dict[int, Member] = {}
        self._groups: dict[int, IPv4Address] = {}
        self._complained: dict[tuple[Drop, int], float] = {}

    def attach(self, member: Member) -> None:
        self._members[member.vhid] = member
        self._membership_changed()

    def detach(self, member: Member) -> bool:
        """Whether this was the last one."""
        if self._members.get(member.vhid) is member:
            del self._members[member.vhid]
            self._membership_changed()
        return not self._members

    def update(self, link: Link | None) -> None:
        """The kernel has news about this interface (None: it is gone)."""
        if self.wire and (link is None or self.link is None or link.index != self.link.index):
            self._close()
        self.link = link
        if link is None:
            self.problem = "is not there"
        elif link.unsuitable:
            self.problem = link.unsuitable
        elif self.wire is None:
            self._open(link)
        else:
            self.wire.mac = link.mac
        for member in list(self._members.values()):
            member.link_changed()

    def close(self) -> None:
        if self.wire:
            self._close()

    def _open(self, link: Link) -> None:
        try:
            self.wire = Wire(self.name, link.mac)
            self.problem = ""
        except OSError as error:
            self.problem = f"cannot be opened: {error}"
            log.error("%s %s; tried again when the interface changes", self.name, self.problem)
            return
        self._loop.add_reader(self.wire.fileno(), self._readable)
        self._membership_changed()

    def _close(self) -> None:
        assert self.wire
        self._loop.remove_reader(self.wire.fileno())
        self.wire.close()
        self.wire = None

    def _membership_changed(self) -> None:
        self._groups = {vhid: member.group for vhid, member in self._members.items()}
        if self.wire is None:
            return
        self.wire.listen(self._groups)
        try:
            self.wire.join({m.group for m in self._members.values() if not m.nomcast})
        except OSError as error:
            log.error("%s: cannot join a multicast group: %s", self.name, error)

    def _readable(self) -> None:
        assert self.wire
        now = self._loop.time()
        try:
            for packet in self.wire.receive():
                self._received(packet, now)
        except OSError as error:
            if error.errno != errno.ENETDOWN:
                log.error("%s: cannot receive: %s", self.name, error)

    def _received(self, packet: bytes, now: float) -> None:
        ad = decode(packet, self._groups)
        if isinstance(ad, Drop):
            self._dropped(ad, packet, now)
            return
        member = self._members.get(ad.vhid)
        drop = member.received(ad, now) if member else Drop.VHID
        if drop:
            self._dropped(drop, packet, now)

    def _dropped(self, drop: Drop, packet: bytes, now: float) -> None:
        self.drops[drop] += 1
        header = (packet[0] & 0xF) * 4 if packet else 0
        vhid = packet[header + 1] if len(packet) > header + 1 else 0
        if now < self._complained.get((drop, vhid), 0):
            return
        self._complained[drop, vhid] = now + _COMPLAIN_EVERY
        source = IPv4Address(packet[12:16]) if len(packet) >= 20 else "an unknown host"
        log.warning(
            "%s: packet from %s for VHID %d dropped: %s%s",
            self.name,
            source,
            vhid,
            drop.value,
            _CURES.get(drop, ""),
        )


_CURES = {
    Drop.DIGEST: ". Compare PASSWORD, ID and VIP_ADDRESS on both hosts",
    Drop.OWN_SOURCE: ". Give each host its own SOURCE_ADDRESS: now both become master",
    Drop.ECHO: ". Look for a loop or a mirrored port in the network",
    Drop.DESTINATION: ". Use the same --mcast on both hosts",
}
