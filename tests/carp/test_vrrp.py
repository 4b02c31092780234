"""CARP and VRRP have the same protocol number, groups and TTL: which is which?"""

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from carp.handmade import FLAWLESS
from vipd.carp.packet import Advertisement, encode
from vipd.carp.vrrp import Vrrp, read


def vrrp(version: int, count: int, *, source: str = "192.0.2.9", padding: bytes = b"") -> bytes:
    """A VRRP packet for id 51 with priority 120, every second; made with no code of vipd's."""
    sender = ip_address(source)
    if sender.version == 4:
        addresses = b"".join(bytes((198, 51, 100, n)) for n in range(count))
    else:
        addresses = b"".join(IPv6Address(n + 1).packed for n in range(count))
    timing = struct.pack("!H", 1 if version == 2 else 100)
    payload = bytes((version << 4 | 1, 51, 120, count)) + timing + b"\x12\x34" + addresses
    payload += bytes(8) if version == 2 else b""
    if sender.version == 6:
        group = IPv6Address("ff02::12").packed
        head = struct.pack("!IHBB", 6 << 28, len(payload), 112, 255) + sender.packed + group
    else:
        head = struct.pack("!BBHHHBBH", 0x45, 0xC0, 20 + len(payload), 1, 0, 255, 112, 0)
        head += sender.packed + bytes((224, 0, 0, 18))
    return head + payload + padding


@pytest.mark.parametrize("count", [1, 2, 7, 20])
@pytest.mark.parametrize("version", [2, 3])
def test_vrrp_is_read(version: int, count: int) -> None:
    said = read(vrrp(version, count, padding=bytes(6)))
    assert isinstance(said, Vrrp)
    assert said[:5] == (version, IPv4Address("192.0.2.9"), 51, 120, 1.0)
    assert said.addresses == tuple(IPv4Address(f"198.51.100.{n}") for n in range(count))


def test_vrrp_3_over_ipv6_is_read() -> None:
    said = read(vrrp(3, 2, source="fe80::9"))
    assert said == Vrrp(
        3, IPv6Address("fe80::9"), 51, 120, 1.0, (IPv6Address("::1"), IPv6Address("::2"))
    )
    assert read(vrrp(2, 2, source="fe80::9")) is None  # there is no such thing


def test_carp_is_read_whatever_its_group_and_padding() -> None:
    packet = FLAWLESS.but(vhid=9, destination=IPv4Address("239.1.2.3")).build()
    said = read(packet + bytes(10))
    assert isinstance(said, Advertisement)
    assert (said.vhid, str(said.source), said.advskew) == (9, "192.0.2.179", 100)


def test_carp_over_ipv6_is_read() -> None:
    ad = Advertisement(
        IPv6Address("fe80::1"), IPv6Address("ff02::12"), 3, 1, 20, 0, 5, bytes(range(20)), b""
    )
    said = read(encode(ad))
    assert isinstance(said, Advertisement)
    assert said[:7] == ad[:7]


def test_damaged_carp_is_neither() -> None:
    assert read(FLAWLESS.but(carp_flipped=4).build()) is None
    assert read(FLAWLESS.but(carp_type=2).build()) is None
    assert read(FLAWLESS.but(protocol=111).build()) is None


@pytest.mark.parametrize(
    "packet",
    [FLAWLESS.build(), vrrp(2, 7), vrrp(3, 7), vrrp(3, 2, source="fe80::9")],
    ids=["carp", "vrrp2", "vrrp3", "ipv6"],
)
def test_what_is_cut_off_is_neither(packet: bytes) -> None:
    assert read(packet) is not None
    assert [read(packet[:length]) for length in range(len(packet))] == [None] * len(packet)
