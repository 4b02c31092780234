"""The kernel's interfaces and their addresses, and their changes."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, IPv6Interface
from typing import Any

from vipd.linux.addresses import RTM_DELADDR, AnyInterface, Notice, notice
from vipd.linux.messages import ifaddrmsg, ifinfmsg
from vipd.linux.netlink import NLM_F_DUMP, RTM_NEWADDR, Monitor, Netlink, encode
from vipd.linux.secondaries import has_others
from vipd.linux.suitable import unsuitable

_KIND = struct.Struct("=H")
_RTM_DELLINK = 17
_RTM_GETLINK = 18
_RTM_GETADDR = 22
_RTMGRP_LINK = 0x1
_RTMGRP_IPV4_IFADDR = 0x10
_RTMGRP_IPV6_IFADDR = 0x100
_IFF_UP = 0x1
_IFF_RUNNING = 0x40


@dataclass(frozen=True, slots=True)
class Link:
    """One interface. ``running``: up and with a carrier (IFF_RUNNING), which is what ucarp
    checks."""

    index: int
    name: str
    mac: bytes
    up: bool
    running: bool
    #: Why CARP cannot run here ("is a loopback interface"), or "".
    unsuitable: str
    #: Its alternative names (`ip link property add … altname`).
    altnames: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All its names, the kernel name first."""
        return (self.name, *self.altnames)

    def silent(self, name: str) -> str:
        """Why nothing passes it, as a sentence about the interface by this ``name`` of it, or
        ""."""
        if self.running:
            return ""
        return f"{name} has no carrier" if self.up else f"interface {name} is down"


class Cause(Enum):
    """The cause of an address's deletion."""

    OURSELVES = "this program, deleting it or its primary address"
    KERNEL = "the kernel, by itself: a lease ended, or the interface went down"
    OTHERS = "another program"
    UNKNOWN = "nobody knows: the notice was lost"


@dataclass(frozen=True, slots=True)
class Loss:
    """An address that is not on an interface any more. ``primary``: the primary address of its
    subnet, if the kernel deleted this address together with it (`vipd.linux.secondaries`)."""

    index: int
    name: str
    address: AnyInterface
    cause: Cause
    primary: AnyInterface | None = None


@dataclass(frozen=True, slots=True)
class News:
    """The changes since the last call, except addresses that we added.

    ``names``: interfaces that were created, deleted, or changed, themselves or in the addresses
    that others added. ``gained``: addresses that others added to an interface (its index).
    ``lost``: addresses that were deleted, whatever the cause. ``gap``: notices were lost;
    everything was read again and compared, and the caller has to check the addresses that we added.
    ``down``: interfaces (their indexes) that were deleted or set down, even if they are up again.
    """

    names: frozenset[str]
    gained: tuple[tuple[int, AnyInterface], ...] = ()
    lost: tuple[Loss, ...] = ()
    gap: bool = False
    down: frozenset[int] = frozenset()


class Links:
    """All interfaces, by name; `changes` brings them up to date when `fileno` is readable."""

    def __init__(self, netlink: Netlink) -> None:
        self._netlink = netlink
        self._port = netlink.port
        self._places: dict[IPv4Address | IPv6Address, list[tuple[Link, AnyInterface]]] | None = None
        # Listen before reading: a change in between is then reported twice, not never.
        self._monitor = Monitor(_RTMGRP_LINK | _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV6_IFADDR, netlink)
        self._by_index: dict[int, Link] = {}
        self._addresses: dict[int, dict[AnyInterface, bool]] = {}  # true: a primary one
        self._behind = False  # the last notices could not be applied
        self._read_all()

    def fileno(self) -> int:
        return self._monitor.fileno()

    def get(self, name: str) -> Link | None:
        """The interface with this name or alternative name."""
        return next((link for link in self._by_index.values() if name in link.names), None)

    def numbered(self, index: int) -> Link | None:
        return self._by_index.get(index)

    def put(self, index: int, address: AnyInterface) -> None:
        """Treat an address that we added as one that others added."""
        self._addresses.setdefault(index, {})[address] = False
        self._places = None

    def addresses(self, link: Link) -> list[AnyInterface]:
        """Its addresses, the primary ones first; those that we added may be missing."""
        found = self._addresses.get(link.index, {})
        return sorted(found, key=lambda address: not found[address])  # stable

    def places(self, address: IPv4Address | IPv6Address) -> Sequence[tuple[Link, AnyInterface]]:
        """The interfaces to which others have added this address, with its prefix length there."""
        if self._places is None:
            self._places = {}
            for index, addresses in self._addresses.items():
                for each in addresses if index in self._by_index else ():
                    spot = self._by_index[index], each
                    self._places.setdefault(each.ip, []).append(spot)
        return self._places.get(address, ())

    def macs(self) -> frozenset[bytes]:
        """The MAC addresses of all interfaces of this host."""
        return frozenset(link.mac for link in self._by_index.values())

    def changes(self) -> News:
        """Read and apply the notices. Raises OSError if the kernel refuses: then nothing changes,
        and the next call reads everything again. No event triggers that call: call it after a
        while."""
        behind, self._behind = self._behind, True
        messages = self._monitor.read()
        self._places = None
        news = self._compare() if behind or messages is None else self._follow(messages)
        self._behind = False
        return news

    def _follow(self, messages: Sequence[bytes]) -> News:
        names: set[str] = set()
        down: set[int] = set()
        gained: list[tuple[int, AnyInterface]] = []
        lost: list[Loss] = []
        notices = [_notice(message) for message in messages]
        primaries = _primaries(notices)
        for number, (message, each) in enumerate(zip(messages, notices, strict=True)):
            if each is None:
                up = self._up()
                names |= self._apply_link(message)
                down |= up - self._up()
                continue
            link = self._by_index.get(each.index)
            if self._is_ours(each) or link is None:
                continue
            # Each router advertisement causes a notice for an address that is known already.
            if self._apply_address(each):
                names.update(link.names)
            if each.kind == RTM_NEWADDR:
                gained.append((link.index, each.address))
            else:
                cause, primary = self._cause(each), primaries.get(number)
                lost.append(Loss(link.index, link.name, each.address, cause, primary))
        return News(frozenset(names), tuple(gained), tuple(lost), down=frozenset(down))

    def _compare(self) -> News:
        """Notices were lost: read everything, and return the differences."""
        links, addresses, up = self._by_index, self._addresses, self._up()
        self._read_all()
        gained = [
            (index, address)
            for index in self._by_index
            for address in self._addresses.get(index, {})
            if address not in addresses.get(index, {})
        ]
        lost = [
            Loss(index, link.name, address, Cause.UNKNOWN)
            for index, link in links.items()
            for address in addresses.get(index, {})
            if address not in self._addresses.get(index, {})
        ]
        everything = (*links.values(), *self._by_index.values())
        names = {name for link in everything for name in link.names}
        down = frozenset(up - self._up())
        return News(frozenset(names), tuple(gained), tuple(lost), gap=True, down=down)

    def _is_ours(self, each: Notice) -> bool:
        """Whether we added this address, of a family whose notices do not say so."""
        if not isinstance(each.address, IPv6Interface):
            return False
        spot = each.index, each.address
        if each.kind == RTM_DELADDR:
            self._netlink.added.discard(spot)
        return spot in self._netlink.added

    def _up(self) -> set[int]:
        return {index for index, link in self._by_index.items() if link.up}

    def _cause(self, each: Notice) -> Cause:
        if each.port == self._port:
            return Cause.OURSELVES
        return Cause.OTHERS if each.port else Cause.KERNEL

    def close(self) -> None:
        self._monitor.close()

    def _read_all(self) -> None:
        # Read both before the old state is dropped: the kernel may refuse if memory is short.
        links = self._netlink.dump(encode(ifinfmsg(), _RTM_GETLINK, NLM_F_DUMP))
        addresses = self._netlink.dump(encode(ifaddrmsg(), _RTM_GETADDR, NLM_F_DUMP))
        self._by_index = {}
        self._addresses = {}
        for message in links:
            self._apply_link(message)
        for message in addresses:
            if each := notice(message):
                self._apply_address(each)
        self._netlink.added &= {
            (index, address) for index, known in self._addresses.items() for address in known
        }

    def _apply_link(self, data: bytes) -> set[str]:
        """Apply a notice about a link; return its names, and those that it had before."""
        message = ifinfmsg(data)
        message.decode()
        index = message["index"]
        if message["family"] != 0:  # from a bridge about its port, not about the interface itself
            known = self._by_index.get(index)
            return set(known.names) if known else set()
        before = self._by_index.pop(index, None)
        names = set(before.names) if before else set()
        if message["header"]["type"] == _RTM_DELLINK:
            self._addresses.pop(index, None)
            return names
        link = self._by_index[index] = _link(message)
        return names | set(link.names)

    def _apply_address(self, each: Notice) -> bool:
        """Apply a notice about an address; return whether it changed anything."""
        known = self._addresses.setdefault(each.index, {})
        if each.kind == RTM_NEWADDR:
            before, primary = known.get(each.address), not each.secondary
            known[each.address] = primary
            return before is not primary
        return known.pop(each.address, None) is not None


def _notice(message: bytes) -> Notice | None:
    """A notice about an address; None: it is about a link."""
    (kind,) = _KIND.unpack_from(message, 4)
    return notice(message) if kind in (RTM_NEWADDR, RTM_DELADDR) else None


def _primaries(notices: Sequence[Notice | None]) -> dict[int, AnyInterface]:
    """For each secondary address that was deleted with its primary one, the latter, by the notice's
    position. The kernel sends the notices of the secondary addresses first, then that of the
    primary one, with the same port and sequence number."""
    found: dict[int, AnyInterface] = {}
    last: dict[tuple[int, int, int], AnyInterface] = {}
    for number in range(len(notices) - 1, -1, -1):
        each = notices[number]
        if each is None or each.kind != RTM_DELADDR or not has_others(each.address):
            continue
        cause = each.index, each.port, each.sequence
        if not each.secondary:
            last[cause] = each.address
        elif (primary := last.get(cause)) and primary.network == each.address.network:
            found[number] = primary
    return found


def _link(message: Any) -> Link:
    flags = message["flags"]
    mac = message.get_attr("IFLA_ADDRESS") or ""
    properties = message.get_attr("IFLA_PROP_LIST")
    return Link(
        index=message["index"],
        name=message.get_attr("IFLA_IFNAME"),
        mac=bytes.fromhex(mac.replace(":", "")),
        up=bool(flags & _IFF_UP),
        running=bool(flags & _IFF_RUNNING),
        unsuitable=unsuitable(flags, message["ifi_type"]),
        altnames=tuple(properties.get_attrs("IFLA_ALT_IFNAME")) if properties else (),
    )
