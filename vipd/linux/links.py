"""Interfaces as the kernel has them now, and news of their changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vipd.linux.messages import ifinfmsg
from vipd.linux.netlink import NLM_F_DUMP, Monitor, Netlink, encode

_RTM_NEWLINK = 16
_RTM_DELLINK = 17
_RTM_GETLINK = 18
_RTM_NEWADDR = 20
_RTM_DELADDR = 21
_RTMGRP_LINK = 0x1
_RTMGRP_IPV4_IFADDR = 0x10
_RTMGRP_IPV6_IFADDR = 0x100
_IFF_UP = 0x1
_IFF_LOOPBACK = 0x8
_IFF_POINTOPOINT = 0x10
_IFF_RUNNING = 0x40
_IFF_NOARP = 0x80
_ARPHRD_ETHER = 1


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


class Links:
    """All interfaces, by name; `changes` brings them up to date when `fileno` is readable."""

    def __init__(self, netlink: Netlink) -> None:
        self._netlink = netlink
        # Listen before looking: what changes in between is then told twice, not never.
        self._monitor = Monitor(_RTMGRP_LINK | _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV6_IFADDR)
        self._by_index: dict[int, Link] = {}
        self._read_all()

    def fileno(self) -> int:
        return self._monitor.fileno()

    def get(self, name: str) -> Link | None:
        return next((link for link in self._by_index.values() if link.name == name), None)

    def changes(self) -> set[str]:
        """Names of the interfaces with news: link state, addresses, coming and going."""
        messages = self._monitor.read()
        if messages is None:
            before = self._by_index
            self._by_index = {}
            self._read_all()
            return {link.name for link in (*before.values(), *self._by_index.values())}
        return {name for message in messages for name in self._apply(message)}

    def close(self) -> None:
        self._monitor.close()

    def _read_all(self) -> None:
        for message in self._netlink.dump(encode(ifinfmsg(), _RTM_GETLINK, NLM_F_DUMP)):
            for _ in self._apply(message):
                pass

    def _apply(self, message: Any) -> Iterator[str]:
        kind = message["header"]["type"]
        index = message["index"]
        old = self._by_index.get(index)
        if kind in (_RTM_NEWADDR, _RTM_DELADDR):
            if old:
                yield old.name
            return
        if message["family"] != 0:  # a bridge speaking of its port, not of the interface itself
            return
        if kind == _RTM_NEWLINK:
            self._by_index[index] = new = _link(message)
            yield new.name
        elif kind == _RTM_DELLINK:
            self._by_index.pop(index, None)
        if old:
            yield old.name


def _link(message: Any) -> Link:
    flags = message["flags"]
    mac = message.get_attr("IFLA_ADDRESS") or ""
    if flags & _IFF_LOOPBACK:
        unsuitable = "is a loopback interface"
    elif flags & _IFF_POINTOPOINT:
        unsuitable = "is a point-to-point interface"
    elif message["ifi_type"] != _ARPHRD_ETHER or flags & _IFF_NOARP:
        unsuitable = "is not an Ethernet interface with ARP"
    else:
        unsuitable = ""
    return Link(
        index=message["index"],
        name=message.get_attr("IFLA_IFNAME"),
        mac=bytes.fromhex(mac.replace(":", "")),
        up=bool(flags & _IFF_UP),
        running=bool(flags & _IFF_RUNNING),
        unsuitable=unsuitable,
    )
