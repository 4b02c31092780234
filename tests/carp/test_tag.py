"""Tagged counters: what they say, and what nobody without the password can make them say."""

import random
from ipaddress import IPv4Address
from itertools import pairwise

import pytest

from vipd.carp.digest import Digest
from vipd.carp.host import by_address
from vipd.carp.packet import Advertisement
from vipd.carp.tag import Reading, Tags, following, is_newer, sequence_of

PASSWORD = b"love"
TAGS = Tags(PASSWORD, 1)
US, OTHER = IPv4Address("192.0.2.10"), IPv4Address("192.0.2.20")
DIGEST = Digest(PASSWORD, 1, [IPv4Address("198.51.100.154")])
WORDS = (1, 100, 0)
HIGHEST = (1 << 34) - 1


def ad(
    counter: int, words: tuple[int, int, int] = WORDS, source: IPv4Address = US
) -> Advertisement:
    """It is signed: only who knows the password can choose the counter."""
    host = by_address(source)
    return Advertisement(source, source, 1, *words, counter, DIGEST.sign(counter), host)


def made(sequence: int, words: tuple[int, int, int] = WORDS, source: IPv4Address = US) -> int:
    return TAGS.counter(sequence, by_address(source), words)


def read(each: Advertisement, tags: Tags = TAGS) -> Reading:
    return tags.read(each, each.host)


@pytest.mark.parametrize("sequence", [0, 1, 1 << 31, HIGHEST])
def test_a_counter_says_who_sent_what_and_when(sequence: int) -> None:
    counter = made(sequence)
    assert 1 << 63 <= counter < 1 << 64
    assert sequence_of(counter) == sequence
    assert read(ad(counter)) is Reading.GENUINE


def test_what_was_altered_is_known_without_knowing_the_sender() -> None:
    """But for one of 2**14 alterations, whose tag happens to be the same."""
    draw = random.Random(1)
    missed = 0
    for sequence in range(10_000):
        counter = made(sequence)
        words = draw.randrange(256), draw.randrange(256), draw.randrange(2)
        altered = ad(counter, words) if sequence % 2 else ad(counter, source=OTHER)
        reading = read(altered)
        assert reading is not Reading.UNTAGGED
        missed += reading is Reading.GENUINE
    assert missed < 6


def test_an_alteration_that_passes_once_does_not_pass_again() -> None:
    """The function is another one for each sequence."""
    words = (255, 255, 0)
    passed = [n for n in range(50_000) if read(ad(made(n), words)) is Reading.GENUINE]
    assert len(passed) < 15
    assert len({(b - a) for a, b in pairwise(passed)}) == len(passed) - 1


@pytest.mark.parametrize("words", [(255, 255, 0), (0, 1, 0), (1, 100, 1), (1, 99, 0)])
def test_the_bytes_that_the_digest_does_not_cover_are_covered(words: tuple[int, int, int]) -> None:
    assert all(read(ad(made(n), words)) is Reading.ALTERED for n in range(100))


def test_counters_grow_with_their_sequence_and_above_those_of_older_vipds() -> None:
    counters = [made(n, source=OTHER if n % 2 else US) for n in range(1000)]
    assert counters == sorted(set(counters))
    assert counters[0] >= 1 << 63


def test_what_follows_a_tagged_counter_is_none() -> None:
    """ucarp and FreeBSD go on from the counter that they have heard last."""
    counter = made(7)
    readings = [read(ad(counter + more, source=OTHER)) for more in range(1, 20_000)]
    assert sum(reading is not Reading.UNTAGGED for reading in readings) <= 2


def test_of_arbitrary_counters_next_to_none_has_a_marker() -> None:
    draw = random.Random(2)
    readings = [read(ad(draw.getrandbits(64))) for _ in range(50_000)]
    assert sum(reading is not Reading.UNTAGGED for reading in readings) < 8
    assert Reading.GENUINE not in readings


def test_the_nanoseconds_of_older_vipds_never_have_a_marker() -> None:
    assert {read(ad(1_790_000_000_000_000_000 + n)) for n in range(1000)} == {Reading.UNTAGGED}


def test_another_password_or_vhid_makes_other_tags() -> None:
    for other in (Tags(b"hate", 1), Tags(PASSWORD, 2)):
        readings = [read(ad(made(n)), other) for n in range(1000)]
        assert readings.count(Reading.UNTAGGED) > 990


def test_sequences_begin_again_after_the_last() -> None:
    assert following(HIGHEST) == 0
    assert is_newer(0, HIGHEST)
    assert not is_newer(HIGHEST, 0)
    assert not is_newer(5, 5)
    assert is_newer(following(5, 1 << 32), 5)
