"""The kernel's neighbour cache (ARP, ND) and default routes: where a host is to be reached."""

import struct
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from socket import AF_INET, AF_INET6

from vipd.linux.addresses import AnyAddress
from vipd.linux.netlink import NLM_F_ACK, NLM_F_REQUEST, Netlink

_RTM_NEWNEIGH, _RTM_GETNEIGH = 28, 30
_NLM_F_CREATE = 0x400
_HEADER = struct.Struct("=IHHII")
_NEIGHBOUR = struct.Struct("=BBHiHBB")  # struct ndmsg
_ATTRIBUTE = struct.Struct("=HH")
_NDA_DST, _NDA_LLADDR = 1, 2
_NTF_USE = 0x01
#: NUD_REACHABLE, STALE, DELAY, PROBE, NOARP, PERMANENT: the MAC address can be used.
_VALID = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80
#: Characters of a routing table that are read: some 2,000 routes, in 2 ms. A router may have a
#: million of them, and a take-over does not wait for that.
_LONGEST = 1 << 18
_ROUTES, _ROUTES_IPV6 = Path("/proc/net/route"), Path("/proc/net/ipv6_route")


def mac_of(netlink: Netlink, index: int, address: AnyAddress) -> bytes | None:
    """The MAC address (6 bytes) that the kernel knows for a neighbour on an interface (by number);
    None if it knows none."""
    try:
        answer = netlink.ask(_request(_RTM_GETNEIGH, NLM_F_ACK, index, address))
    except OSError:  # ENOENT
        return None
    at = _HEADER.size + _NEIGHBOUR.size
    if len(answer) < at or not _NEIGHBOUR.unpack_from(answer, _HEADER.size)[4] & _VALID:
        return None
    while at + _ATTRIBUTE.size <= len(answer):
        length, kind = _ATTRIBUTE.unpack_from(answer, at)
        if kind == _NDA_LLADDR and length == _ATTRIBUTE.size + 6:
            return answer[at + _ATTRIBUTE.size : at + length]
        at += max(length + 3 & ~3, _ATTRIBUTE.size)
    return None


def resolve(netlink: Netlink, index: int, address: AnyAddress) -> None:
    """Have the kernel find out the MAC address of a neighbour, if it does not know it. Raises
    OSError."""
    flags = NLM_F_ACK | _NLM_F_CREATE
    netlink.request(_request(_RTM_NEWNEIGH, flags, index, address, _NTF_USE))


def gateways(interface: str) -> list[AnyAddress]:
    """The next hops of the default routes through an interface, in the main routing table; of a
    table of thousands of routes, those in its first part."""
    found: list[AnyAddress] = []
    for line in _read(_ROUTES):
        # Iface Destination Gateway Flags RefCnt Use Metric Mask …
        if line[:2] == [interface, "00000000"] and line[7] == "00000000" and int(line[2], 16):
            found.append(IPv4Address(struct.pack("=I", int(line[2], 16))))
    for line in _read(_ROUTES_IPV6):
        # destination, its length, source, its length, next hop, metric, …, interface
        if line[-1] == interface and line[1] == "00" and int(line[4], 16):
            found.append(IPv6Address(int(line[4], 16)))
    return list(dict.fromkeys(found))


def _request(
    kind: int, flags: int, index: int, address: AnyAddress, neighbour_flags: int = 0
) -> bytearray:
    family = AF_INET if address.version == 4 else AF_INET6
    body = _NEIGHBOUR.pack(family, 0, 0, index, 0, neighbour_flags, 0)
    body += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(address.packed), _NDA_DST) + address.packed
    head = _HEADER.pack(_HEADER.size + len(body), kind, NLM_F_REQUEST | flags, 0, 0)
    return bytearray(head + body)


def _read(path: Path) -> list[list[str]]:
    try:
        with path.open() as table:
            lines = table.read(_LONGEST).split("\n")
    except OSError:
        return []
    return [line.split() for line in lines[:-1]]  # what follows the last one was cut off
