"""VRRP, as far as one has to know it to tell it from CARP: both are IP protocol 112, go to the same
groups (224.0.0.18, ff02::12) with TTL 255, and VRRP 2 begins with the same byte as CARP.

The fourth byte is CARP's authlen, always 7, and VRRP's number of addresses. With 7 addresses only
the length differs: CARP has 36 bytes; VRRP 2 (RFC 3768) has 8, the addresses, and 8 of
authentication, which is 44. VRRP 3 (RFC 9568) has another version.
"""

from typing import NamedTuple

from vipd.carp.host import Address
from vipd.carp.packet import (
    CARP_LENGTH,
    PROTOCOL,
    VERSION_TYPE,
    Advertisement,
    carp_at,
    decode,
    destination_of,
    source_of,
)

_HEADER = 8
_AUTHENTICATION = 8


class Vrrp(NamedTuple):
    """One VRRP advertisement. ``vrid`` and ``priority`` are bytes; ``interval`` is in seconds;
    ``addresses`` are those that the sender's group has."""

    version: int
    source: Address
    vrid: int
    priority: int
    interval: float
    addresses: tuple[Address, ...]


def read(packet: bytes) -> Advertisement | Vrrp | None:
    """An IP packet of protocol 112 from whomever to whomever; None if it is neither CARP nor VRRP.

    Not verified: TTL, CARP's digest, VRRP's checksum. Never raises.
    """
    source, destination = source_of(packet), destination_of(packet)
    if source is None or destination is None:
        return None
    at = carp_at(packet)
    if source.version == 6:
        protocol, length = packet[6], int.from_bytes(packet[4:6], "big")
    else:
        protocol, length = packet[9], int.from_bytes(packet[2:4], "big") - at
    payload = packet[at : at + max(length, 0)]
    if protocol != PROTOCOL or len(payload) < _HEADER or len(payload) < length:
        return None
    if len(payload) == CARP_LENGTH and payload[0] == VERSION_TYPE:
        vhid = payload[1]
        ad = decode(packet, {vhid: destination}, {vhid: (source.packed,)})
        return ad if isinstance(ad, Advertisement) else None
    return _vrrp(source, payload)


def _vrrp(source: Address, payload: bytes) -> Vrrp | None:
    version, kind, count = payload[0] >> 4, payload[0] & 0xF, payload[3]
    size = len(source.packed)
    end = _HEADER + count * size
    length = end if version == 3 else end + _AUTHENTICATION
    if kind != 1 or version not in (2, 3) or len(payload) != length:
        return None
    if version == 2 and source.version == 6:
        return None
    hundredths = int.from_bytes(payload[4:6], "big") & 0x0FFF
    interval = hundredths / 100 if version == 3 else float(payload[5])
    address_of = type(source)
    addresses = tuple(address_of(payload[at : at + size]) for at in range(_HEADER, end, size))
    return Vrrp(version, source, payload[1], payload[2], interval, addresses)
