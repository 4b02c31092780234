"""The bytes of an advertisement, and the order in which a receiver doubts them."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipd.carp.digest import Digest
from vipd.carp.host import Address, by_address
from vipd.carp.packet import MULTICAST_IPV6, Advertisement, Drop, Envelope, decode, encode

from .handmade import FLAWLESS, GROUP, Packet, checksum

AT_HOME = {1: GROUP, 8: IPv4Address("239.192.0.5")}


def test_a_flawless_packet_is_read_field_by_field() -> None:
    assert decode(FLAWLESS.but(demotion=3).build(), AT_HOME) == Advertisement(
        source=IPv4Address("192.0.2.179"),
        destination=IPv4Address("224.0.0.18"),
        vhid=1,
        advbase=1,
        advskew=100,
        demotion=3,
        counter=0x0123456789ABCDEF,
        digest=bytes(range(20)),
        host=bytes((179, 2, 0, 192)),
    )


# Refusals


@pytest.mark.parametrize(
    ("flawed", "expected"),
    [
        pytest.param(FLAWLESS.but(vhid=8), Drop.DESTINATION, id="right for VHID 1, wrong for 8"),
        pytest.param(
            FLAWLESS.but(destination=AT_HOME[8]), Drop.DESTINATION, id="right for 8, wrong for 1"
        ),
        pytest.param(FLAWLESS.but(vhid=0), Drop.VHID, id="VHID 0 is nobody's"),
    ],
)
def test_each_vhid_listens_to_its_own_group(flawed: Packet, expected: Drop) -> None:
    assert decode(flawed.build(), AT_HOME) is expected


def test_a_unicast_group_hears_its_peers_from_beyond_routers_and_nobody_else() -> None:
    peer = FLAWLESS.but(ttl=12)
    us = {1: GROUP}
    assert isinstance(decode(peer.build(), us, {1: (bytes((192, 0, 2, 179)),)}), Advertisement)
    assert decode(peer.build(), us, {1: (bytes((192, 0, 2, 180)),)}) is Drop.PEER
    assert decode(FLAWLESS.build(), us, {1: ()}) is Drop.PEER
    assert decode(peer.build(), us, {8: (bytes((192, 0, 2, 179)),)}) is Drop.TTL


@pytest.mark.parametrize("bit", range(16))
@pytest.mark.parametrize("which", ["ip_flipped", "carp_flipped"])
def test_a_checksum_with_any_wrong_bit_is_refused(which: str, bit: int) -> None:
    assert decode(FLAWLESS.but(**{which: 1 << bit}).build(), AT_HOME) is Drop.CHECKSUM


def test_a_packet_of_zeros_is_not_taken_for_one_with_a_good_checksum() -> None:
    assert isinstance(decode(bytes(56), {0: IPv4Address(0)}), Drop)


# Anything at all

BYTES = st.integers(0, 255)


def from_any(addresses: st.SearchStrategy[Address]) -> st.SearchStrategy[Advertisement]:
    return st.builds(
        Advertisement,
        source=addresses,
        destination=addresses,
        vhid=BYTES,
        advbase=BYTES,
        advskew=BYTES,
        demotion=BYTES,
        counter=st.integers(0, 2**64 - 1),
        digest=st.binary(min_size=20, max_size=20),
    ).map(lambda ad: ad._replace(host=by_address(ad.source)))


IPV4 = from_any(st.integers(0, 2**32 - 1).map(IPv4Address))
IPV6 = from_any(st.integers(0, 2**128 - 1).map(IPv6Address))


def as_bsd(frame: str) -> bytes:
    """The IPv6 packet in an Ethernet frame, in hexadecimal."""
    return bytes.fromhex(frame)[14:]


#: As FreeBSD and OpenBSD send it, by their code (checked with tcpdump and Wireshark): password
#: "secret", VHID 1, 192.0.2.1 and 2001:db8::1, advbase 1, advskew 0, from fe80::5054:ff:fe12:3456.
FREEBSD = as_bsd(
    "33330000001200005e00010186dd6e000000002470fffe80000000000000505400fffe123456"
    "ff020000000000000000000000000012210100070001126111223344556677889e439fdb1b94"
    "8cd7a10b1ea40d50300194eb42c9"
)
OPENBSD = as_bsd(
    "33330000001200005e00010186dd60000000002470fffe80000000000000505400fffe123456"
    "ff020000000000000000000000000012210100070001995c0102030405060708700cc13f194c"
    "e21736e46b206000d442854ead3f"
)
AT_HOME_IPV6 = {1: MULTICAST_IPV6}


@pytest.mark.parametrize("packet", [FREEBSD, OPENBSD], ids=["FreeBSD", "OpenBSD"])
def test_the_bsds_ipv6_advertisements_are_read_and_written(packet: bytes) -> None:
    ad = decode(packet, AT_HOME_IPV6)
    assert isinstance(ad, Advertisement)
    assert str(ad.source) == "fe80::5054:ff:fe12:3456"
    assert (ad.vhid, ad.advbase, ad.advskew, ad.demotion) == (1, 1, 0, 0)
    ours = Digest(b"secret", 1, map(ip_address, ("192.0.2.1", "2001:db8::1")))
    assert ours.verify(ad.counter, ad.digest)
    assert encode(ad)[4:] == packet[4:]  # all but traffic class and flow label


@pytest.mark.parametrize(
    ("at", "byte", "expected"),
    [
        pytest.param(0, 0x45, Drop.NOT_CARP, id="another version"),
        pytest.param(5, 35, Drop.SHORT, id="too short by its own account"),
        pytest.param(6, 58, Drop.NOT_CARP, id="ICMPv6"),
        pytest.param(6, 0, Drop.NOT_CARP, id="an extension header"),
        pytest.param(7, 254, Drop.TTL, id="crossed a router"),
        pytest.param(39, 0x13, Drop.DESTINATION, id="another group"),
        pytest.param(40, 0x31, Drop.VERSION, id="VRRPv3"),
        pytest.param(40, 0x22, Drop.TYPE, id="another type"),
        pytest.param(41, 2, Drop.VHID, id="another VHID"),
        pytest.param(43, 6, Drop.TYPE, id="another authentication length"),
        pytest.param(45, 2, Drop.CHECKSUM, id="a flipped bit"),
    ],
)
def test_a_flawed_ipv6_packet_is_refused(at: int, byte: int, expected: Drop) -> None:
    packet = bytearray(OPENBSD)
    packet[at] = byte
    assert decode(bytes(packet), AT_HOME_IPV6) is expected


def test_a_unicast_group_hears_its_ipv6_peers_from_beyond_routers() -> None:
    packet = bytearray(OPENBSD)
    packet[7] = 12
    heard = decode(bytes(packet), AT_HOME_IPV6, {1: (bytes(packet[8:24]),)})
    assert isinstance(heard, Advertisement)
    assert decode(bytes(packet), AT_HOME_IPV6, {1: (bytes(16),)}) is Drop.PEER
    assert decode(bytes(packet), AT_HOME_IPV6) is Drop.TTL


@given(st.integers(0, len(OPENBSD) - 1))
def test_a_cut_ipv6_packet_is_refused(length: int) -> None:
    assert decode(OPENBSD[:length], AT_HOME_IPV6) in (Drop.SHORT, Drop.NOT_CARP)


@given(IPV4 | IPV6, st.binary(max_size=8))
def test_decoding_what_was_encoded_gives_the_same(ad: Advertisement, padding: bytes) -> None:
    assert decode(encode(ad) + padding, {ad.vhid: ad.destination}) == ad


@given(IPV4 | IPV6, st.lists(st.tuples(BYTES, BYTES, BYTES, st.integers(0, 2**64 - 1)), min_size=2))
def test_an_envelope_is_used_again(
    ad: Advertisement, several: list[tuple[int, int, int, int]]
) -> None:
    envelope = Envelope(ad.vhid, ad.source, ad.destination, ad.host)
    for advbase, advskew, demotion, counter in several:
        other = ad._replace(advbase=advbase, advskew=advskew, demotion=demotion, counter=counter)
        assert envelope.around((advbase, advskew, demotion), counter, ad.digest) == encode(other)
        assert decode(encode(other), {ad.vhid: ad.destination}) == other


@given(IPV4)
def test_encode_reckons_the_checksums_of_the_rfc(ad: Advertisement) -> None:
    packet = encode(ad)
    assert checksum(packet[:20]) == 0
    assert checksum(packet[20:]) == 0


@given(st.binary(max_size=128))
def test_no_bytes_make_decode_raise(packet: bytes) -> None:
    assert isinstance(decode(packet, AT_HOME), Drop | Advertisement)


@given(
    st.builds(FLAWLESS._replace, advbase=BYTES, advskew=BYTES),
    st.lists(st.tuples(st.integers(0, 55), BYTES), min_size=1, max_size=4),
    st.integers(0, 60),
)
def test_no_mutation_of_a_valid_packet_makes_decode_raise(
    valid: Packet, changes: list[tuple[int, int]], length: int
) -> None:
    packet = bytearray(valid.build() + b"\0" * 4)
    for at, value in changes:
        packet[at] = value
    assert isinstance(decode(bytes(packet[:length]), AT_HOME), Drop | Advertisement)
    assert isinstance(decode(bytes(packet), AT_HOME), Drop | Advertisement)


@given(st.integers(0, 56 * 8 - 1))
def test_no_single_bit_can_change_unnoticed(bit: int) -> None:
    packet = bytearray(FLAWLESS.build())
    packet[bit // 8] ^= 1 << bit % 8
    assert isinstance(decode(bytes(packet), AT_HOME), Drop)
