"""Interfaces and their addresses as the kernel has them now, and news of their changes."""

from dataclasses import dataclass
from typing import Any

from vipd.linux.addresses import AnyInterface, address_in
from vipd.linux.messages import IFA_F_SECONDARY, ifaddrmsg, ifinfmsg
from vipd.linux.netlink import NLM_F_DUMP, Monitor, Netlink, encode
from vipd.linux.suitable import unsuitable

_RTM_NEWLINK = 16
_RTM_DELLINK = 17
_RTM_GETLINK = 18
_RTM_NEWADDR = 20
_RTM_DELADDR = 21
_RTM_GETADDR = 22
_RTMGRP_LINK = 0x1
_RTMGRP_IPV4_IFADDR = 0x10
_RTMGRP_IPV6_IFADDR = 0x100
_IFF_UP = 0x1
_IFF_RUNNING = 0x40


@dataclass(frozen=True, slots=True)
class Link:
    """One interface. ``running`` is what ucarp looks at: up, and with a carrier (IFF_RUNNING)."""

    index: int
    name: str
    mac: bytes
    up: bool
    running: bool
    #: Why CARP cannot run here ("is a loopback interface"), or "".
    unsuitable: str
    #: Other names that it also has (`ip link property add … altname`).
    altnames: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, its own first."""
        return (self.name, *self.altnames)


@dataclass(frozen=True, slots=True)
class News:
    """What changed since the last look, except by our own hand.

    ``names``: interfaces that came, went, or changed, themselves or in their addresses. ``gained``
    and ``lost``: addresses that were put on an interface (by each of its names) and taken off it.
    ``gap``: the
    kernel could not tell us all of it; everything was read anew, but what was lost in between is
    not known.
    """

    names: frozenset[str]
    gained: tuple[tuple[str, AnyInterface], ...] = ()
    lost: tuple[tuple[str, AnyInterface], ...] = ()
    gap: bool = False


class Links:
    """All interfaces, by name; `changes` brings them up to date when `fileno` is readable."""

    def __init__(self, netlink: Netlink) -> None:
        self._netlink = netlink
        # Listen before looking: what changes in between is then told twice, not never.
        self._monitor = Monitor(_RTMGRP_LINK | _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV6_IFADDR, netlink)
        self._by_index: dict[int, Link] = {}
        self._addresses: dict[int, dict[AnyInterface, bool]] = {}  # true: a primary one
        self._read_all()

    def fileno(self) -> int:
        return self._monitor.fileno()

    def get(self, name: str) -> Link | None:
        """The interface that has this name or altname."""
        return next((link for link in self._by_index.values() if name in link.names), None)

    def addresses(self, link: Link) -> list[AnyInterface]:
        """Its addresses, the primary ones first; what we put there is not among them."""
        found = self._addresses.get(link.index, {})
        return sorted(found, key=lambda address: not found[address])  # stable

    def changes(self) -> News:
        messages = self._monitor.read()
        if messages is None:
            before = self._by_index
            self._read_all()
            everything = (*before.values(), *self._by_index.values())
            return News(frozenset(name for link in everything for name in link.names), gap=True)
        names: set[str] = set()
        gained: list[tuple[str, AnyInterface]] = []
        lost: list[tuple[str, AnyInterface]] = []
        for message in messages:
            link = self._by_index.get(message["index"])
            kind = message["header"]["type"]
            if kind in (_RTM_NEWLINK, _RTM_DELLINK):
                new = self._apply_link(message)
                names.update(name for known in (link, new) if known for name in known.names)
            elif kind in (_RTM_NEWADDR, _RTM_DELADDR) and link:
                address = self._apply_address(message)
                names.update(link.names)
                if address:
                    news = lost if kind == _RTM_DELADDR else gained
                    news += ((name, address) for name in link.names)
        return News(frozenset(names), tuple(gained), tuple(lost))

    def close(self) -> None:
        self._monitor.close()

    def _read_all(self) -> None:
        self._by_index = {}
        self._addresses = {}
        for message in self._netlink.dump(encode(ifinfmsg(), _RTM_GETLINK, NLM_F_DUMP)):
            self._apply_link(message)
        for message in self._netlink.dump(encode(ifaddrmsg(), _RTM_GETADDR, NLM_F_DUMP)):
            self._apply_address(message)

    def _apply_link(self, message: Any) -> Link | None:
        """The link as it is now, or None when it is gone or this was not about it."""
        index = message["index"]
        if message["family"] != 0:  # a bridge speaking of its port, not of the interface itself
            return None
        if message["header"]["type"] == _RTM_DELLINK:
            self._by_index.pop(index, None)
            self._addresses.pop(index, None)
            return None
        link = self._by_index[index] = _link(message)
        return link

    def _apply_address(self, message: Any) -> AnyInterface | None:
        address = address_in(message)
        if address is None:
            return None
        known = self._addresses.setdefault(message["index"], {})
        if message["header"]["type"] == _RTM_NEWADDR:
            known[address] = not message["flags"] & IFA_F_SECONDARY
        else:
            known.pop(address, None)
        return address


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
