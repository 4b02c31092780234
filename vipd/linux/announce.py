"""Frames that tell a network segment where an address is now."""

import struct
from ipaddress import IPv4Address, IPv6Address

_ARP = struct.Struct("!6s6sHHHBBH6s4s6s4s")
_BROADCAST = b"\xff" * 6
_ETHERTYPE_ARP = 0x0806
_REQUEST, _REPLY = 1, 2
_ETHERTYPE_IPV6 = 0x86DD
_ALL_NODES = IPv6Address("ff02::1")
_ALL_NODES_MAC = bytes.fromhex("333300000001")
_ICMPV6 = 58
_NEIGHBOUR_ADVERTISEMENT = 136
_OVERRIDE = 0x20000000


def announcement(address: IPv4Address | IPv6Address, mac: bytes, *, reply: bool = False) -> bytes:
    """The Ethernet frame that announces ``address`` at ``mac`` (6 bytes) to everybody. ``reply``:
    by an ARP reply instead of a request; to IPv6 that makes no difference."""
    if isinstance(address, IPv4Address):
        return _gratuitous_arp(address, mac, _REPLY if reply else _REQUEST)
    return _unsolicited_advertisement(address, mac)


def probe(address: IPv4Address, mac: bytes) -> bytes:
    """The Ethernet frame that asks who has ``address``, on behalf of nobody: an ARP probe (RFC
    5227, section 2.1.1). Its sender address is 0.0.0.0, so nobody who hears it changes what they
    know about anybody; a host that has the address answers to ``mac``, proxies do not (Linux)."""
    nobody = bytes(4)
    return _ARP.pack(
        _BROADCAST, mac, _ETHERTYPE_ARP, 1, 0x0800, 6, 4, 1, mac, nobody, bytes(6), address.packed
    )


def _gratuitous_arp(address: IPv4Address, mac: bytes, operation: int) -> bytes:
    """An ARP request with sender = target = the address, and the target MAC filled in too, exactly
    as ucarp sends it (``garp.c``; RFC 5227 calls it an announcement); or the same as a reply (RFC
    5944, section 4.6, has both)."""
    ip = address.packed
    return _ARP.pack(_BROADCAST, mac, _ETHERTYPE_ARP, 1, 0x0800, 6, 4, operation, mac, ip, mac, ip)


def _unsolicited_advertisement(address: IPv6Address, mac: bytes) -> bytes:
    """A neighbour advertisement with the override flag, to all nodes (RFC 4861, section 7.2.6)."""
    body = struct.pack(
        "!BBHI16sBB6s", _NEIGHBOUR_ADVERTISEMENT, 0, 0, _OVERRIDE, address.packed, 2, 1, mac
    )
    pseudo = address.packed + _ALL_NODES.packed + struct.pack("!II", len(body), _ICMPV6)
    checksum = -int.from_bytes(pseudo + body, "big") % 0xFFFF
    body = body[:2] + checksum.to_bytes(2, "big") + body[4:]
    ip = struct.pack("!IHBB", 0x60000000, len(body), _ICMPV6, 255)
    return (
        struct.pack("!6s6sH", _ALL_NODES_MAC, mac, _ETHERTYPE_IPV6)
        + ip
        + address.packed
        + _ALL_NODES.packed
        + body
    )
