"""Addresses on interfaces: add them, renew their leases, delete them."""

import errno
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from vipd.linux.messages import IFA_F_NODAD, ifaddrmsg
from vipd.linux.netlink import (
    NLM_F_ACK,
    NLM_F_REQUEST,
    RTM_NEWADDR,
    Netlink,
    NetlinkError,
    encode,
)

RTM_DELADDR = 21
_NLM_F_REPLACE = 0x100
_NLM_F_EXCL = 0x200
_NLM_F_CREATE = 0x400

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_IFADDR = struct.Struct("=BBBBI")  # struct ifaddrmsg
_ATTRIBUTE = struct.Struct("=HH")
_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_IFA_CACHEINFO = 6
_LIFETIMES = struct.Struct("=II")  # struct ifa_cacheinfo: preferred and valid, seconds
#: A secondary address of its subnet (IPv4); for IPv6 a temporary address.
IFA_F_SECONDARY = 0x1

AnyAddress = IPv4Address | IPv6Address
AnyInterface = IPv4Interface | IPv6Interface


class Address:
    """One address on one interface (by index). The messages are built once, so that a take-over of
    hundreds of addresses takes only the kernel's own time.

    ``lease``: whole seconds after which the kernel deletes the address by itself (valid_lft),
    unless it was added or renewed since; None: never. The kernel is late: by 0.02 to 0.4 s while
    the machine is busy, by up to 0.8 s (measured, HZ=250) when its processors sleep. It rounds the
    time up, by 0.25 s at most, then to the resolution of its timer wheel that far ahead (0.26 s),
    and does not wake a processor for it (``DEFERRABLE`` in net/ipv4/devinet.c).

    All operations may be repeated: to add an address that is there (which renews the lease) and to
    delete one that is not there both succeed. They raise NetlinkError if the kernel refuses: ENODEV
    interface gone, EPERM no CAP_NET_ADMIN.
    """

    __slots__ = ("_add", "_lifetimes", "index", "interface", "lease", "renewal")

    def __init__(self, index: int, address: AnyInterface, lease: int | None) -> None:
        self.index = index
        self.interface = address
        self.lease = lease
        flags = _NLM_F_CREATE | _NLM_F_REPLACE
        self._add = encode(_message(index, address, lease), RTM_NEWADDR, flags | NLM_F_ACK)
        #: The same as `add`, for `Netlink.post`.
        self.renewal = bytes(_request(self._add, RTM_NEWADDR, flags))
        places = {number: begin for number, begin, _ in _attributes(self._add)}
        self._lifetimes = places.get(_IFA_CACHEINFO, 0)  # none without a lease

    def add(self, netlink: Netlink, lease: int | None = None) -> None:
        """Add it; ``lease``: seconds of the first lease, if they differ."""
        self._expect(netlink)
        netlink.request(self._lasting(self._add, lease))

    def restore(self, netlink: Netlink, lease: int | None = None) -> bool:
        """Add it if it is not there, and do not change it if it is; return whether it was added.
        False, too, if the interface is gone (ENODEV)."""
        flags = _NLM_F_CREATE | _NLM_F_EXCL | NLM_F_ACK
        try:
            self._expect(netlink)
            netlink.request(self._lasting(_request(self._add, RTM_NEWADDR, flags), lease))
        except NetlinkError as error:
            if error.errno in (errno.EEXIST, errno.ENODEV):
                return False
            raise
        return True

    def _expect(self, netlink: Netlink) -> None:
        if isinstance(self.interface, IPv6Interface):
            netlink.added.add((self.index, self.interface))

    def _lasting(self, message: bytearray, lease: int | None) -> bytearray:
        if lease is None or lease == self.lease or not self._lifetimes:
            return message
        copy = bytearray(message)
        _LIFETIMES.pack_into(copy, self._lifetimes, lease, lease)
        return copy

    @property
    def deletion(self) -> bytes:
        """The request that deletes it, for the clean-up after a crash."""
        return bytes(_request(self._add, RTM_DELADDR, NLM_F_ACK))

    def delete(self, netlink: Netlink) -> bool:
        """Delete it; return whether it was there."""
        try:
            netlink.request(_request(self._add, RTM_DELADDR, NLM_F_ACK))
        except NetlinkError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.ENODEV):
                return False
            raise
        return True


@dataclass(frozen=True, slots=True)
class Notice:
    """A netlink notice about an address: ``kind`` RTM_NEWADDR or RTM_DELADDR; ``port`` and
    ``sequence`` of the request that caused it, or 0."""

    kind: int
    port: int
    sequence: int
    index: int
    address: AnyInterface
    secondary: bool


def notice(message: bytes) -> Notice | None:
    """Decode a notice about an address. Not with pyroute2, which takes 0.15 ms: when all VIPs hand
    over at once, there is one for each address."""
    _, kind, _, sequence, port = _HEADER.unpack_from(message)
    family, prefix, flags, _, index = _IFADDR.unpack_from(message, _HEADER.size)
    found = {number: message[begin:end] for number, begin, end in _attributes(message)}
    packed = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS)
    if not packed or family not in (socket.AF_INET, socket.AF_INET6):
        return None
    address: AnyInterface = (
        IPv4Interface((packed, prefix))
        if family == socket.AF_INET
        else IPv6Interface((packed, prefix))
    )
    secondary = bool(flags & IFA_F_SECONDARY)
    return Notice(kind, port, sequence, index, address, secondary)


def _request(message: bytearray, kind: int, flags: int) -> bytearray:
    """Another request for the same address: to encode one takes 40 times as long as to change the
    header. (The kernel ignores lifetimes in a deletion.)"""
    copy = bytearray(message)
    struct.pack_into("=HH", copy, 4, kind, flags | NLM_F_REQUEST)
    return copy


def _attributes(message: bytes | bytearray) -> Iterator[tuple[int, int, int]]:
    """The attributes of a message about an address: number, and begin and end of the value."""
    at = _HEADER.size + _IFADDR.size
    while at + _ATTRIBUTE.size <= len(message):
        length, number = _ATTRIBUTE.unpack_from(message, at)
        if length < _ATTRIBUTE.size:
            return
        yield number, at + _ATTRIBUTE.size, at + length
        at += (length + 3) & ~3


def _message(index: int, address: AnyInterface, lease: int | None) -> ifaddrmsg:
    message = ifaddrmsg()
    message["index"] = index
    message["prefixlen"] = address.network.prefixlen
    attributes: list[tuple[str, object]] = [
        ("IFA_LOCAL", str(address.ip)),
        ("IFA_ADDRESS", str(address.ip)),
    ]
    if lease is not None:
        attributes.append(("IFA_CACHEINFO", {"ifa_preferred": lease, "ifa_valid": lease}))
    if address.version == 4:
        message["family"] = socket.AF_INET
    else:
        message["family"] = socket.AF_INET6
        # The election has already decided that only we own it. Duplicate address detection would
        # make it unusable for a second, and for ever if the old owner still answers.
        attributes.append(("IFA_FLAGS", IFA_F_NODAD))
    message["attrs"] = attributes
    return message
