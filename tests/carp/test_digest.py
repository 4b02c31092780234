"""HMAC-SHA1 as the real ucarp and OpenBSD reckon it."""

import hmac
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipd.carp.digest import Address, Digest
from vipd.carp.packet import Advertisement, decode

from .ucarp_frames import CAPTURES, Capture

COUNTER = 0x0123456789ABCDEF
FOUR_LOW, FOUR_HIGH = IPv4Address("192.0.2.1"), IPv4Address("198.51.100.1")
SIX_LOW, SIX_HIGH = IPv6Address("2001:db8::1"), IPv6Address("2001:db8::1:0")
LINK_LOCAL = IPv6Address("fe80::1")
IPV6_LINK_LOCAL = IPv6Network("fe80::/10")


def reference(password: bytes, vhid: int, hashed: bytes, counter: int = COUNTER) -> bytes:
    """The definition: key padded with zeros to 20 bytes, then 02 01 VHID, addresses, counter."""
    message = b"\x02\x01" + bytes([vhid]) + hashed + counter.to_bytes(8, "big")
    return hmac.digest(password.ljust(20, b"\0"), message, "sha1")


def bytes_of(*addresses: str) -> bytes:
    return b"".join(ip_address(address).packed for address in addresses)


# The real ucarp


@pytest.mark.parametrize("capture", CAPTURES, ids=[c.name for c in CAPTURES])
def test_ucarps_digest_is_ours(capture: Capture) -> None:
    digest = Digest(capture.password, capture.vhid, [capture.address])
    for packet in capture.packets:
        ad = decode(packet, {capture.vhid: capture.group})
        assert isinstance(ad, Advertisement)
        assert digest.sign(ad.counter) == ad.digest
        assert digest.verify(ad.counter, ad.digest)


@pytest.mark.parametrize(
    "stranger",
    [
        pytest.param(Digest(b"hate", 1, [CAPTURES[0].address]), id="another password"),
        pytest.param(Digest(b"love", 2, [CAPTURES[0].address]), id="another VHID"),
        pytest.param(Digest(b"love", 1, [CAPTURES[1].address]), id="another address"),
        pytest.param(
            Digest(b"love", 1, [CAPTURES[0].address, FOUR_LOW]), id="one address too many"
        ),
    ],
)
def test_a_host_of_another_mind_is_refused(stranger: Digest) -> None:
    ad = decode(CAPTURES[0].packets[0], {1: CAPTURES[0].group})
    assert isinstance(ad, Advertisement)
    assert not stranger.verify(ad.counter, ad.digest)


def test_a_digest_is_good_for_its_own_counter_only() -> None:
    digest = Digest(b"love", 1, [FOUR_LOW])
    assert digest.verify(COUNTER, digest.sign(COUNTER))
    assert not digest.verify(COUNTER + 1, digest.sign(COUNTER))


@pytest.mark.parametrize("wrong", [b"", bytes(19), bytes(20), bytes(21)])
def test_a_digest_of_any_length_can_be_refused(wrong: bytes) -> None:
    assert not Digest(b"love", 1, [FOUR_LOW]).verify(COUNTER, wrong)


# OpenBSD's several addresses


@pytest.mark.parametrize(
    ("addresses", "hashed"),
    [
        pytest.param(
            [FOUR_HIGH, FOUR_LOW], bytes_of("192.0.2.1", "198.51.100.1"), id="IPv4 ascending"
        ),
        pytest.param(
            [IPv4Address("192.0.2.10"), IPv4Address("192.0.2.9")],
            bytes_of("192.0.2.9", "192.0.2.10"),
            id="by number, not as text",
        ),
        pytest.param(
            [SIX_HIGH, SIX_LOW], bytes_of("2001:db8::1", "2001:db8::1:0"), id="IPv6 ascending"
        ),
        pytest.param(
            [SIX_LOW, FOUR_HIGH, SIX_HIGH, FOUR_LOW],
            bytes_of("192.0.2.1", "198.51.100.1", "2001:db8::1", "2001:db8::1:0"),
            id="IPv4 before IPv6",
        ),
        pytest.param([FOUR_LOW, FOUR_LOW], bytes_of("192.0.2.1"), id="a repeated address once"),
        pytest.param(
            [LINK_LOCAL, SIX_LOW, FOUR_LOW],
            bytes_of("192.0.2.1", "2001:db8::1"),
            id="link-local left out when sending",
        ),
        pytest.param([LINK_LOCAL], b"", id="nothing but link-local: no address at all"),
        pytest.param(
            [IPv4Address("169.254.0.1")], bytes_of("169.254.0.1"), id="link-local IPv4 stays in"
        ),
    ],
)
def test_addresses_are_hashed_in_the_order_of_openbsd(
    addresses: list[Address], hashed: bytes
) -> None:
    assert Digest(b"love", 7, addresses).sign(COUNTER) == reference(b"love", 7, hashed)


@pytest.mark.parametrize(
    "hashed",
    [
        pytest.param(bytes_of("192.0.2.1", "2001:db8::1"), id="without the link-local address"),
        pytest.param(bytes_of("192.0.2.1", "2001:db8::1", "fe80::1"), id="with it"),
    ],
)
def test_a_peer_may_hash_link_local_addresses_or_not(hashed: bytes) -> None:
    digest = Digest(b"love", 7, [LINK_LOCAL, SIX_LOW, FOUR_LOW])
    assert digest.verify(COUNTER, reference(b"love", 7, hashed))
    assert not digest.verify(COUNTER, reference(b"hate", 7, hashed))


def test_a_group_without_link_local_addresses_has_one_form_only() -> None:
    with_link_local = bytes_of("192.0.2.1", "fe80::1")
    assert not Digest(b"love", 7, [FOUR_LOW]).verify(
        COUNTER, reference(b"love", 7, with_link_local)
    )


# Limits


@pytest.mark.parametrize(
    ("password", "vhid", "addresses", "complaint"),
    [
        (b"", 1, [FOUR_LOW], "1 to 20 bytes"),
        (b"x" * 21, 1, [FOUR_LOW], "1 to 20 bytes"),
        (b"love", 0, [FOUR_LOW], "1 to 255"),
        (b"love", 256, [FOUR_LOW], "1 to 255"),
        (b"love", 1, [], "at least one address"),
    ],
)
def test_what_no_group_can_have_is_refused(
    password: bytes, vhid: int, addresses: list[Address], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        Digest(password, vhid, addresses)


@pytest.mark.parametrize("length", [1, 19, 20])
def test_passwords_of_up_to_20_bytes_are_keys(length: int) -> None:
    password = b"p" * length
    assert Digest(password, 255, [FOUR_LOW]).sign(0) == reference(
        password, 255, FOUR_LOW.packed, counter=0
    )


ADDRESSES: st.SearchStrategy[Address] = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@given(
    st.binary(min_size=1, max_size=20),
    st.integers(1, 255),
    st.lists(ADDRESSES, min_size=1, max_size=6),
    st.integers(0, 2**64 - 1),
    st.randoms(use_true_random=False),
)
def test_hosts_that_list_the_addresses_differently_agree(
    password: bytes, vhid: int, addresses: list[Address], counter: int, random: Random
) -> None:
    shuffled = random.sample(addresses, len(addresses))
    ours, theirs = Digest(password, vhid, addresses), Digest(password, vhid, shuffled)
    ordered = sorted(set(addresses), key=lambda a: (a.version, int(a)))
    hashed = b"".join(a.packed for a in ordered if a not in IPV6_LINK_LOCAL)
    assert ours.sign(counter) == theirs.sign(counter) == reference(password, vhid, hashed, counter)
    assert ours.verify(counter, theirs.sign(counter))
