"""Advertisements built field by field with struct, sharing no code with what they test."""

import struct
from ipaddress import IPv4Address
from typing import Any, NamedTuple

GROUP = IPv4Address("224.0.0.18")


def checksum(data: bytes) -> int:
    """RFC 1071 as the RFC writes it: add 16-bit words, fold the carries, complement."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Packet(NamedTuple):
    """Every field of the 56 bytes, with the values of a flawless advertisement.

    ``options`` are IPv4 options (a multiple of 4 bytes); a length or checksum of None is the right
    one; ``flipped`` are bits added to a right checksum to spoil it.
    """

    ip_version: int = 4
    options: bytes = b""
    header_words: int | None = None
    tos: int = 0x10
    total_length: int | None = None
    identification: int = 0x1234
    fragment: int = 0x4000
    ttl: int = 255
    protocol: int = 112
    ip_flipped: int = 0
    source: IPv4Address = IPv4Address("192.0.2.179")
    destination: IPv4Address = GROUP
    carp_version: int = 2
    carp_type: int = 1
    vhid: int = 1
    advskew: int = 100
    authlen: int = 7
    demotion: int = 0
    advbase: int = 1
    carp_flipped: int = 0
    counter: int = 0x0123456789ABCDEF
    digest: bytes = bytes(range(20))

    def but(self, **changes: Any) -> "Packet":
        """The same with other values for some fields."""
        return self._replace(**changes)

    def build(self) -> bytes:
        length = 20 + len(self.options) + 36
        words = 5 + len(self.options) // 4 if self.header_words is None else self.header_words
        ip = struct.pack(
            "!BBHHHBBH4s4s",
            self.ip_version << 4 | words,
            self.tos,
            length if self.total_length is None else self.total_length,
            self.identification,
            self.fragment,
            self.ttl,
            self.protocol,
            0,
            self.source.packed,
            self.destination.packed,
        )
        ip += self.options
        carp = struct.pack(
            "!BBBBBBHQ20s",
            self.carp_version << 4 | self.carp_type,
            self.vhid,
            self.advskew,
            self.authlen,
            self.demotion,
            self.advbase,
            0,
            self.counter,
            self.digest,
        )
        ip_sum = struct.pack("!H", checksum(ip) ^ self.ip_flipped)
        carp_sum = struct.pack("!H", checksum(carp) ^ self.carp_flipped)
        return ip[:10] + ip_sum + ip[12:] + carp[:6] + carp_sum + carp[8:]


FLAWLESS = Packet()
