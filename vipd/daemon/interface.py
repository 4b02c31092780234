"""One network interface: its sockets, and the VIPs that share it."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from vipd.carp.packet import Advertisement, Drop, decode
from vipd.config.model import Vip as Config
from vipd.daemon import diagnosis
from vipd.daemon.complaints import Complaint, Complaints
from vipd.daemon.events import Hub, Kind, Subject
from vipd.daemon.journal import Log
from vipd.linux.addresses import AnyInterface
from vipd.linux.links import Link, Loss
from vipd.linux.neighbours import Neighbours
from vipd.linux.wire import Wire

#: Seconds for which a socket with more than one packet waiting is left alone after a read.
_BURST_PAUSE = 0.002
#: Seconds before sockets that could not be opened are tried again: doubled each time, up to the
#: second value.
_PAUSES = (0.5, 30.0)


class Member(Protocol):
    """What an interface needs to know of a VIP."""

    config: Config

    def received(self, ad: Advertisement, now: float) -> Drop | None: ...

    def link_changed(self) -> None: ...

    def address_gained(self, index: int) -> None: ...

    def address_lost(self, loss: Loss) -> None: ...

    def look_again(self) -> None: ...

    def claimed(self, address: IPv4Address, mac: bytes) -> None: ...


class Interface:
    """``name``: as it is configured; the kernel may know it as an altname. ``wire`` is there while
    the interface exists and is fit for CARP; else ``problem`` says why it is not. ``present``: the
    addresses on it that others put there, primary ones first."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop, hub: Hub) -> None:
        self.name = name
        self.link: Link | None = None
        self.wire: Wire | None = None
        self.problem = "is not there"
        self.present: Mapping[IPv4Address | IPv6Address, AnyInterface] = {}
        #: By VHID, 0 for those that are nobody's here.
        self.drops: Counter[tuple[int, Drop]] = Counter()
        self._neighbours: Neighbours | None = None
        self._loop = loop
        self._members: dict[int, Member] = {}
        self._groups: dict[int, IPv4Address] = {}
        #: The other readings of our VHIDs, which a peer that gets them wrong may use.
        self._misread: dict[int, int] = {}
        self._log = Log(lambda: {"interface": name})
        self._hub = hub
        self.complaints = Complaints(self._complain, loop.time)
        self._stale = False
        self._pause = _PAUSES[0]
        self._again: asyncio.TimerHandle | None = None
        # For as long as nothing changes
        self._sources: tuple[IPv4Address, ...] | None = None
        self._owners: dict[IPv4Address | IPv6Address, Member] | None = None

    # The VIPs on it

    def attach(self, member: Member) -> None:
        """Let ``member`` receive what comes for its VHID."""
        self._members[member.config.vhid] = member
        self.members_changed()

    def detach(self, member: Member) -> None:
        if self._members.get(member.config.vhid) is member:
            del self._members[member.config.vhid]
            self.members_changed()

    def members_changed(self) -> None:
        """VHIDs, groups or addresses of the members are not what they were; the sockets follow
        when all that happens at this moment has happened."""
        self._sources = self._owners = None
        if not self._stale:
            self._stale = True
            self._loop.call_soon(self._follow_members)

    def _follow_members(self) -> None:
        self._stale = False
        configs = [member.config for member in self._members.values()]
        self._groups = {config.vhid: config.mcast for config in configs}
        self._misread = {
            config.other_vhid: config.vhid
            for config in configs
            if config.other_vhid and config.other_vhid not in self._groups
        }
        if self.wire is None or self._neighbours is None:
            return
        self.wire.listen({*self._groups, *self._misread})
        self._neighbours.watch(a.ip for config in configs for a in config.addresses)
        try:
            self.wire.join({config.mcast for config in configs if not config.nomcast})
        except OSError as error:
            self._log.error("%s: cannot join a multicast group: %s", self.name, error)

    # What the kernel says about it

    def update(self, link: Link | None, present: Iterable[AnyInterface]) -> None:
        """The interface is like this now (None: it is gone)."""
        if self.wire and (link is None or self.link is None or link.index != self.link.index):
            self.close()
        self.link = link
        self.present = {address.ip: address for address in present}
        self._sources = None
        if link is None:
            self.problem = "is not there"
        elif link.unsuitable:
            self.problem = f"{link.unsuitable}, on which CARP cannot run"
        elif self.wire is None:
            self._open(link)
        else:
            self.wire.mac, self.wire.interface = link.mac, link.name
        for member in list(self._members.values()):
            member.link_changed()

    def addresses(self) -> set[IPv4Address | IPv6Address]:
        """The floating addresses of all VIPs on it."""
        return {a.ip for m in self._members.values() for a in m.config.addresses}

    def sources(self) -> tuple[IPv4Address, ...]:
        """The host's own IPv4 addresses on it, the primary ones first."""
        if self._sources is None:
            own = self.present.keys() - self.addresses()
            self._sources = tuple(
                ip for ip in self.present if ip in own and isinstance(ip, IPv4Address)
            )
        return self._sources

    def addresses_gained(self, gained: Iterable[tuple[int, AnyInterface]]) -> None:
        """Others have put these on an interface (by number), an UPSCRIPT most likely."""
        for index, address in gained:
            if member := self._owner(address.ip):
                member.address_gained(index)

    def addresses_lost(self, lost: Iterable[Loss]) -> None:
        """These are not on an interface any more."""
        for loss in lost:
            if member := self._owner(loss.address.ip):
                member.address_lost(loss)

    def look_again(self) -> None:
        """What happened to addresses lately is not known."""
        for member in list(self._members.values()):
            member.look_again()

    def _owner(self, address: IPv4Address | IPv6Address) -> Member | None:
        if self._owners is None:
            self._owners = {a.ip: m for m in self._members.values() for a in m.config.addresses}
        return self._owners.get(address)

    @property
    def index(self) -> int:
        """The interface's number, 0 if it is not there."""
        return self.link.index if self.link else 0

    def close(self) -> None:
        """Give the sockets back."""
        if self._again:
            self._again.cancel()
            self._again = None
        for opened in (self.wire, self._neighbours):
            if opened:
                self._loop.remove_reader(opened.fileno())
                opened.close()
        self.wire = self._neighbours = None

    def _open(self, link: Link) -> None:
        try:
            self.wire = Wire(link.name, link.mac)
            self._neighbours = Neighbours(link.name)
        except OSError as error:
            self.close()
            self.problem = f"cannot be opened: {error}; tried again in {self._pause:g} s"
            self._log.error("%s %s", self.name, self.problem)
            self._again = self._loop.call_later(self._pause, self._open_again)
            self._pause = min(2 * self._pause, _PAUSES[1])
            return
        self._pause = _PAUSES[0]
        self.problem = ""
        self._loop.add_reader(self.wire.fileno(), self.readable)
        self._loop.add_reader(self._neighbours.fileno(), self._neighbours_readable)
        self.members_changed()

    def _open_again(self) -> None:
        """There was no memory, or no descriptor; perhaps there is now."""
        self._again = None
        if self.link and self.wire is None:
            self.update(self.link, list(self.present.values()))

    # What comes in

    def readable(self) -> None:
        """Take in what has come."""
        wire = self.wire
        if wire is None:
            return
        now = self._loop.time()
        packets = 0
        try:
            for packet in wire.receive():
                packets += 1
                self._received(packet, now)
        except OSError as error:
            self._log.error("%s: cannot receive: %s", self.name, error)
        if packets > 1 and self.wire is wire:
            # A burst: hundreds of groups, or somebody who floods us. Let some come together.
            self._loop.remove_reader(wire.fileno())
            self._loop.call_later(_BURST_PAUSE, self._listen_again, wire)

    def _listen_again(self, wire: Wire) -> None:
        if self.wire is wire:
            self._loop.add_reader(wire.fileno(), self.readable)

    def _received(self, packet: bytes, now: float) -> None:
        ad = decode(packet, self._groups)
        if isinstance(ad, Drop):
            self._dropped(ad, packet)
            return
        member = self._members.get(ad.vhid)
        drop = member.received(ad, now) if member else Drop.VHID
        if drop:
            self._dropped(drop, packet)

    def _dropped(self, drop: Drop, packet: bytes) -> None:
        vhid = diagnosis.vhid_of(packet)
        self.drops[vhid if vhid in self._members else 0, drop] += 1
        if drop is Drop.VHID and vhid not in self._misread:
            return
        self.complaints.say(
            (drop, vhid),
            lambda: f"{self.name}: {diagnosis.explain(drop, packet, vhid, self._configs())}",
            vhid=vhid,
            id=self._id_of(vhid),
        )

    def _complain(self, complaint: Complaint) -> None:
        subject = Subject(complaint.id, complaint.vhid, self.name)
        self._hub.publish(
            subject,
            Kind.PROBLEM,
            complaint.text,
            code=complaint.code,
            level=complaint.level,
        )

    def _id_of(self, vhid: int) -> str:
        member = self._members.get(self._misread.get(vhid, vhid))
        return member.config.id if member else ""

    def _configs(self) -> list[Config]:
        return [member.config for member in self._members.values()]

    def _neighbours_readable(self) -> None:
        assert self._neighbours
        for address, mac in self._neighbours.receive():
            if self.wire is None or mac == self.wire.mac:
                continue
            for member in self._members.values():
                if any(a.ip == address for a in member.config.addresses):
                    member.claimed(address, mac)
