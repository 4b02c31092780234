"""What the table means over time: hand-overs, holds, announcements and ties."""

import struct
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipd.carp.machine import (
    BOW_OUT,
    Acquire,
    Announce,
    Effects,
    Machine,
    Mode,
    Parameters,
    Reason,
    Release,
    SendAdvertisement,
    State,
    Transition,
    precedes,
)
from vipd.carp.packet import Advertisement

from .stage import (
    A_BOW_OUT,
    EQUAL_FROM_HIGHER,
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

OUR_AD = SendAdvertisement(US.advbase, US.advskew)
OUR_BOW_OUT = SendAdvertisement(*BOW_OUT)
STAGES = [init, backup, holding, master, leaving_for_a_while, leaving_for_good]


def announcements(played: list[tuple[float, Effects]]) -> list[float]:
    return [at for at, effects in played if Announce() in effects]


# Beginning


def test_a_life_begins_by_clearing_what_an_earlier_one_left() -> None:
    machine = Machine(US)
    assert machine.start() == (Release(at_start=True),)
    assert (machine.state, machine.deadline, machine.heard) == (State.INIT, inf, None)


def test_a_host_alone_is_master_after_master_down_and_advertises_at_its_interval() -> None:
    machine = init()
    machine.link_up(NOW)
    played = play(machine, NOW + 6.5)
    assert [at - NOW for at, effects in played if OUR_AD in effects] == [3.5, 5.0, 6.5]


def test_a_new_master_owns_the_address_before_it_says_so() -> None:
    machine = backup()
    assert machine.tick(machine.deadline) == (
        Transition(State.BACKUP, State.MASTER, Reason.MASTER_DOWN),
        Acquire(),
        Announce(),
        OUR_AD,
    )


# Listening


def test_a_backup_waits_as_long_as_it_hears_its_master() -> None:
    machine = backup()
    for second in range(100):
        assert machine.receive(SLOWER, NOW + second) == ()
        assert machine.tick(NOW + second + 1) == ()
    assert machine.state is State.BACKUP


def test_the_last_advertisement_heard_is_kept_in_every_state() -> None:
    for stage in STAGES:
        machine = stage()
        machine.receive(FASTER, NOW)
        assert machine.heard == (FASTER, NOW)


def test_with_deadratio_1_an_equal_master_may_be_a_sixteenth_of_a_second_late() -> None:
    machine = backup(replace(US, deadratio=1))
    machine.receive(EQUAL_FROM_HIGHER, NOW)
    assert machine.deadline == NOW + 1.5 + 1 / 16


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


# Ticks


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_a_tick_before_the_deadline_does_nothing(stage: Stage) -> None:
    machine = stage(US)
    before = (machine.state, machine.leaving, machine.deadline)
    assert machine.tick(min(machine.deadline, NOW + 1000) - 0.001) == ()
    assert (machine.state, machine.leaving, machine.deadline) == before


def test_a_master_that_was_frozen_sends_one_advertisement_and_not_the_missed_ones() -> None:
    machine = master()
    assert machine.tick(NOW + 60) == (OUR_AD,)
    assert machine.deadline == NOW + 61.5


def test_a_late_tick_makes_up_for_both_announcement_and_advertisement() -> None:
    machine = master()
    machine.receive(SLOWER, NOW)
    assert machine.tick(NOW + 60) == (Announce(), OUR_AD)


# Announcements


def test_a_new_master_announces_at_once_and_once_more_after_a_second() -> None:
    machine = backup()
    taken_over = machine.deadline
    assert announcements(play(machine, taken_over + 30)) == [taken_over, taken_over + 1]


@pytest.mark.parametrize(
    "challenge", [EQUAL_FROM_HIGHER, SLOWER, A_BOW_OUT], ids=["equal", "slower", "leaving"]
)
def test_a_challenged_master_announces_at_once_and_once_more_after_a_second(
    challenge: Advertisement,
) -> None:
    machine = master()
    assert machine.receive(challenge, NOW) == (Announce(),)
    assert announcements(play(machine, NOW + 30)) == [NOW + 1]


def test_every_challenge_is_answered_and_the_repeat_follows_the_last() -> None:
    machine = master()
    for challenge in range(5):
        assert machine.receive(SLOWER, NOW + challenge / 8) == (Announce(),)
    assert announcements(play(machine, NOW + 30)) == [NOW + 0.5 + 1]


def test_a_challenge_does_not_put_off_the_next_advertisement() -> None:
    machine = master()
    due = machine.deadline
    machine.receive(SLOWER, due - 0.001)
    assert machine.tick(due) == (OUR_AD,)


@pytest.mark.parametrize("end", [Machine.link_down, Machine.step_down, Machine.stop])
def test_who_is_no_longer_master_does_not_repeat_its_announcement(end: Doing) -> None:
    machine = master()
    machine.receive(SLOWER, NOW)
    end(machine, NOW + 0.5)
    assert announcements(play(machine, NOW + 2.5)) == []


def test_a_master_that_yields_does_not_repeat_its_announcement() -> None:
    machine = master()
    machine.receive(SLOWER, NOW)
    machine.receive(FASTER, NOW + 0.5)
    assert announcements(play(machine, NOW + 2)) == []


# Make before break


@pytest.mark.parametrize("leave", [Machine.step_down, Machine.stop])
def test_a_leaving_master_answers_until_its_successor_is_heard(leave: Doing) -> None:
    machine = master()
    assert leave(machine, NOW) == (OUR_BOW_OUT,)
    assert (machine.state, machine.leaving) == (State.MASTER, True)
    effects = machine.receive(SLOWER, NOW + 0.2)
    assert Release() in effects
    assert not machine.leaving
    assert machine.state is not State.MASTER


def test_without_a_successor_a_leaving_master_asks_four_times_and_lets_go_after_two_seconds() -> (
    None
):
    machine = master()
    machine.stop(NOW)
    assert play(machine, 1e9) == [
        (NOW + 0.5, (OUR_BOW_OUT,)),
        (NOW + 1.0, (OUR_BOW_OUT,)),
        (NOW + 1.5, (OUR_BOW_OUT,)),
        (NOW + 2.0, (Transition(State.MASTER, State.INIT, Reason.STOPPED), Release())),
    ]


def test_two_leaving_masters_do_not_take_each_other_for_the_successor() -> None:
    machine = leaving_for_good()
    assert machine.receive(A_BOW_OUT, NOW) == ()
    assert machine.leaving


def test_a_stop_while_stepping_down_is_for_good() -> None:
    machine = leaving_for_a_while()
    assert machine.stop(NOW) == ()
    machine.receive(SLOWER, NOW + 0.2)
    assert (machine.state, machine.deadline) == (State.INIT, inf)


def test_a_step_down_while_stopping_does_not_keep_the_host() -> None:
    machine = leaving_for_good()
    assert machine.step_down(NOW) == ()
    machine.receive(SLOWER, NOW + 0.2)
    assert (machine.state, machine.deadline) == (State.INIT, inf)


# Hearing a master leave


def test_the_best_backup_follows_at_once_and_the_others_hear_it_first() -> None:
    best, second = backup(replace(US, advskew=0)), backup()
    assert second.receive(A_BOW_OUT, NOW) == ()
    taken_over = best.receive(A_BOW_OUT, NOW)
    assert Transition(State.BACKUP, State.MASTER, Reason.MASTER_LEAVING) in taken_over
    assert second.deadline == NOW + 0.125
    second.receive(advertisement(1, 0, LOWER), NOW + 0.01)
    assert second.deadline == NOW + 0.01 + 3.5


def test_the_second_best_follows_when_the_best_is_gone_as_well() -> None:
    machine = backup()
    machine.receive(A_BOW_OUT, NOW)
    effects = machine.tick(NOW + 0.125)
    assert effects[0] == Transition(State.BACKUP, State.MASTER, Reason.MASTER_LEAVING)


def test_a_repeated_bow_out_does_not_put_off_the_take_over() -> None:
    machine = backup()
    machine.receive(A_BOW_OUT, NOW)
    machine.receive(A_BOW_OUT, NOW + 0.1)
    assert machine.deadline == NOW + 0.125


def test_a_bow_out_does_not_put_off_a_time_out_that_comes_sooner() -> None:
    machine = backup()
    due = machine.deadline
    machine.receive(A_BOW_OUT, due - 0.01)
    assert machine.deadline == due


def test_a_backup_that_is_overdue_takes_over_on_the_bow_out_itself() -> None:
    machine = backup()
    assert Acquire() in machine.receive(A_BOW_OUT, machine.deadline)


def test_a_master_that_thinks_better_of_leaving_is_given_its_time_again() -> None:
    machine = backup()
    machine.receive(A_BOW_OUT, NOW)
    machine.receive(SLOWER, NOW + 0.1)
    assert machine.deadline == NOW + 0.1 + 3.5
    effects = machine.tick(machine.deadline)
    assert effects[0] == Transition(State.BACKUP, State.MASTER, Reason.MASTER_DOWN)


# Stepping down


@pytest.mark.parametrize("ad", [SLOWER, FASTER, EQUAL_FROM_HIGHER, A_BOW_OUT])
def test_nothing_that_is_heard_ends_a_hold(ad: Advertisement) -> None:
    machine = holding(replace(US, preempt=True))
    held_until = machine.deadline
    assert machine.receive(ad, NOW) == ()
    assert (machine.state, machine.deadline) == (State.BACKUP, held_until)


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


def test_a_short_hold_does_not_end_a_maintenance() -> None:
    machine = in_maintenance()
    machine.step_down(NOW, 3.0)
    assert machine.outlook(NOW).hold_until == inf


def test_after_a_maintenance_a_host_listens_as_if_it_had_just_come_up() -> None:
    machine = in_maintenance()
    assert machine.resume(NOW) == ()
    assert machine.deadline == NOW + 3.5


def test_a_maintenance_that_is_taken_back_during_the_hand_over_ends_with_it() -> None:
    machine = master()
    machine.step_down(NOW, inf)
    assert machine.resume(NOW + 0.1) == ()
    assert machine.leaving
    machine.receive(SLOWER, NOW + 0.2)
    assert machine.tick(machine.deadline) == ()
    assert machine.deadline == NOW + 0.2 + 3.5


# What people are told


def test_the_outlook_of_a_backup_says_whom_it_follows_and_when_it_takes_over() -> None:
    machine = backup()
    machine.receive(FASTER, NOW)
    outlook = machine.outlook(NOW + 0.25)
    assert (outlook.mode, outlook.follows) == (Mode.BACKUP, FASTER.source)
    assert (outlook.takeover_at, outlook.takeover_reason) == (NOW + 3.5, Reason.MASTER_DOWN)
    assert outlook.follows_until is not None
    assert NOW + 1 < outlook.follows_until < NOW + 2
    assert machine.outlook(NOW + 3).follows is None


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
    assert machine.outlook(NOW).modest_until == NOW + 10
    assert machine.outlook(NOW + 10).modest_until is None


def test_a_master_has_nothing_to_take_over() -> None:
    outlook = master().outlook(NOW)
    assert (outlook.mode, outlook.takeover_at, outlook.hold_until) == (Mode.MASTER, None, None)


def test_a_host_that_cannot_send_leaves_a_slower_master_alone_for_a_while() -> None:
    machine = mute_master(replace(US, preempt=True))
    machine.lapse(NOW)
    for second in range(10):
        assert machine.receive(SLOWER, NOW + second) == ()
    assert machine.receive(SLOWER, NOW + 10) == (SendAdvertisement(1, 128),)


def test_a_host_that_could_not_send_makes_sure_that_it_is_heard_before_it_takes_over() -> None:
    machine = mute_master(replace(US, preempt=True))
    machine.lapse(NOW)
    machine.receive(SLOWER, NOW + 1)
    silent_until = NOW + 1 + US.master_down

    assert machine.tick(silent_until) == (SendAdvertisement(1, 128),)
    assert machine.sent(False, silent_until) == ()
    assert machine.state.name == "BACKUP"
    again = machine.deadline
    machine.tick(again)
    effects = machine.sent(True, again)

    assert effects[1:] == (Acquire(), Announce())
    assert machine.state.name == "MASTER"
    assert not machine.mute


def test_after_a_hold_a_preempting_host_takes_its_address_back() -> None:
    machine = holding(replace(US, preempt=True))
    machine.tick(machine.deadline)
    effects = machine.receive(SLOWER, NOW + 3)
    assert effects[0] == Transition(State.BACKUP, State.MASTER, Reason.PREEMPTION)


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
    assert precedes(IPv4Address(winner), IPv4Address(loser))
    assert not precedes(IPv4Address(loser), IPv4Address(winner))


@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_addresses_compare_as_a_little_endian_machine_loads_them(
    a: IPv4Address, b: IPv4Address
) -> None:
    (number_a,), (number_b,) = struct.unpack("<I", a.packed), struct.unpack("<I", b.packed)
    assert precedes(a, b) == (number_a < number_b)
    assert precedes(a, b) + precedes(b, a) == (a != b)


@pytest.mark.parametrize(
    ("other", "yields"), [(LOWER, True), (HIGHER, False), (IPv4Address("198.51.100.5"), True)]
)
def test_of_two_equal_masters_one_yields(other: IPv4Address, yields: bool) -> None:
    machine = master()
    effects = machine.receive(advertisement(US.advbase, US.advskew, other), NOW)
    assert (Release() in effects) == yields


# Anything at all

BYTES = st.integers(0, 255)
PARAMETERS = st.builds(
    Parameters,
    source=st.just(OUR_ADDRESS),
    advbase=BYTES,
    advskew=BYTES,
    deadratio=st.integers(1, 20),
    preempt=st.booleans(),
)
HEARD = st.builds(advertisement, BYTES, BYTES, st.sampled_from([LOWER, HIGHER, OUR_ADDRESS]))
DOINGS = st.sampled_from(
    [Machine.link_up, Machine.link_down, Machine.step_down, Machine.stop, Machine.tick]
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


# -- with three hosts


def test_a_backup_that_follows_a_better_master_takes_nothing_from_a_worse_one() -> None:
    machine = backup(replace(US, preempt=True))
    machine.receive(FASTER, NOW)

    assert machine.receive(advertisement(1, 200, LOWER), NOW + 0.2) == ()
    assert machine.receive(advertisement(*BOW_OUT, LOWER), NOW + 0.3) == ()
    assert machine.state is State.BACKUP


def test_a_backup_waits_for_a_worse_master_although_it_followed_another() -> None:
    machine = backup(replace(US, deadratio=4))
    machine.receive(SLOWER, NOW)
    slowest = advertisement(1, 200, HIGHER)
    for second in range(1, 10):
        assert machine.receive(slowest, NOW + second) == ()
        assert machine.tick(NOW + second + 0.9) == ()
    assert machine.state is State.BACKUP


def test_a_backup_whose_master_is_silent_takes_over_from_a_worse_one() -> None:
    machine = backup(replace(US, preempt=True))
    machine.receive(FASTER, NOW)

    machine.receive(advertisement(1, 200, LOWER), NOW + 1.6)

    assert machine.state is State.MASTER


def test_a_bow_out_is_understood_by_a_host_that_would_wait_longer_than_it_says() -> None:
    machine = backup(replace(US, advbase=100, advskew=0))
    machine.receive(A_BOW_OUT, NOW)

    machine.tick(NOW + 1)

    assert machine.state is State.MASTER


def test_a_hold_outlives_a_loose_cable() -> None:
    machine = holding()
    held_until = machine.deadline

    machine.link_down(NOW)
    machine.link_up(NOW + 0.1)

    assert machine.deadline == held_until


# -- new parameters, in place


def test_a_backup_with_new_parameters_counts_the_silence_so_far() -> None:
    machine = backup(US)
    waits = machine.deadline - US.master_down

    assert machine.change(replace(US, advbase=2, advskew=0), NOW) == ()

    assert machine.deadline == waits + 6


def test_a_master_with_a_longer_interval_keeps_the_advertisement_that_is_due() -> None:
    machine = master(US)
    due = machine.deadline

    assert machine.change(replace(US, advbase=20), NOW) == ()

    assert (machine.state, machine.deadline) == (State.MASTER, due)


def test_a_master_with_a_shorter_interval_does_not_wait_for_the_old_one() -> None:
    machine = master(replace(US, advbase=20))
    machine.tick(machine.deadline)

    machine.change(replace(US, advbase=1, advskew=0), NOW)

    assert machine.deadline <= NOW + 1
