"""Which advertisements with a right digest count: attacks, and hosts that mean well."""

from ipaddress import IPv4Address

import pytest

from vipd.carp.authenticity import COPIES, HOSTS, SUSPICION, UNTAGGED_HOSTS, Authenticity, Mode
from vipd.carp.host import by_address
from vipd.carp.packet import Advertisement, Drop
from vipd.carp.tag import Tags

A, B, UCARP = (IPv4Address(f"192.0.2.{n}") for n in (10, 20, 30))
TAGS = Tags(b"love", 1)
ORDINARY, BOW_OUT, FASTEST = (1, 0, 0), (255, 255, 0), (0, 1, 0)
PATIENCE = 3.0
HOUR = 3600.0


def ad(counter: int, words: tuple[int, int, int], source: IPv4Address) -> Advertisement:
    return Advertisement(source, source, 1, *words, counter, bytes(20), by_address(source))


def tagged(
    sequence: int, words: tuple[int, int, int] = ORDINARY, source: IPv4Address = A
) -> Advertisement:
    return ad(TAGS.counter(sequence, by_address(source), words), words, source)


def altered(each: Advertisement, words: tuple[int, int, int]) -> Advertisement:
    advbase, advskew, demotion = words
    return each._replace(advbase=advbase, advskew=advskew, demotion=demotion)


class Receiver:
    def __init__(self, mode: Mode = Mode.AUTO) -> None:
        self.memory = Authenticity(mode)

    def hears(self, each: Advertisement, now: float = 0.0, came: float = 0.0) -> Drop | bool:
        return self.memory.judge(each, each.host, TAGS, now, PATIENCE, came)


@pytest.fixture
def us() -> Receiver:
    return Receiver()


def test_what_grows_is_heard(us: Receiver) -> None:
    assert [us.hears(tagged(n), n) for n in (7, 8, 9, 500)] == [True] * 4
    assert us.memory.sequence == 500


@pytest.mark.parametrize("words", [BOW_OUT, FASTEST, (1, 0, 1)])
@pytest.mark.parametrize("after", [0.0, 1.0, HOUR])
def test_an_altered_recording_is_forged(
    us: Receiver, words: tuple[int, int, int], after: float
) -> None:
    recording = tagged(7)
    assert us.hears(recording)
    us.hears(tagged(8), 1.0)
    assert us.hears(altered(recording, words), 1.0 + after) is Drop.FORGED


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.STRICT])
def test_it_is_even_if_nothing_was_ever_heard_and_in_any_name(mode: Mode) -> None:
    us = Receiver(mode)
    recording = altered(tagged(7), FASTEST)
    stranger = IPv4Address("203.0.113.7")
    assert us.hears(recording) is Drop.FORGED
    assert us.hears(recording._replace(source=B, host=by_address(B))) is Drop.FORGED
    assert us.hears(recording._replace(source=stranger, host=b"?")) is Drop.FORGED


@pytest.mark.parametrize("after", [2 * COPIES, HOUR, 1000 * HOUR])
def test_an_old_advertisement_is_not_heard_again(us: Receiver, after: float) -> None:
    """Not even the last one, nor a bow-out, and however long its sender is silent."""
    for sequence in (7, 8):
        us.hears(tagged(sequence), sequence)
    us.hears(tagged(9, BOW_OUT), 9)
    for each in (tagged(7), tagged(8), tagged(9, BOW_OUT)):
        assert us.hears(each, 9 + after) is Drop.REPEATED


def test_an_old_one_that_its_receiver_has_missed_does_not_count_either(us: Receiver) -> None:
    us.hears(tagged(7), 7)
    us.hears(tagged(9), 9)
    us.hears(tagged(10), 10)
    us.hears(tagged(11), 11)
    assert us.hears(tagged(8, BOW_OUT), 11) is Drop.REPEATED


def test_copies_and_what_was_overtaken_are_no_news_and_no_reason_to_complain(us: Receiver) -> None:
    us.hears(tagged(7), 7)
    us.hears(tagged(9), 9)
    assert us.hears(tagged(9), 9.01) is False
    assert us.hears(tagged(8), 9.02) is False
    assert us.hears(tagged(10), 10) is True


def test_a_queue_that_is_read_family_by_family_is_no_reason_either(us: Receiver) -> None:
    """The process was stopped for a minute, and each family has a socket of its own."""
    us.hears(tagged(7), 7)
    assert all(us.hears(tagged(n), 60 + n / 1e5) is True for n in range(8, 67))
    assert not any(us.hears(tagged(n), 60.1 + n / 1e5) for n in range(8, 67))


def test_a_copy_that_waited_in_the_socket_of_a_stopped_process_is_no_reason_either(
    us: Receiver,
) -> None:
    """It had come before the process was stopped, right after what it is a copy of."""
    us.hears(tagged(7), 7)
    us.hears(tagged(9), 9)
    assert us.hears(tagged(9), 60, came=9.01) is False
    assert us.hears(tagged(8), 60, came=9.02) is False
    assert us.hears(tagged(9), 60, came=30) is Drop.REPEATED
    assert us.hears(tagged(9), 60, came=70) is Drop.REPEATED  # somebody sets the clock


def test_a_host_whose_clock_is_anything_is_heard_as_long_as_its_sequence_grows(
    us: Receiver,
) -> None:
    assert us.hears(tagged(7)) is True
    assert us.hears(tagged(1 << 32)) is True
    assert us.hears(tagged(3, source=B)) is True
    assert us.hears(tagged(4, source=B)) is True


def test_after_2_to_the_34_advertisements_it_begins_again(us: Receiver) -> None:
    us.hears(tagged((1 << 34) - 1))
    assert us.hears(tagged(0)) is True


@pytest.mark.parametrize("random", [True, False])
def test_ucarp_and_the_bsds_are_heard_as_ever(us: Receiver, random: bool) -> None:
    """ucarp goes on from the counter that it has heard last, OpenBSD keeps its own."""
    us.hears(tagged(7))
    last = tagged(7).counter
    counters = [last + 1 + n for n in range(50)] if random else [last ^ 0xFFFF] * 50
    for now, counter in enumerate(counters):
        assert us.hears(ad(counter, ORDINARY, UCARP), now) is True
        assert us.hears(ad(counter, BOW_OUT, UCARP), now) is True
    assert us.hears(tagged(8)) is True


def test_a_ucarp_whose_number_looks_like_a_tagged_one_is_heard(us: Receiver) -> None:
    us.hears(ad(5, ORDINARY, UCARP), 0)
    chance = ad(tagged(7).counter, ORDINARY, UCARP)
    assert us.hears(chance, 1) is True
    assert us.hears(chance, 60) is Drop.FORGED  # nothing was heard of it for a minute


def test_a_host_that_has_tags_now_is_no_host_without_them_any_more(us: Receiver) -> None:
    us.hears(ad(5, ORDINARY, A), 1)
    us.hears(tagged(8), 2)
    assert us.hears(altered(tagged(8), BOW_OUT), 2) is Drop.FORGED


def test_a_living_tagged_host_is_held_to_tags(us: Receiver) -> None:
    us.hears(tagged(7), 7)
    untagged = ad(1 << 60, FASTEST, A)
    assert us.hears(untagged, 8) is Drop.UNTAGGED
    assert us.memory.is_held(by_address(A), 8)
    assert us.hears(untagged, 7 + 2 * 1.0) is True


def test_after_its_bow_out_an_older_vipd_may_come_on_the_same_host(us: Receiver) -> None:
    us.hears(tagged(7), 7)
    us.hears(tagged(8, BOW_OUT), 8)
    assert us.hears(ad(1 << 60, ORDINARY, A), 8.1) is True
    assert us.hears(tagged(9), 20) is True  # and a new one again
    assert us.hears(ad(1 << 60, ORDINARY, A), 20.1) is Drop.UNTAGGED


def test_strict_hears_nobody_without_a_tag() -> None:
    us = Receiver(Mode.STRICT)
    assert us.hears(ad(1 << 60, ORDINARY, UCARP)) is Drop.UNTAGGED
    assert us.hears(tagged(7)) is True


def test_off_hears_everything_and_knows_how_far_others_are() -> None:
    us = Receiver(Mode.OFF)
    assert us.hears(tagged(9)) is True
    assert us.memory.sequence == 9
    assert us.hears(tagged(7), HOUR) is True
    assert us.hears(altered(tagged(7), BOW_OUT), HOUR) is True
    assert us.hears(ad(1 << 60, FASTEST, A), HOUR) is True


def test_after_a_forgery_a_host_that_nobody_knows_is_heard_from_its_second_one_on(
    us: Receiver,
) -> None:
    """Somebody may be guessing tags in the names of hosts that do not exist."""
    us.hears(tagged(7), 7)
    assert us.hears(altered(tagged(8), FASTEST), 8) is Drop.FORGED
    assert us.hears(tagged(9), 9) is True
    assert us.hears(tagged(50, source=B), 10) is False
    assert us.hears(tagged(50, source=B), 10.5) is False  # the same again proves nothing
    assert us.hears(tagged(51, source=B), 11) is True
    assert us.hears(tagged(1, source=UCARP), 8 + SUSPICION) is True


def test_hosts_that_nobody_knows_do_not_keep_each_other_from_being_heard(us: Receiver) -> None:
    """After a bow-out all backups may become master at once, and they speak in turns."""
    us.hears(altered(tagged(8), FASTEST))
    new = [IPv4Address("203.0.113.0") + number for number in range(10)]
    for sequence, heard in ((50, False), (51, True), (52, True)):
        assert all(us.hears(tagged(sequence, source=each)) is heard for each in new)


def test_a_recording_of_one_host_does_not_keep_another_from_being_heard(us: Receiver) -> None:
    us.hears(altered(tagged(8), FASTEST))
    for sequence, heard in ((50, False), (51, True)):
        us.hears(tagged(7, source=UCARP))
        assert us.hears(tagged(sequence, source=B)) is heard


def test_however_many_hosts_show_up_so_many_are_doubted(us: Receiver) -> None:
    us.hears(altered(tagged(8), FASTEST))
    for number in range(3 * HOSTS):
        us.hears(tagged(1, source=IPv4Address("203.0.113.0") + number))
    assert len(us.memory._doubted) == HOSTS


def test_what_an_earlier_process_has_heard_counts(us: Receiver) -> None:
    us.hears(tagged(9))
    later = Receiver()
    later.memory.remember(dict(us.memory.known), 1.0)
    assert later.hears(tagged(9), 1 + 2 * COPIES) is Drop.REPEATED
    assert later.hears(tagged(8, BOW_OUT), 1 + 2 * COPIES) is Drop.REPEATED
    assert later.hears(tagged(10), HOUR) is True


def test_what_it_was_still_to_hear_is_no_reason_to_complain(us: Receiver) -> None:
    """A vipd that is started again at once hears copies, and what was overtaken."""
    us.hears(tagged(9))
    later = Receiver()
    later.memory.remember(dict(us.memory.known), 0.1)
    assert later.hears(tagged(9), 0.2) is False
    assert later.hears(tagged(8, BOW_OUT), 0.2) is False
    assert later.hears(tagged(10), 1.0) is True


def test_however_many_hosts_show_up_so_many_are_remembered(us: Receiver) -> None:
    us.hears(tagged(7), 1000.0)
    for number in range(3 * HOSTS):
        each = IPv4Address("203.0.113.0") + number
        us.hears(tagged(1, source=each), number)
        us.hears(ad(1, ORDINARY, each + 1000), number)
    assert len(dict(us.memory.known)) == HOSTS
    assert len(us.memory._untagged) == UNTAGGED_HOSTS
    assert us.hears(tagged(7), 2000.0) is Drop.REPEATED
