"""Keeps the kernel from deleting the other addresses of a subnet with the primary one.

The first IPv4 address of a subnet on an interface is its primary address; later ones are secondary.
When the primary address is deleted, in whatever way, the kernel deletes the secondary ones as well
(``__inet_del_ifa`` in net/ipv4/devinet.c), unless ``promote_secondaries`` of the interface, or of
all interfaces, is 1: then the next one becomes primary. systemd sets it to 1; the kernel's own
default is 0. IPv6 has no primary addresses, and an IPv4 address without a prefix length (/32) is
the only one of its subnet.

vipd reads and writes the setting over rtnetlink: /proc/sys may be read-only, or hidden, in a
service.
"""

import struct

from vipd.linux.addresses import AnyInterface
from vipd.linux.netlink import NLM_F_ACK, NLM_F_REQUEST, Netlink

_RTM_GETLINK = 18
_RTM_SETLINK = 19
_HEADER = struct.Struct("=IHHII")
_IFINFO = struct.Struct("=BxHiII")
_ATTRIBUTE = struct.Struct("=HH")
_NUMBER = struct.Struct("=I")
_NESTED = 0x8000
_TYPE = 0x3FFF
_IFLA_AF_SPEC = 26
_IFLA_EXT_MASK = 29
_RTEXT_FILTER_SKIP_STATS = 8
_AF_INET = 2
_IFLA_INET_CONF = 1
#: Number of the setting, from 1 (IPV4_DEVCONF_PROMOTE_SECONDARIES in linux/ip.h).
_PROMOTE_SECONDARIES = 20


def has_others(address: AnyInterface) -> bool:
    """Whether its subnet may have other addresses, which the kernel would delete with it."""
    return address.version == 4 and address.network.prefixlen < 32


def promotion(index: int) -> bytes:
    """The request (with NLM_F_ACK) that sets ``promote_secondaries`` of an interface to 1."""
    setting = _attribute(_PROMOTE_SECONDARIES, _NUMBER.pack(1))
    for nest in (_IFLA_INET_CONF, _AF_INET, _IFLA_AF_SPEC):
        setting = _attribute(nest | _NESTED, setting)
    return _message(_RTM_SETLINK, index, setting)


def promote(netlink: Netlink, index: int) -> bool:
    """Set ``promote_secondaries`` of an interface to 1; return whether it was 0. Takes 10 µs if it
    is 1 already. Raises NetlinkError."""
    if _promotes(netlink, index):
        return False
    netlink.request(bytearray(promotion(index)))
    return True


def _promotes(netlink: Netlink, index: int) -> bool:
    # Setting it without this check would cause a notice that the interface has changed.
    mask = _attribute(_IFLA_EXT_MASK, _NUMBER.pack(_RTEXT_FILTER_SKIP_STATS))
    answer = netlink.ask(bytearray(_message(_RTM_GETLINK, index, mask)))
    begin, end = _HEADER.size + _IFINFO.size, len(answer)
    for nest in (_IFLA_AF_SPEC, _AF_INET, _IFLA_INET_CONF):
        begin, end = _find(answer, nest, begin, end)
    at = begin + (_PROMOTE_SECONDARIES - 1) * _NUMBER.size
    return at + _NUMBER.size <= end and bool(_NUMBER.unpack_from(answer, at)[0])


def _find(data: bytes, wanted: int, begin: int, end: int) -> tuple[int, int]:
    """Begin and end of an attribute's value, among the attributes from ``begin`` to ``end``."""
    while begin + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, begin)
        if length < _ATTRIBUTE.size:
            break
        if kind & _TYPE == wanted:
            return begin + _ATTRIBUTE.size, begin + length
        begin += (length + 3) & ~3
    return end, end


def _message(kind: int, index: int, attributes: bytes) -> bytes:
    body = _IFINFO.pack(0, 0, index, 0, 0) + attributes
    flags = NLM_F_REQUEST | NLM_F_ACK
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 0, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)
