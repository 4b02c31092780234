"""What holds of the machine in general; what it does in each case is in tests/conformance."""

import struct
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipd.carp.effects import Acquire, Announce, Effects, Release, SendAdvertisement, Transition
from vipd.carp.health import Health
from vipd.carp.host import by_address
from vipd.carp.machine import Machine
from vipd.carp.packet import Advertisement
from vipd.carp.parameters import Parameters
from vipd.carp.rank import SICK_ADVBASE
from vipd.carp.states import Mode, Reason, State

from .stage import (
    A_BOW_OUT,
    FASTER,
    HIGHER,
    LOWER,
    NOW,
    OUR_ADDRESS,
    SLOWER,
    US,
    advertisement,
    backup,
    holding,
    in_maintenance,
    init,
    leaving_for_a_while,
    leaving_for_good,
    master,
    mute_master,
    play,
)

Stage = Callable[[Parameters], Machine]
Doing = Callable[[Machine, float], Effects]

STAGES = [init, backup, holding, master, leaving_for_a_while, leaving_for_good]


def test_the_last_advertisement_heard_is_kept_in_every_state() -> None:
    for stage in STAGES:
        machine = stage()
        machine.receive(FASTER, NOW)
        assert machine.heard == (FASTER, NOW)


@pytest.mark.parametrize(
    ("advskew", "deadratio", "interval", "master_down"),
    [(64, 3, 0.25, 0.75), (0, 3, 1 / 256, 3 / 256), (1, 2, 1 / 256, 2 / 256)],
)
def test_advbase_0_counts_in_parts_of_a_second(
    advskew: int, deadratio: int, interval: float, master_down: float
) -> None:
    machine = Machine(Parameters(OUR_ADDRESS, advbase=0, advskew=advskew, deadratio=deadratio))
    machine.link_up(NOW)
    assert machine.deadline == NOW + master_down
    assert machine.tick(machine.deadline)[-1] == SendAdvertisement(0, advskew)
    assert machine.deadline == NOW + master_down + interval


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_a_tick_before_the_deadline_does_nothing(stage: Stage) -> None:
    machine = stage(US)
    before = (machine.state, machine.leaving, machine.deadline)
    assert machine.tick(min(machine.deadline, NOW + 1000) - 0.001) == ()
    assert (machine.state, machine.leaving, machine.deadline) == before


@pytest.mark.parametrize("end", [Machine.link_down, Machine.step_down, Machine.stop])
def test_who_is_no_longer_master_does_not_repeat_its_announcement(end: Doing) -> None:
    machine = master()
    machine.receive(SLOWER, NOW)
    end(machine, NOW + 0.5)
    assert all(Announce() not in effects for _, effects in play(machine, NOW + 2.5))


@pytest.mark.parametrize("hold", [0.0, 3.0, 60.0])
def test_a_hold_counts_from_the_request_and_then_the_host_listens_as_usual(hold: float) -> None:
    machine = master()
    machine.step_down(NOW, hold)
    machine.receive(SLOWER, NOW)
    assert machine.deadline == NOW + hold
    assert machine.tick(NOW + hold) == ()
    assert machine.deadline == NOW + hold + 3.5
    effects = machine.tick(machine.deadline)
    assert effects[0] == Transition(State.BACKUP, State.MASTER, Reason.MASTER_DOWN)


@pytest.mark.parametrize("stage", [init, backup, master, holding])
def test_a_host_in_maintenance_is_not_master_whatever_happens(stage: Stage) -> None:
    machine = stage(replace(US, preempt=True))
    machine.step_down(NOW, inf)
    machine.link_down(NOW + 1)
    machine.link_up(NOW + 2)
    for second in range(3, 10):
        assert machine.receive(SLOWER, NOW + second) == ()
    machine.receive(A_BOW_OUT, NOW + 10)
    assert play(machine, 1e8) == []
    assert machine.state is State.BACKUP


# With three hosts


def test_a_lost_advertisement_of_its_master_is_no_reason_to_take_over_from_a_worse_one() -> None:
    machine = backup(replace(US, preempt=True))
    machine.receive(FASTER, NOW)

    machine.receive(advertisement(1, 200, LOWER), NOW + 1.6)
    machine.receive(FASTER, NOW + 3)
    machine.receive(advertisement(1, 200, LOWER), NOW + 4.6)

    assert machine.state is State.BACKUP


def test_of_two_masters_the_better_one_is_followed_whoever_spoke_last() -> None:
    machine = backup()
    for second in range(3):
        machine.receive(FASTER, NOW + second)
        machine.receive(SLOWER, NOW + second + 0.5)
    assert machine.outlook(NOW + 2.5).follows == FASTER.source

    machine.receive(advertisement(255, 255, LOWER), NOW + 2.75)  # the worse one leaves
    machine.tick(NOW + 3.25)
    assert not machine.receive(FASTER, NOW + 3.25)

    machine.receive(A_BOW_OUT, NOW + 3.5)
    machine.tick(NOW + 4)
    assert machine.state is State.MASTER


def test_when_the_better_of_two_masters_leaves_the_worse_one_is_still_there() -> None:
    machine = backup()
    machine.receive(FASTER, NOW)
    machine.receive(SLOWER, NOW + 0.5)
    for repeated in range(3):
        assert not machine.receive(A_BOW_OUT, NOW + 0.75 + repeated / 2)
    assert not machine.receive(SLOWER, NOW + 2)
    assert not machine.tick(NOW + 5)
    assert machine.outlook(NOW + 2).follows == SLOWER.source


def test_a_better_master_is_followed_from_its_first_word_even_if_it_is_slower_than_we_are() -> None:
    machine = backup()
    machine.receive(advertisement(1, 250, LOWER), NOW)
    machine.receive(SLOWER, NOW + 0.5)

    assert machine.outlook(NOW + 0.5).follows == SLOWER.source


def test_a_worse_master_as_slow_as_our_patience_is_waited_for_although_we_followed_another() -> (
    None
):
    machine = backup()
    machine.receive(FASTER, NOW)

    machine.receive(advertisement(3, 128, LOWER), NOW + 2)
    machine.tick(NOW + 2 + 3.5)

    assert machine.state is State.BACKUP


# What people are told


def test_the_outlook_of_a_backup_says_whom_it_follows_and_when_it_takes_over() -> None:
    machine = backup()
    machine.receive(FASTER, NOW)
    outlook = machine.outlook(NOW + 0.25)
    assert (outlook.mode, outlook.follows) == (Mode.BACKUP, FASTER.source)
    assert (outlook.takeover_at, outlook.takeover_reason) == (NOW + 3.5, Reason.MASTER_DOWN)
    assert outlook.follows_until is not None
    assert NOW + 2 < outlook.follows_until < NOW + 3.5
    assert machine.outlook(NOW + 3.25).follows is None


def test_the_outlook_of_a_backup_that_heard_its_master_leave_says_so() -> None:
    machine = backup()
    machine.receive(A_BOW_OUT, NOW)
    outlook = machine.outlook(NOW)
    assert (outlook.takeover_at, outlook.takeover_reason) == (NOW + 0.125, Reason.MASTER_LEAVING)


def test_the_outlook_of_a_held_host_counts_the_hold_and_the_silence_after_it() -> None:
    outlook = holding().outlook(NOW)
    assert (outlook.hold_until, outlook.takeover_at) == (NOW + 2, NOW + 2 + 3.5)
    maintenance = in_maintenance().outlook(NOW)
    assert (maintenance.hold_until, maintenance.takeover_at) == (inf, None)


def test_the_outlook_of_a_modest_host_says_until_when() -> None:
    machine = mute_master(replace(US, preempt=True))
    machine.lapse(NOW)
    assert machine.outlook(NOW).no_preempt_until == NOW + 10
    assert machine.outlook(NOW + 10).no_preempt_until is None


def test_a_master_has_nothing_to_take_over() -> None:
    outlook = master().outlook(NOW)
    assert (outlook.mode, outlook.takeover_at, outlook.hold_until) == (Mode.MASTER, None, None)


# Between equals


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        pytest.param("192.0.2.1", "192.0.2.2", id="the lower in one subnet"),
        pytest.param("192.0.2.9", "192.0.2.10", id="by number, not as text"),
        pytest.param("198.51.100.5", "192.0.2.10", id="the last octet counts most (measured)"),
        pytest.param("203.0.1.7", "192.0.2.7", id="then the third"),
        pytest.param("203.0.113.1", "203.1.113.1", id="then the second"),
        pytest.param("192.0.2.1", "203.0.2.1", id="the first counts least"),
        pytest.param("192.0.2.127", "192.0.2.128", id="octets have no sign"),
    ],
)
def test_the_lower_address_as_ucarp_sees_it_wins(winner: str, loser: str) -> None:
    assert by_address(IPv4Address(winner)) < by_address(IPv4Address(loser))


@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_addresses_compare_as_a_little_endian_machine_loads_them(
    a: IPv4Address, b: IPv4Address
) -> None:
    (number_a,), (number_b,) = struct.unpack("<I", a.packed), struct.unpack("<I", b.packed)
    assert (by_address(a) < by_address(b)) == (number_a < number_b)
    assert (by_address(a) == by_address(b)) == (a == b)


# Anything at all

BYTES = st.integers(0, 255)
PARAMETERS = st.builds(
    Parameters,
    source=st.just(OUR_ADDRESS),
    advbase=BYTES,
    advskew=BYTES,
    deadratio=st.integers(1, 20),
    preempt=st.booleans(),
    preempt_delay=st.sampled_from([0.0, 0.0, 7.0]),
    listen_first=st.sampled_from([0.0, 0.0, 7.0]),
    demote_by=st.sampled_from([0, 0, 240]),
    health=st.sampled_from(Health),
)
HEARD = st.builds(
    lambda advbase, advskew, source, demotion: advertisement(advbase, advskew, source)._replace(
        demotion=demotion
    ),
    st.one_of(BYTES, st.just(SICK_ADVBASE)),
    BYTES,
    st.sampled_from([LOWER, HIGHER, OUR_ADDRESS]),
    st.integers(0, 2),
)
DOINGS = st.sampled_from(
    [
        Machine.link_up,
        Machine.link_down,
        Machine.step_down,
        Machine.stop,
        Machine.tick,
        lambda machine, now: machine.judge(Health.SICK, now),
        lambda machine, now: machine.judge(Health.UNKNOWN, now),
        lambda machine, now: machine.judge(Health.WELL, now),
    ]
)
PAUSES = st.one_of(st.just(0.0), st.floats(0, 5), st.just(10_000.0))


@given(PARAMETERS, st.lists(st.tuples(PAUSES, st.one_of(HEARD, DOINGS)), max_size=30))
def test_no_order_of_events_makes_a_machine_raise_or_lose_count(
    parameters: Parameters, story: list[tuple[float, Advertisement | Doing]]
) -> None:
    """Ticks may come late or not at all; transitions still chain and ownership alternates."""
    machine, now, owner, state = Machine(parameters), NOW, False, State.INIT
    for pause, what in story:
        now += pause
        effects = (
            machine.receive(what, now) if isinstance(what, Advertisement) else what(machine, now)
        )
        for effect in effects:
            match effect:
                case Transition(old, new):
                    assert old is state
                    assert new is not old
                    state = new
                case Acquire() | Release():
                    assert isinstance(effect, Acquire) is not owner
                    owner = not owner
        assert machine.state is state
        assert owner == (state is State.MASTER)
        assert (machine.deadline == inf) == (state is State.INIT)


def test_a_flood_of_recorded_advertisements_gets_a_few_answers_a_second() -> None:
    machine = master()
    answers = sum(
        isinstance(effect, SendAdvertisement)
        for number in range(1000)
        for effect in machine.receive(SLOWER, NOW + number / 1000)
    )
    assert 3 <= answers <= 4


@pytest.mark.parametrize("silence", [0.0, 0.3, 7.5, 86_400.9])
def test_a_healed_partition_is_over_after_half_an_interval(silence: float) -> None:
    """Whenever it heals: the worse host hears the better one, or is answered."""
    better, worse = master(), backup()
    beat = NOW + 0.25
    worse.receive(FASTER, beat)
    cut = worse.deadline + silence
    while worse.deadline <= cut:
        worse.tick(worse.deadline)
    assert worse.state is State.MASTER
    spoken = worse.deadline
    assert (spoken - beat) % 1 == pytest.approx(0.5, abs=1 / 16)
    assert any(isinstance(each, SendAdvertisement) for each in better.receive(SLOWER, spoken))
