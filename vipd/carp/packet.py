"""The advertisement on the wire: an IPv4 packet of 56 bytes, and the checks a receiver makes.

::

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-------+-------+---------------+---------------+---------------+
    |Version| Type  |     VHID      |    advskew    |    authlen    | after 20 bytes of IPv4
    +-------+-------+---------------+---------------+---------------+ (TTL 255, protocol 112)
    |   demotion    |    advbase    |           checksum            |
    +---------------+---------------+-------------------------------+
    |                     counter (64 bit)                          |
    |                                                               |
    +---------------------------------------------------------------+
    |                     HMAC-SHA1 (160 bit)                       |
    |                             ...                               |

Byte 4 is 0 in ucarp and FreeBSD and the demotion count in OpenBSD.
"""

import struct
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address
from typing import NamedTuple

PROTOCOL = 112
TTL = 255
IP_LENGTH = 20
CARP_LENGTH = 36
AUTHLEN = 7  # 32-bit words of counter and digest
VERSION_TYPE = 0x21
TOS_LOWDELAY = 0x10
DONT_FRAGMENT = 0x4000

_IP = struct.Struct("!BBHHHBBH4s4s")
_CARP = struct.Struct("!BBBBBBHQ20s")
_PACKET = struct.Struct(_IP.format + _CARP.format.removeprefix("!"))
#: The words of the IP header that are the same in every advertisement, added up.
_IP_CONSTANT = (
    (0x4500 | TOS_LOWDELAY) + IP_LENGTH + CARP_LENGTH + DONT_FRAGMENT + (TTL << 8 | PROTOCOL)
)
#: Few hosts send to us, and often; forged sources only replace each other here.
_address = lru_cache(maxsize=256)(IPv4Address)


class Advertisement(NamedTuple):
    """One CARP advertisement, with the addresses of the IPv4 packet that carried it.

    ``advbase``, ``advskew`` and ``demotion`` are bytes; ``counter`` is 64 bit; ``digest`` 20 bytes.
    """

    source: IPv4Address
    destination: IPv4Address
    vhid: int
    advbase: int
    advskew: int
    demotion: int
    counter: int
    digest: bytes


class Drop(Enum):
    """Why a received packet was not taken for an advertisement; in the order of the checks.

    The first eight can be told from the packet alone, the others need the group it is for.
    """

    SHORT = "shorter than an IPv4 header and a CARP header"
    NOT_CARP = "not an unfragmented IPv4 packet of protocol 112"
    TTL = "TTL is not 255: it crossed a router, or is forged"
    VERSION = "not CARP version 2"
    TYPE = "not an advertisement, or of another authentication length"
    VHID = "a VHID that nobody here has"
    DESTINATION = "sent to another multicast group than ours"
    CHECKSUM = "bad IP or CARP checksum"
    DIGEST = "bad digest: another password, VHID or set of addresses"
    ECHO = "our own advertisement came back to us"
    OWN_SOURCE = "another host sends with our own source address"

    #: There is one of each. Enum's own hash is written in Python, and every dropped packet is
    #: looked up by its reason.
    __hash__ = object.__hash__


def _intact(data: bytes) -> bool:
    """Whether data that contains its own checksum adds up (always false for nothing but zeros)."""
    number = int.from_bytes(data, "big")
    return number != 0 and number % 0xFFFF == 0


def encode(ad: Advertisement) -> bytes:
    """The IPv4 packet that carries ``ad``.

    The IP identification is taken from the counter: any value will do for a packet that cannot be
    fragmented (RFC 6864; ucarp draws a random one).

    A checksum is the negative sum of what it covers, modulo 2¹⁶ - 1: there 2¹⁶ is 1, so adding
    numbers of any size is adding their 16-bit words with end-around carry (RFC 1071).
    """
    source, destination, vhid, advbase, advskew, demotion, counter, digest = ad
    identification = counter & 0xFFFF
    head = (
        (VERSION_TYPE << 8 | vhid) + (advskew << 8 | AUTHLEN) + (demotion << 8 | advbase) + counter
    )
    return _PACKET.pack(
        0x45,
        TOS_LOWDELAY,
        IP_LENGTH + CARP_LENGTH,
        identification,
        DONT_FRAGMENT,
        TTL,
        PROTOCOL,
        -(_IP_CONSTANT + identification + int(source) + int(destination)) % 0xFFFF,
        source.packed,
        destination.packed,
        VERSION_TYPE,
        vhid,
        advskew,
        AUTHLEN,
        demotion,
        advbase,
        -(head + int.from_bytes(digest, "big")) % 0xFFFF,
        counter,
        digest,
    )


def decode(packet: bytes, groups: Mapping[int, IPv4Address]) -> Advertisement | Drop:
    """Read an IPv4 packet; trailing bytes (Ethernet padding) are ignored.

    ``groups`` says for each VHID that is at home here which destination it listens to. Whether the
    digest verifies is the next question, see `vipd.carp.digest.Digest.verify`. Never raises.
    """
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
    if ttl != TTL:
        return Drop.TTL
    version_type, vhid, advskew, authlen, demotion, advbase, _, counter, digest = _CARP.unpack_from(
        packet, header
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
    if not _intact(packet[:header]) or not _intact(packet[header:end]):
        return Drop.CHECKSUM
    return Advertisement(_address(source), group, vhid, advbase, advskew, demotion, counter, digest)
