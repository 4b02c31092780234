"""The table of masters that are heard: who is followed, who is forgotten."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipd.carp.effects import Acquire, Release
from vipd.carp.health import Health
from vipd.carp.host import Address
from vipd.carp.machine import Machine, meaning
from vipd.carp.packet import Advertisement
from vipd.carp.parameters import Parameters
from vipd.carp.peers import OVERTAKEN, PLACES, Peers
from vipd.carp.rank import BOW_OUT
from vipd.carp.states import Input, Reason, State
from vipd.carp.tag import TAGGED

from .stage import FASTER, HIGHER, LOWER, NOW, OUR_ADDRESS, US, advertisement, backup

THIRD = IPv4Address("198.51.100.40")


def forged(advbase: int, advskew: int, demotion: int = 0) -> Iterator[Advertisement]:
    """One recorded advertisement, from one source after the other."""
    for number in count(int(IPv4Address("203.0.113.0"))):
        ad = advertisement(advbase, advskew, IPv4Address(number))
        yield ad._replace(demotion=demotion)


# A backup that hears several masters


def test_of_three_masters_two_bow_out_and_the_third_is_followed() -> None:
    machine = backup()
    for second in range(3):
        machine.receive(advertisement(1, 100, THIRD), NOW + second)
        machine.receive(advertisement(1, 0, LOWER), NOW + second)
        machine.receive(advertisement(1, 50, HIGHER), NOW + second)

    machine.receive(advertisement(*BOW_OUT, LOWER), NOW + 2.25)
    machine.receive(advertisement(*BOW_OUT, HIGHER), NOW + 2.25)
    assert machine.tick(NOW + 2.25 + 0.14) == ()

    assert machine.outlook(NOW + 2.5).follows == THIRD
    machine.receive(advertisement(*BOW_OUT, THIRD), NOW + 3)
    machine.tick(NOW + 3.14)
    assert machine.state is State.MASTER


@pytest.mark.parametrize("many", [3, 8, PLACES])
def test_of_many_masters_the_best_that_is_left_is_followed(many: int) -> None:
    machine = backup()
    masters = list(islice(forged(1, 0), many))
    for skew, ad in enumerate(masters):
        machine.receive(ad._replace(advskew=skew), NOW)
    for left, ad in enumerate(masters):
        assert machine.outlook(NOW + 0.5).follows == ad.source
        assert machine.state is State.BACKUP
        machine.receive(advertisement(*BOW_OUT, ad.source), NOW + left / 64)
    assert machine.outlook(NOW + 0.75).takeover_at == NOW + (many - 1) / 64 + 0.125


def test_new_timers_while_a_take_over_is_near_do_not_put_it_off() -> None:
    machine = backup()
    machine.receive(FASTER, NOW)
    machine.receive(advertisement(*BOW_OUT), NOW + 0.5)
    machine.change(replace(US, deadratio=20), NOW + 0.5)
    machine.tick(NOW + 0.625)
    assert machine.state is State.MASTER


@pytest.mark.parametrize(("deadratio", "wait"), [(1, 9.0625), (6, 9.0625), (20, 21.5)])
def test_with_new_timers_a_sick_host_waits_for_a_slow_master_as_one_that_always_had_them(
    deadratio: int, wait: float
) -> None:
    machine = backup()
    machine.judge(Health.SICK, NOW)
    machine.receive(advertisement(9, 0), NOW)
    machine.change(replace(US, deadratio=deadratio), NOW + 0.5)
    assert machine.outlook(NOW + 0.5).takeover_at == NOW + wait


def test_a_sick_host_that_loses_demote_by_relieves_nobody() -> None:
    ours = replace(US, demote_by=100)
    machine = backup(ours)
    machine.judge(Health.SICK, NOW)
    machine.receive(advertisement(254, 0)._replace(demotion=1), NOW)
    assert machine.outlook(NOW).takeover_reason is Reason.MASTER_SICK
    machine.change(replace(ours, demote_by=0), NOW + 0.01)
    assert machine.outlook(NOW + 0.01).takeover_reason is Reason.MASTER_DOWN


def test_a_recovered_host_that_has_just_begun_to_listen_does_not_take_over_at_once() -> None:
    machine = backup()
    machine.judge(Health.SICK, NOW)
    machine.receive(advertisement(122, 0), NOW)  # the sick wait for it, however slow
    machine.link_down(NOW + 20)
    machine.link_up(NOW + 30)
    machine.judge(Health.WELL, NOW + 31)
    assert machine.outlook(NOW + 31).takeover_at == NOW + 30 + US.master_down


# Forged sources


@pytest.mark.parametrize("words", [(1, 0, 0), (1, 200, 0), (1, 0, 9), (9, 0, 0), (*BOW_OUT, 0)])
def test_forged_sources_do_not_push_out_a_master_that_was_heard_before(
    words: tuple[int, int, int],
) -> None:
    machine = backup()
    machine.receive(FASTER, NOW)
    for ad in islice(forged(*words), 5000):
        machine.receive(ad, NOW + 0.5)
        assert len(machine.peers) <= PLACES
    assert FASTER in [peer.ad for peer in machine.peers]


def test_better_forged_sources_are_forgotten_when_they_fall_silent() -> None:
    machine = backup()
    for ad in islice(forged(1, 0), 5000):
        machine.receive(ad, NOW)
    machine.receive(FASTER, NOW)
    assert machine.outlook(NOW).follows != FASTER.source
    for second in range(1, 4):
        machine.receive(FASTER, NOW + second)
    assert machine.outlook(NOW + 3).follows == FASTER.source


def test_newcomers_replace_each_other_but_not_the_one_that_is_followed() -> None:
    peers = Peers(US)
    worse = list(islice(forged(1, 200), PLACES + 9))
    for ad in worse[:PLACES]:
        peers.hear(ad, NOW)
    peers.hear(FASTER, NOW)
    for ad in worse[PLACES:]:
        peers.hear(ad, NOW)
    known = [peer.ad for peer in peers]
    assert known == [*worse[: PLACES - 2], FASTER, worse[-1]]


def test_the_place_of_a_silent_host_is_taken_first() -> None:
    peers = Peers(US)
    ads = list(islice(forged(1, 200), PLACES))
    for ad in ads:
        peers.hear(ad, NOW)
    for ad in ads[1:]:
        peers.hear(ad, NOW + 3)
    peers.hear(FASTER, NOW + US.master_down)
    assert [peer.ad for peer in peers] == [*ads[1:], FASTER]


# Overtaken advertisements


@pytest.mark.parametrize(
    ("source", "counter", "after", "counts"),
    [
        pytest.param(HIGHER, 6, 0.1, False, id="sent before the bow-out"),
        pytest.param(HIGHER, 7, 0.1, True, id="OpenBSD: one counter for life"),
        pytest.param(HIGHER, 8, 0.1, True, id="it has started again"),
        pytest.param(LOWER, 6, 0.1, True, id="another host has its own counter"),
        pytest.param(HIGHER, 6, OVERTAKEN, True, id="it is no packet that was on its way so long"),
    ],
)
def test_a_lower_counter_than_its_own_bow_outs_is_an_overtaken_advertisement(
    source: IPv4Address, counter: int, after: float, counts: bool
) -> None:
    machine = backup()
    machine.receive(FASTER._replace(counter=5), NOW)
    machine.receive(advertisement(*BOW_OUT)._replace(counter=7), NOW)
    machine.receive(advertisement(*BOW_OUT)._replace(counter=6), NOW)  # overtaken itself
    assert Acquire() in machine.tick(NOW + 0.125)

    effects = machine.receive(advertisement(1, 0, source)._replace(counter=counter), NOW + after)

    assert (Release() in effects) is counts


def test_a_host_that_goes_back_to_an_older_vipd_at_once_is_heard() -> None:
    """Its counters are all lower."""
    machine = backup()
    machine.receive(FASTER._replace(counter=TAGGED + 5), NOW)
    machine.receive(advertisement(*BOW_OUT)._replace(counter=TAGGED + 7), NOW)
    assert Acquire() in machine.tick(NOW + 0.125)
    effects = machine.receive(advertisement(1, 0, HIGHER)._replace(counter=6), NOW + 0.2)
    assert Release() in effects


def test_random_counters_of_ucarp_are_no_reason_to_ignore_it() -> None:
    machine = backup()
    for second, counter in enumerate((2**63, 5, 2**62, 1)):
        machine.receive(FASTER._replace(counter=counter), NOW + second)
    assert machine.deadline == NOW + 3 + US.master_down


# Anything at all, against a table without a bound that keeps everything

SOURCES = [LOWER, HIGHER, THIRD]
SAID = st.builds(
    lambda source, words, demotion: advertisement(words[0], words[1], source)._replace(
        demotion=demotion
    ),
    st.sampled_from(SOURCES),
    st.sampled_from([(1, 0), (1, 128), (1, 200), (3, 0), (3, 129), (254, 0), BOW_OUT]),
    st.integers(0, 2),
)


def interval_of(ad: Advertisement) -> float:
    """That of a sick host is taken to be ours."""
    sick = ad.advbase == 254 and ad.demotion
    return 1.5 if sick else ad.advbase + ad.advskew / 256


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.9, 1.4, 3.0]), SAID), max_size=30))
def test_the_best_of_those_that_live_is_followed(story: list[tuple[float, Advertisement]]) -> None:
    ours = Parameters(OUR_ADDRESS, advbase=1, advskew=128)
    peers, now = Peers(ours), NOW
    last: dict[Address, tuple[Advertisement, float]] = {}
    for pause, ad in story:
        now += pause
        assert peers.hear(ad, now)
        last[ad.source] = ad, now
        living = [
            (said.demotion, 256 * said.advbase + said.advskew, said.source.packed[::-1])
            for said, at in last.values()
            if meaning(said, ours) is not Input.LEAVING
            and now < at + min(2 * (every := interval_of(said)) + 1 / 8, 3.5625)
            and (now < at + 3.5 or every == 3.5)
        ]
        best = peers.best(now)
        assert (best.ad.source.packed[::-1] if best else None) == (
            min(living)[2] if living else None
        )


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.01, 0.9, 1.4, 3.0]),
            st.sampled_from(SOURCES),
            st.sampled_from([(1, 0), (1, 50), (1, 200)]),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_a_backup_follows_the_best_however_it_was_heard(
    story: list[tuple[float, IPv4Address, tuple[int, int], bool]],
) -> None:
    """What the machine does with an advertisement that repeats the one before is its own path."""
    machine, peers, now = backup(), Peers(US), NOW
    for pause, source, words, looked_at in story:
        now += pause
        ad = advertisement(words[0], words[1], source)
        machine.receive(ad, now)
        peers.hear(ad, now)
        if looked_at:
            best = peers.best(now)
            assert best is not None
            assert machine.outlook(now).follows == best.ad.source
    last = max((peer.at for peer in peers), default=NOW - 1)
    assert machine.tick(last + US.master_down - 0.001) == ()
    assert machine.state is State.BACKUP


def test_a_machine_in_any_state_knows_who_is_heard() -> None:
    machine = Machine(US)
    machine.receive(FASTER, NOW)
    assert [peer.ad for peer in machine.peers] == [FASTER]
