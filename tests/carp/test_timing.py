"""Intervals in seconds; 1/256 s is the unit of advskew."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipd.carp import timing

TICK = 1 / 256
ADVBASE = ADVSKEW = st.integers(0, 255)
DEADRATIO = st.integers(1, 20)


@pytest.mark.parametrize(
    ("advbase", "advskew", "deadratio", "interval", "master_down"),
    [
        pytest.param(1, 0, 3, 1.0, 3.0, id="the defaults"),
        pytest.param(1, 10, 3, 1 + 10 / 256, 3 + 10 / 256, id="the published pair"),
        pytest.param(1, 128, 3, 1.5, 3.5, id="the skew counts once, not deadratio times"),
        pytest.param(5, 64, 2, 5.25, 10.25, id="another deadratio"),
        pytest.param(1, 0, 1, 1.0, 1.0, id="deadratio 1: no margin at all"),
        pytest.param(255, 255, 20, 255 + 255 / 256, 5100 + 255 / 256, id="the slowest"),
        pytest.param(0, 128, 3, 0.5, 1.5, id="advbase 0 as OpenBSD: three intervals"),
        pytest.param(0, 128, 5, 0.5, 2.5, id="advbase 0 with our own deadratio"),
        pytest.param(0, 0, 3, TICK, 3 * TICK, id="both 0: 1/256 s"),
        pytest.param(0, 1, 3, TICK, 3 * TICK, id="1/256 s, said outright"),
    ],
)
def test_interval_and_master_down(
    advbase: int, advskew: int, deadratio: int, interval: float, master_down: float
) -> None:
    assert timing.interval(advbase, advskew) == interval
    assert timing.master_down(advbase, advskew, deadratio) == master_down


@given(ADVBASE, ADVSKEW, DEADRATIO)
def test_a_backup_never_waits_less_than_one_interval_of_its_own(
    advbase: int, advskew: int, deadratio: int
) -> None:
    interval = timing.interval(advbase, advskew)
    assert 0 < interval <= timing.master_down(advbase, advskew, deadratio)


@given(ADVBASE, ADVSKEW, ADVBASE, ADVSKEW)
def test_intervals_compare_exactly_as_the_numbers_in_the_files(
    base: int, skew: int, other_base: int, other_skew: int
) -> None:
    def ticks(advbase: int, advskew: int) -> int:
        return max(1, 256 * advbase + advskew)

    ours, theirs = timing.interval(base, skew), timing.interval(other_base, other_skew)
    assert (ours < theirs) == (ticks(base, skew) < ticks(other_base, other_skew))
    assert (ours == theirs) == (ticks(base, skew) == ticks(other_base, other_skew))


@pytest.mark.parametrize(
    ("heard", "grace"), [(1.0, 1 / 16), (255.0, 1 / 16), (1 / 8, 1 / 16), (TICK, TICK / 2)]
)
def test_grace_is_half_an_interval_and_a_grid_step_at_most(heard: float, grace: float) -> None:
    assert timing.grace(heard) == grace


@pytest.mark.parametrize(
    ("now", "every", "expected"),
    [
        pytest.param(100.0, 1.0, 101.0, id="on the grid already"),
        pytest.param(100.03, 1.0, 101.0, id="to the earlier point of the grid"),
        pytest.param(100.97, 1.0, 101.0, id="however early that is"),
        pytest.param(100.0, 1 + 255 / 256, 101.0, id="which is one of whole seconds"),
        pytest.param(100.5, 2.0, 102.0, id="for longer intervals as well"),
        pytest.param(100.07, 0.75, 100.8125, id="and of 1/16 s under a second"),
        pytest.param(100.03, 0.5, 100.5, id="down to half a second"),
        pytest.param(100.25, 127 / 256, 100.25 + 127 / 256, id="shorter ones are kept exactly"),
        pytest.param(100.001, TICK, 100.001 + TICK, id="down to the shortest"),
    ],
)
def test_the_next_advertisement_leaves_on_the_common_grid(
    now: float, every: float, expected: float
) -> None:
    assert timing.next_advertisement(now, every) == expected


@given(st.floats(0, 1e7), ADVBASE, ADVSKEW)
def test_an_advertisement_is_never_late_and_less_than_a_step_of_the_grid_early(
    now: float, advbase: int, advskew: int
) -> None:
    every = timing.interval(advbase, advskew)
    due = timing.next_advertisement(now, every)
    assert now < due <= now + every
    assert due > now + every - (timing.TOGETHER if every >= 1 else timing.GRID)


def test_255_groups_started_at_any_time_share_a_wake_up_a_second() -> None:
    times = {timing.next_advertisement(100 + group / 255, 1.0) for group in range(255)}
    assert times == {101.0}


@pytest.mark.parametrize(
    ("advbase", "advskew", "stagger"),
    [
        pytest.param(1, 0, 0.0, id="the best goes at once"),
        pytest.param(1, 128, 0.125, id="a quarter of the skew"),
        pytest.param(1, 255, 255 / 1024, id="the worst of advbase 1"),
        pytest.param(2, 0, 0.25, id="0.25 s for advbase 2"),
        pytest.param(255, 255, 0.25, id="and never more"),
        pytest.param(0, 255, 0.0, id="nobody faster than a second waits"),
    ],
)
def test_the_better_a_backup_the_sooner_it_follows_a_leaving_master(
    advbase: int, advskew: int, stagger: float
) -> None:
    assert timing.stagger(advbase, advskew) == stagger


@given(st.floats(1e3, 1e6), st.floats(0, 100), st.integers(1, 5), ADVSKEW)
def test_a_host_that_takes_over_speaks_half_way_between_the_advertisements_of_the_old_master(
    heard: float, silence: float, advbase: int, advskew: int
) -> None:
    every = timing.interval(advbase, advskew)
    now = heard + silence
    due = timing.between(heard, now, every)
    assert now < due <= now + every
    halves = (due - heard) / advbase % 1
    assert abs(halves - 0.5) * advbase <= 1 / 128 + 1e-6
    after = timing.next_advertisement(due, every, due % 1)
    assert after == pytest.approx(due + int(every), abs=1e-6)


def test_groups_that_were_heard_within_milliseconds_speak_in_two_turns_at_most() -> None:
    dues = {timing.between(100.0 + group * 2e-5, 103.1, 1.0) for group in range(255)}
    assert len(dues) <= 2
