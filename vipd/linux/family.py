"""The differences between IPv4 and IPv6 on a packet socket: the Ethernet type, the places of fields
in a CARP packet, and how to join a multicast group."""

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from vipd.linux import bpf
from vipd.linux.addresses import AnyAddress

ETHERNET_HEADER = 14
_IP_ADD_MEMBERSHIP = 35


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """``protocol_at`` and ``ttl_at``: offsets in the frame of the IP header's protocol (next
    header) and TTL (hop limit). ``whole``: BPF instructions that reject fragments. ``header``: the
    BPF instruction that loads X with the length of the IP header. ``membership``: level, option and
    value that make a socket join a group on an interface (by index)."""

    version: int
    ethertype: int
    socket_family: int
    protocol_at: int
    ttl_at: int
    whole: tuple[bpf.Instruction, ...]
    header: bpf.Instruction
    membership: Callable[[AnyAddress, int], tuple[int, int, bytes]]

    def join(self, group: AnyAddress, index: int) -> socket.socket:
        """Return a socket that is a member of the group while it is open. Raises OSError."""
        member = socket.socket(self.socket_family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            member.setsockopt(*self.membership(group, index))
        except OSError:
            member.close()
            raise
        return member


def _join_ipv4(group: AnyAddress, index: int) -> tuple[int, int, bytes]:
    request = struct.pack("@4s4si", group.packed, bytes(4), index)
    return socket.IPPROTO_IP, _IP_ADD_MEMBERSHIP, request


def _join_ipv6(group: AnyAddress, index: int) -> tuple[int, int, bytes]:
    request = struct.pack("@16sI", group.packed, index)
    return socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request


IPV4 = Family(
    version=4,
    ethertype=0x0800,
    socket_family=socket.AF_INET,
    protocol_at=ETHERNET_HEADER + 9,
    ttl_at=ETHERNET_HEADER + 8,
    whole=((bpf.LD_H_ABS, 0, 0, ETHERNET_HEADER + 6), (bpf.JSET, bpf.REJECT, 0, 0x3FFF)),
    header=(bpf.LDX_MSH, 0, 0, ETHERNET_HEADER),
    membership=_join_ipv4,
)
IPV6 = Family(
    version=6,
    ethertype=0x86DD,
    socket_family=socket.AF_INET6,
    protocol_at=ETHERNET_HEADER + 6,
    ttl_at=ETHERNET_HEADER + 7,
    whole=(),  # a fragment has another next header
    header=(bpf.LDX_IMM, 0, 0, 40),
    membership=_join_ipv6,
)


def family_of(address: AnyAddress) -> Family:
    return IPV4 if address.version == 4 else IPV6


def multicast_mac(group: AnyAddress) -> bytes:
    """The Ethernet address of a multicast group: 01:00:5e and the low 23 bits (RFC 1112), or 33:33
    and the low 32 bits (RFC 2464)."""
    if group.version == 4:
        return b"\x01\x00\x5e" + (int(group) & 0x7FFFFF).to_bytes(3, "big")
    return b"\x33\x33" + group.packed[-4:]
