"""The advertisement on the wire: an IP packet, and the checks a receiver makes.

::

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-------+-------+---------------+---------------+---------------+
    |Version| Type  |     VHID      |    advskew    |    authlen    | after 20 bytes of IPv4
    +-------+-------+---------------+---------------+---------------+ or 40 of IPv6 (TTL or hop
    |   demotion    |    advbase    |           checksum            | limit 255, protocol 112)
    +---------------+---------------+-------------------------------+
    |                     counter (64 bit)                          |
    |                                                               |
    +---------------------------------------------------------------+
    |                     HMAC-SHA1 (160 bit)                       |
    |                             ...                               |

Byte 4 is 0 in ucarp and FreeBSD and the demotion count in OpenBSD. The checksum covers these 36
bytes in both families: the BSDs add no pseudo header for IPv6.
"""

import struct
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from vipd.carp.host import Address, by_address, by_label, label_of

PROTOCOL = 112
TTL = 255
IP_LENGTH = 20
IPV6_LENGTH = 40
CARP_LENGTH = 36
AUTHLEN = 7  # 32-bit words of counter and digest
VERSION_TYPE = 0x21
TOS_LOWDELAY = 0x10
DONT_FRAGMENT = 0x4000

_IP = struct.Struct("!BBHHHBBH4s4s")
_CARP_FIELDS = "BBBBBBHQ20s"
_CARP = struct.Struct("!" + _CARP_FIELDS)
_IPV6 = struct.Struct("!IHBB16s16s")
#: Version 6 and traffic class CS6 (network control, RFC 4594); the flow label is added.
_IPV6_FIRST_WORD = 0x6C000000
#: Where advertisements go unless the files name another group.
MULTICAST, MULTICAST_IPV6 = IPv4Address("224.0.0.18"), IPv6Address("ff02::12")


class Advertisement(NamedTuple):
    """One CARP advertisement, with the addresses of the IP packet that carried it.

    ``advbase``, ``advskew`` and ``demotion`` are bytes; ``counter`` is 64 bit; ``digest`` 20 bytes.
    ``host``: which host sent it (`vipd.carp.host`), read from flow label and source address; of
    it `encode` writes a flow label only.
    """

    source: Address
    destination: Address
    vhid: int
    advbase: int
    advskew: int
    demotion: int
    counter: int
    digest: bytes
    host: bytes = b""


def said(ad: Advertisement) -> tuple[int, int, int]:
    """How much its sender wants to be master: advbase, advskew, demotion."""
    return ad[3:6]


class Drop(Enum):
    """Why a received packet was not taken for an advertisement; in the order of the checks.

    The first nine can be told from the packet alone, the others need the group it is for.
    """

    SHORT = "shorter than an IP header and a CARP header"
    NOT_CARP = "not an unfragmented IP packet of protocol 112"
    TTL = "TTL is not 255: it crossed a router, or is forged"
    VERSION = "not CARP version 2"
    TYPE = "not an advertisement, or of another authentication length"
    VHID = "a VHID that nobody here has"
    DESTINATION = "sent to another address than ours: another multicast group, or unicast"
    PEER = "sent by a host that PEERS does not list"
    CHECKSUM = "bad IP or CARP checksum"
    DIGEST = "bad digest: another password, VHID or set of addresses"
    ECHO = "our own advertisement came back to us"
    OWN_SOURCE = "another host sends with our own source address"
    FORGED = "signed by a host of the group, but altered since"
    REPEATED = "an advertisement from before, sent again"
    UNTAGGED = "without the tag that its sender has to send"

    #: There is one of each. Enum's own hash is written in Python, and every dropped packet is
    #: looked up by its reason.
    __hash__ = object.__hash__


def _intact(data: bytes) -> bool:
    """Whether data that contains its own checksum adds up (always false for nothing but zeros)."""
    number = int.from_bytes(data, "big")
    return number != 0 and number % 0xFFFF == 0


#: Few hosts send to us, and often; forged sources only replace each other here.
@lru_cache(maxsize=256)
def _sender(packed: bytes) -> tuple[Address, bytes]:
    source = IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)
    return source, by_address(source)


@lru_cache(maxsize=8)
def _packer(fields: str) -> Callable[..., bytes]:
    """The same one for all groups: each takes 0.7 kB."""
    return struct.Struct(fields).pack


class Envelope:
    """What the advertisements of a group from one address to another have in common: it is made
    once, because hundreds of groups send in the same moment. ``host``: as in `Advertisement`;
    ``before``: what comes before the IP header."""

    __slots__ = ("_begin", "_end", "_middle", "_pack", "_sum", "_vhid")

    def __init__(
        self,
        vhid: int,
        source: Address,
        destination: Address,
        host: bytes = b"",
        before: bytes = b"",
    ) -> None:
        self._vhid = vhid
        self._middle = self._end = b""
        if source.version == 4:
            header = _ipv4_header(source, destination)
            self._begin, self._middle, self._end = before + header[:4], header[6:10], header[12:]
            self._sum = int.from_bytes(header, "big")
            # What is before, between and behind identification and checksum.
            fields = f"!{len(self._begin)}sH4sH8s{_CARP_FIELDS}"
        else:
            self._begin = before + _ipv6_header(source, destination, label_of(host))
            self._sum = 0
            fields = f"!{len(self._begin)}s{_CARP_FIELDS}"
        self._pack = _packer(fields)

    def around(self, words: tuple[int, int, int], counter: int, digest: bytes) -> bytes:
        """The packet that says ``words`` (advbase, advskew and demotion).

        A checksum is the negative sum of what it covers, modulo 2¹⁶ - 1: there 2¹⁶ is 1, so adding
        numbers of any size is adding their 16-bit words with end-around carry (RFC 1071).
        """
        advbase, advskew, demotion = words
        vhid = self._vhid
        head = (VERSION_TYPE << 8 | vhid) + (advskew << 8 | AUTHLEN) + (demotion << 8 | advbase)
        checksum = -(head + counter + int.from_bytes(digest, "big")) % 0xFFFF
        carp = VERSION_TYPE, vhid, advskew, AUTHLEN, demotion, advbase, checksum, counter, digest
        if not self._sum:
            return self._pack(self._begin, *carp)
        # Any identification will do for a packet that cannot be fragmented (RFC 6864; ucarp draws a
        # random one).
        identification = counter & 0xFFFF
        checksum = -(self._sum + identification) % 0xFFFF
        return self._pack(self._begin, identification, self._middle, checksum, self._end, *carp)


def encode(ad: Advertisement) -> bytes:
    """The IP packet that carries ``ad``, of the family of its addresses."""
    return Envelope(ad.vhid, ad.source, ad.destination, ad.host).around(
        said(ad), ad.counter, ad.digest
    )


def _ipv4_header(source: Address, destination: Address) -> bytes:
    """Without identification and checksum."""
    return _IP.pack(
        0x45,
        TOS_LOWDELAY,
        IP_LENGTH + CARP_LENGTH,
        0,
        DONT_FRAGMENT,
        TTL,
        PROTOCOL,
        0,
        source.packed,
        destination.packed,
    )


def _ipv6_header(source: Address, destination: Address, label: int) -> bytes:
    return _IPV6.pack(
        _IPV6_FIRST_WORD | label, CARP_LENGTH, PROTOCOL, TTL, source.packed, destination.packed
    )


#: The sources (packed) that a group hears and no others, by VHID: those groups are unicast.
Peers = Mapping[int, Collection[bytes]]
_NOBODY: Peers = {}


def decode(
    packet: bytes, groups: Mapping[int, Address], peers: Peers = _NOBODY
) -> Advertisement | Drop:
    """Read an IP packet of either family; trailing bytes (Ethernet padding) are ignored.

    ``groups`` says for each VHID that is at home here which destination of that family it listens
    to; that is our own address if ``peers`` says who is heard. These may be behind routers, so that
    their TTL does not count. Whether the digest verifies is the next question, see
    `vipd.carp.digest.Digest.verify`. Never raises.
    """
    if packet and packet[0] >> 4 == 6:
        return _decode_ipv6(packet, groups, peers)
    if len(packet) < IP_LENGTH + CARP_LENGTH:
        return Drop.SHORT
    version_ihl, _, total, _, fragment, ttl, protocol, _, source, destination = _IP.unpack_from(
        packet
    )
    if version_ihl >> 4 != 4 or protocol != PROTOCOL or fragment & 0x3FFF:
        return Drop.NOT_CARP
    header = (version_ihl & 0xF) * 4
    end = header + CARP_LENGTH
    if header < IP_LENGTH or total < end or len(packet) < end:
        return Drop.SHORT
    if ttl != TTL and packet[header + 1] not in peers:
        return Drop.TTL
    return _decode_carp(packet, header, source, destination, groups, peers)


def _decode_ipv6(
    packet: bytes, groups: Mapping[int, Address], peers: Peers
) -> Advertisement | Drop:
    """No extension headers: no implementation sends any, and the kernel's filter does not follow
    them."""
    if len(packet) < IPV6_LENGTH:
        return Drop.SHORT
    first, length, protocol, hop_limit, source, destination = _IPV6.unpack_from(packet)
    if protocol != PROTOCOL:
        return Drop.NOT_CARP
    if length < CARP_LENGTH or len(packet) < IPV6_LENGTH + CARP_LENGTH:
        return Drop.SHORT
    if hop_limit != TTL and packet[IPV6_LENGTH + 1] not in peers:
        return Drop.TTL
    return _decode_carp(packet, IPV6_LENGTH, source, destination, groups, peers, first & 0xFFFFF)


def carp_at(packet: bytes) -> int:
    """Where in an IP packet of whatever kind the CARP header is, if there is one."""
    if not packet:
        return 0
    return IPV6_LENGTH if packet[0] >> 4 == 6 else (packet[0] & 0xF) * 4


def source_of(packet: bytes) -> Address | None:
    """The source address of an IP packet of whatever kind; None if it is too short."""
    if packet[:1] and packet[0] >> 4 == 6:
        return IPv6Address(packet[8:24]) if len(packet) >= IPV6_LENGTH else None
    return IPv4Address(packet[12:16]) if len(packet) >= IP_LENGTH else None


def destination_of(packet: bytes) -> Address | None:
    """Its destination address, likewise."""
    if packet[:1] and packet[0] >> 4 == 6:
        return IPv6Address(packet[24:40]) if len(packet) >= IPV6_LENGTH else None
    return IPv4Address(packet[16:20]) if len(packet) >= IP_LENGTH else None


def _decode_carp(
    packet: bytes,
    at: int,
    source: bytes,
    destination: bytes,
    groups: Mapping[int, Address],
    peers: Peers,
    label: int = 0,
) -> Advertisement | Drop:
    """The part that begins ``at`` this place, and what the header before it said. ``label``: the
    flow label, if it is IPv6. An IPv6 header has no checksum."""
    version_type, vhid, advskew, authlen, demotion, advbase, _, counter, digest = _CARP.unpack_from(
        packet, at
    )
    if version_type >> 4 != 2:
        return Drop.VERSION
    if version_type & 0xF != 1 or authlen != AUTHLEN:
        return Drop.TYPE
    group = groups.get(vhid)
    if group is None:
        return Drop.VHID
    if destination != group.packed:
        return Drop.DESTINATION
    if vhid in peers and source not in peers[vhid]:
        return Drop.PEER
    if not _intact(packet[at : at + CARP_LENGTH]) or (
        len(source) == 4 and not _intact(packet[:at])
    ):
        return Drop.CHECKSUM
    address, host = _sender(source)
    if label:
        host = by_label(label)
    return Advertisement(address, group, vhid, advbase, advskew, demotion, counter, digest, host)
