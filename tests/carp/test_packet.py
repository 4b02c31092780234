"""The 56 bytes of an advertisement, and the order in which a receiver doubts them."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipd.carp.digest import Digest
from vipd.carp.packet import Advertisement, Drop, decode, encode

from .handmade import FLAWLESS, GROUP, Packet, checksum
from .ucarp_frames import CAPTURES, Capture

AT_HOME = {1: GROUP, 8: IPv4Address("239.192.0.5")}

#: One flaw a check, each the smallest that trips it; in the order in which they are looked for.
FLAWS = {
    Drop.NOT_CARP: FLAWLESS.but(protocol=17),
    Drop.TTL: FLAWLESS.but(ttl=254),
    Drop.VERSION: FLAWLESS.but(carp_version=3),
    Drop.TYPE: FLAWLESS.but(carp_type=2),
    Drop.VHID: FLAWLESS.but(vhid=2),
    Drop.DESTINATION: FLAWLESS.but(destination=IPv4Address("224.0.0.19")),
    Drop.CHECKSUM: FLAWLESS.but(carp_flipped=1),
}
#: What the packet cannot tell by itself: these need the password, or the socket it came through.
NEED_MORE_THAN_THE_PACKET = {Drop.DIGEST, Drop.ECHO, Drop.OWN_SOURCE}


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


@pytest.mark.parametrize(("drop", "flawed"), FLAWS.items(), ids=[drop.name for drop in FLAWS])
def test_each_flaw_is_refused_by_its_own_name(drop: Drop, flawed: Packet) -> None:
    assert decode(flawed.build(), AT_HOME) is drop


@pytest.mark.parametrize("length", [0, 1, 19, 20, 55])
def test_a_packet_shorter_than_both_headers_is_short(length: int) -> None:
    assert decode(FLAWLESS.build()[:length], AT_HOME) is Drop.SHORT


@pytest.mark.parametrize(
    "flawed",
    [
        pytest.param(FLAWLESS.but(header_words=4), id="a header length below 20 bytes"),
        pytest.param(FLAWLESS.but(header_words=15), id="a header that reaches past the end"),
        pytest.param(
            FLAWLESS.but(header_words=15, total_length=96),
            id="a header and a total length that reach past the end",
        ),
        pytest.param(FLAWLESS.but(total_length=55), id="a total length that cuts the digest"),
        pytest.param(FLAWLESS.but(total_length=0), id="a total length of 0"),
        pytest.param(
            FLAWLESS.but(options=b"\1" * 4, total_length=56),
            id="a total length that forgets the options",
        ),
    ],
)
def test_lengths_that_contradict_the_packet_are_short(flawed: Packet) -> None:
    assert decode(flawed.build(), AT_HOME) is Drop.SHORT


@pytest.mark.parametrize(
    "flawed",
    [
        pytest.param(FLAWLESS.but(ip_version=6), id="not IPv4"),
        pytest.param(FLAWLESS.but(protocol=17), id="another protocol"),
        pytest.param(FLAWLESS.but(fragment=0x2000), id="the first fragment"),
        pytest.param(FLAWLESS.but(fragment=0x0001), id="a later fragment"),
    ],
)
def test_what_is_no_whole_ipv4_packet_of_protocol_112_is_not_carp(flawed: Packet) -> None:
    assert decode(flawed.build(), AT_HOME) is Drop.NOT_CARP


@pytest.mark.parametrize("ttl", [0, 1, 64, 254])
def test_every_ttl_but_255_crossed_a_router(ttl: int) -> None:
    assert decode(FLAWLESS.but(ttl=ttl).build(), AT_HOME) is Drop.TTL


@pytest.mark.parametrize(
    "flawed", [FLAWLESS.but(carp_type=0), FLAWLESS.but(authlen=6), FLAWLESS.but(authlen=8)]
)
def test_another_type_or_authentication_length_is_type(flawed: Packet) -> None:
    assert decode(flawed.build(), AT_HOME) is Drop.TYPE


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


def test_a_wrong_password_passes_all_checks_but_the_digest() -> None:
    packet = CAPTURES[0].packets[0]
    ad = decode(packet, AT_HOME)
    assert isinstance(ad, Advertisement)
    assert not Digest(b"hate", ad.vhid, [CAPTURES[0].address]).verify(ad.counter, ad.digest)


def test_decode_names_every_flaw_that_the_packet_alone_can_tell() -> None:
    assert {Drop.SHORT, *FLAWS} == set(Drop) - NEED_MORE_THAN_THE_PACKET
    assert list(Drop) == [Drop.SHORT, *FLAWS, Drop.DIGEST, Drop.ECHO, Drop.OWN_SOURCE]


@pytest.mark.parametrize("position", range(len(FLAWS)), ids=[drop.name for drop in FLAWS])
def test_of_several_flaws_the_first_in_the_order_is_named(position: int) -> None:
    """All flaws from this one on in a single packet."""
    changes: dict[str, object] = {}
    for flawed in list(FLAWS.values())[position:]:
        changes |= {k: v for k, v in flawed._asdict().items() if getattr(FLAWLESS, k) != v}
    packet = FLAWLESS.but(**changes).build()
    assert decode(packet, AT_HOME) is list(FLAWS)[position]
    assert decode(packet[:-1], AT_HOME) is Drop.SHORT


# What must not disturb


def test_ethernet_padding_after_the_packet_is_ignored() -> None:
    packet = FLAWLESS.build()
    assert decode(packet + b"\xa5" * 4, AT_HOME) == decode(packet, AT_HOME)


@pytest.mark.parametrize("words", [1, 10])
def test_ip_options_are_skipped(words: int) -> None:
    packet = FLAWLESS.but(options=b"\x01\x01\x01\x00" * words)
    assert decode(packet.build(), AT_HOME) == decode(FLAWLESS.build(), AT_HOME)


@pytest.mark.parametrize("changes", [{"tos": 0}, {"fragment": 0}, {"identification": 0}])
def test_fields_that_nobody_checks_are_not_checked(changes: dict[str, int]) -> None:
    packet = FLAWLESS.but(**changes)
    assert decode(packet.build(), AT_HOME) == decode(FLAWLESS.build(), AT_HOME)


def test_a_packet_of_zeros_is_not_taken_for_one_with_a_good_checksum() -> None:
    assert isinstance(decode(bytes(56), {0: IPv4Address(0)}), Drop)


# What we send


def test_encode_writes_the_very_bytes_of_ucarp() -> None:
    for capture in CAPTURES:
        for packet in capture.packets:
            ad = decode(packet, {capture.vhid: capture.group})
            assert isinstance(ad, Advertisement)
            ours = encode(ad)
            # Only the IP identification (random in ucarp) and the checksum over it differ.
            assert ours[:4] + ours[6:10] + ours[12:] == packet[:4] + packet[6:10] + packet[12:]


@pytest.mark.parametrize("capture", CAPTURES, ids=[c.name for c in CAPTURES])
def test_what_ucarp_sends_is_read_as_it_was_told(capture: Capture) -> None:
    for packet in capture.packets:
        ad = decode(packet, {capture.vhid: capture.group})
        assert isinstance(ad, Advertisement)
        assert ad[:6] == (
            capture.source,
            capture.group,
            capture.vhid,
            capture.advbase,
            capture.advskew,
            0,
        )


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
