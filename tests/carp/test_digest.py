"""HMAC-SHA1 over the addresses in any order; what real hosts send is in tests/conformance."""

import hmac
import json
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipd.carp.digest import Digest
from vipd.carp.host import Address

COUNTER = 0x0123456789ABCDEF
FOUR_LOW = IPv4Address("192.0.2.1")
IPV6_LINK_LOCAL = IPv6Network("fe80::/10")


def reference(password: bytes, vhid: int, hashed: bytes, counter: int = COUNTER) -> bytes:
    """The definition: key padded with zeros to 20 bytes, then 02 01 VHID, addresses, counter."""
    message = b"\x02\x01" + bytes([vhid]) + hashed + counter.to_bytes(8, "big")
    return hmac.digest(password.ljust(20, b"\0"), message, "sha1")


def test_a_digest_is_good_for_its_own_counter_only() -> None:
    digest = Digest(b"love", 1, [FOUR_LOW])
    assert digest.verify(COUNTER, digest.sign(COUNTER))
    assert not digest.verify(COUNTER + 1, digest.sign(COUNTER))


@pytest.mark.parametrize("wrong", [b"", bytes(19), bytes(20), bytes(21)])
def test_a_digest_of_any_length_can_be_refused(wrong: bytes) -> None:
    for counter in (0, COUNTER):
        assert not Digest(b"love", 1, [FOUR_LOW]).verify(counter, wrong)


def test_a_wrong_one_stays_wrong_and_one_that_was_verified_helps_no_other() -> None:
    digest = Digest(b"love", 1, [FOUR_LOW])
    right = digest.sign(COUNTER)
    for counter, wrong in ((COUNTER + 1, right), (COUNTER, bytes(20)), (COUNTER, right[:-1])):
        for _ in range(2):
            assert not digest.verify(counter, wrong)
            assert not digest.verify(counter, wrong)
            assert digest.verify(COUNTER, right)


def test_copies_of_either_form_verify_and_the_latest_is_answered_in_its_form() -> None:
    local = IPv6Address("fe80::1")
    digest = Digest(b"love", 7, [FOUR_LOW, local])
    without = reference(b"love", 7, FOUR_LOW.packed)
    with_it = reference(b"love", 7, FOUR_LOW.packed + local.packed)
    for right in (without, with_it, with_it, without, with_it):
        assert digest.verify(COUNTER, right)
        assert digest.sign(COUNTER) == right
        for _ in range(2):
            assert not digest.verify(COUNTER, bytes(20))
            assert not digest.verify(COUNTER + 1, right)


# Several addresses


def test_a_group_without_link_local_addresses_has_one_form_only() -> None:
    with_link_local = FOUR_LOW.packed + IPv6Address("fe80::1").packed
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


# What the real functions of other programs make

VECTORS = [
    json.loads(line) for line in (Path(__file__).parent / "digests.jsonl").read_text().splitlines()
]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['impl']}, {v['note']}, {v['form']}")
def test_digests_of_other_programs_verify_and_are_answered_in_their_form(
    vector: dict[str, Any],
) -> None:
    password = bytes.fromhex(vector["password_hex"])
    addresses = [ip_address(each) for each in vector["addresses"]]
    if "keeps 19 bytes" in vector["note"]:
        assert not Digest(password, vector["vhid"], addresses).verify(
            vector["counter"], bytes.fromhex(vector["digest_hex"])
        )
        password = password[:19]
    ours = Digest(password, vector["vhid"], addresses)
    counter, theirs = vector["counter"], bytes.fromhex(vector["digest_hex"])
    assert ours.verify(counter, theirs)
    assert ours.sign(counter) == theirs
