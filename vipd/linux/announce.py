"""Frames that tell a network segment where an address is now."""

import struct
from ipaddress import IPv4Address, IPv6Address

from vipd.linux.family import IPV6, multicast_mac

_ARP = struct.Struct("!6s6sHHHBBH6s4s6s4s")
_BROADCAST = b"\xff" * 6
_ETHERTYPE_ARP = 0x0806
_REQUEST, _REPLY = 1, 2
_ALL_NODES = IPv6Address("ff02::1")
_SOLICITED_NODE = IPv6Address("ff02::1:ff00:0").packed[:13]
_ICMPV6 = 58
_NEIGHBOUR_SOLICITATION, _NEIGHBOUR_ADVERTISEMENT = 135, 136
_ROUTER, _OVERRIDE = 0x80000000, 0x20000000


def announcement(
    address: IPv4Address | IPv6Address, mac: bytes, *, reply: bool = False, router: bool = False
) -> bytes:
    """The Ethernet frame that announces ``address`` at ``mac`` (6 bytes) to all hosts of the
    segment. ``reply``: by an ARP reply instead of a request. ``router``: the R flag of a neighbour
    advertisement. Without it, a client that has this address as its default router deletes its
    default route at once (Linux, measured); with it on a host that does not forward, nothing
    happens."""
    if isinstance(address, IPv4Address):
        return _gratuitous_arp(address, mac, _REPLY if reply else _REQUEST)
    return _unsolicited_advertisement(address, mac, router)


def announcement_to(
    target: IPv4Address | IPv6Address,
    target_mac: bytes,
    address: IPv4Address | IPv6Address,
    mac: bytes,
    *,
    router: bool = False,
) -> bytes:
    """The same for one host of the segment, of the same family: an ARP reply, or a neighbour
    advertisement."""
    if isinstance(address, IPv4Address):
        ip, theirs = address.packed, target.packed
        head = target_mac, mac, _ETHERTYPE_ARP, 1, 0x0800, 6, 4, _REPLY
        return _ARP.pack(*head, mac, ip, target_mac, theirs)
    assert isinstance(target, IPv6Address)
    body = _advertisement(address, mac, router)
    return _icmpv6(mac, target_mac, address, target, body)


def probe(address: IPv4Address, mac: bytes) -> bytes:
    """The Ethernet frame that asks which host has ``address``: an ARP probe (RFC 5227, section
    2.1.1). Its sender address is 0.0.0.0, so no host that hears it changes its cache; a host that
    has the address answers to ``mac``, proxies do not (Linux)."""
    return question(address, mac, None)


def question(
    address: IPv4Address, mac: bytes, source: IPv4Address | None, at: bytes | None = None
) -> bytes:
    """The same from ``source``, an own address of this host at ``mac``, as the kernel asks: the
    host that answers notes where we are. Some answer nothing else. ``at``: ask this MAC address
    only."""
    head = at or _BROADCAST, mac, _ETHERTYPE_ARP, 1, 0x0800, 6, 4, _REQUEST
    return _ARP.pack(*head, mac, source.packed if source else bytes(4), bytes(6), address.packed)


def _gratuitous_arp(address: IPv4Address, mac: bytes, operation: int) -> bytes:
    """An ARP request with sender = target = the address, and the target MAC filled in too, exactly
    as ucarp sends it (``garp.c``; RFC 5227 calls it an announcement); or the same as a reply (RFC
    5944, section 4.6, has both)."""
    ip = address.packed
    return _ARP.pack(_BROADCAST, mac, _ETHERTYPE_ARP, 1, 0x0800, 6, 4, operation, mac, ip, mac, ip)


def _unsolicited_advertisement(address: IPv6Address, mac: bytes, router: bool) -> bytes:
    """A neighbour advertisement to all nodes, with the override flag and the target's link-layer
    address (RFC 4861, section 7.2.6). Linux replaces an entry of its cache for nothing less."""
    body = _advertisement(address, mac, router)
    return _icmpv6(mac, multicast_mac(_ALL_NODES), address, _ALL_NODES, body)


def _advertisement(address: IPv6Address, mac: bytes, router: bool) -> bytes:
    flags = _OVERRIDE | (_ROUTER if router else 0)
    return struct.pack(
        "!BBHI16sBB6s", _NEIGHBOUR_ADVERTISEMENT, 0, 0, flags, address.packed, 2, 1, mac
    )


def solicitation(
    address: IPv6Address, mac: bytes, source: IPv6Address, at: bytes | None = None
) -> bytes:
    """The Ethernet frame that asks which host has ``address``, from ``source``, an own address of
    this host at ``mac`` (RFC 4861, section 7.2.2). Without a source it would be the start of a
    duplicate address detection (RFC 4862): a host that is about to use it would give it up. ``at``:
    ask this MAC address only, whether the address is still there (section 7.3.3)."""
    body = struct.pack("!BBHI16sBB6s", _NEIGHBOUR_SOLICITATION, 0, 0, 0, address.packed, 1, 1, mac)
    if at:
        return _icmpv6(mac, at, source, address, body)
    group = IPv6Address(_SOLICITED_NODE + address.packed[-3:])
    return _icmpv6(mac, multicast_mac(group), source, group, body)


def _icmpv6(mac: bytes, to_mac: bytes, source: IPv6Address, to: IPv6Address, body: bytes) -> bytes:
    """The frame that carries an ICMPv6 message, its checksum still 0."""
    pseudo = source.packed + to.packed + struct.pack("!II", len(body), _ICMPV6)
    checksum = -int.from_bytes(pseudo + body, "big") % 0xFFFF
    ethernet = struct.pack("!6s6sH", to_mac, mac, IPV6.ethertype)
    ip = struct.pack("!IHBB16s16s", 0x60000000, len(body), _ICMPV6, 255, source.packed, to.packed)
    return ethernet + ip + body[:2] + checksum.to_bytes(2, "big") + body[4:]
