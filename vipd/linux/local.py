"""Whether an address is local to this host, for whatever reason."""

import struct
from ipaddress import IPv4Address, IPv6Address
from socket import AF_INET, AF_INET6

from vipd.linux.netlink import NLM_F_ACK, NLM_F_REQUEST, Netlink

_RTM_GETROUTE = 26
_HEADER = struct.Struct("=IHHII")
_ROUTE = struct.Struct("=BBBBBBBBI")  # struct rtmsg; the type is the 8th byte
_ATTRIBUTE = struct.Struct("=HH")
_RTA_DST = 1
_RTN_LOCAL = 2
_TYPE_AT = _HEADER.size + 7


def is_local(netlink: Netlink, address: IPv4Address | IPv6Address) -> bool:
    """Whether the kernel delivers packets to this address locally: it is on an interface (outside
    of VRFs), or there is a route of type local. False if there is no route at all."""
    family = AF_INET if address.version == 4 else AF_INET6
    bits = address.max_prefixlen
    body = _ROUTE.pack(family, bits, 0, 0, 0, 0, 0, 0, 0)
    body += _ATTRIBUTE.pack(_ATTRIBUTE.size + bits // 8, _RTA_DST) + address.packed
    flags = NLM_F_REQUEST | NLM_F_ACK
    request = _HEADER.pack(_HEADER.size + len(body), _RTM_GETROUTE, flags, 0, 0) + body
    try:
        answer = netlink.ask(bytearray(request))
    except OSError:  # ENETUNREACH, or the error of a routing rule
        return False
    return len(answer) > _TYPE_AT and answer[_TYPE_AT] == _RTN_LOCAL
