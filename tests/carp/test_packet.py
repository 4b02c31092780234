"""The 56 bytes of an advertisement, and the order in which a receiver doubts them."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipd.carp.packet import Advertisement, Drop, decode, encode

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


@pytest.mark.parametrize("bit", range(16))
@pytest.mark.parametrize("which", ["ip_flipped", "carp_flipped"])
def test_a_checksum_with_any_wrong_bit_is_refused(which: str, bit: int) -> None:
    assert decode(FLAWLESS.but(**{which: 1 << bit}).build(), AT_HOME) is Drop.CHECKSUM


def test_a_packet_of_zeros_is_not_taken_for_one_with_a_good_checksum() -> None:
    assert isinstance(decode(bytes(56), {0: IPv4Address(0)}), Drop)


# Anything at all

ADDRESSES = st.integers(0, 2**32 - 1).map(IPv4Address)
BYTES = st.integers(0, 255)
ADVERTISEMENTS = st.builds(
    Advertisement,
    source=ADDRESSES,
    destination=ADDRESSES,
    vhid=BYTES,
    advbase=BYTES,
    advskew=BYTES,
    demotion=BYTES,
    counter=st.integers(0, 2**64 - 1),
    digest=st.binary(min_size=20, max_size=20),
)


@given(ADVERTISEMENTS, st.binary(max_size=8))
def test_decoding_what_was_encoded_gives_the_same(ad: Advertisement, padding: bytes) -> None:
    assert decode(encode(ad) + padding, {ad.vhid: ad.destination}) == ad


@given(ADVERTISEMENTS)
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
