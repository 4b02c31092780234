"""What a host says of itself, in sickness and in health, and what others make of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipd.carp.health import Health
from vipd.carp.parameters import Parameters
from vipd.carp.rank import BOW_OUT, is_sick, rank_of, slower_than

from .stage import HIGHER, LOWER, OUR_ADDRESS, US, advertisement

SICK = replace(US, health=Health.SICK)
BYTES = st.integers(0, 255)


def said_by(ours: Parameters) -> tuple[int, int, int]:
    return *ours.advertised, ours.demotion


@pytest.mark.parametrize(
    ("ours", "says"),
    [
        pytest.param(US, (1, 128, 0), id="well"),
        pytest.param(replace(US, health=Health.UNKNOWN), (1, 128, 0), id="unknown"),
        pytest.param(SICK, (254, 128, 1), id="sick"),
        pytest.param(replace(SICK, demote_by=100), (1, 228, 0), id="sick, DEMOTE_BY"),
        pytest.param(replace(SICK, demote_by=240), (1, 254, 0), id="no further than 254"),
        pytest.param(replace(SICK, demote_by=9, advskew=255), (1, 255, 0), id="nor back to it"),
        pytest.param(replace(US, demote_by=100), (1, 128, 0), id="well, DEMOTE_BY"),
    ],
)
def test_what_a_host_says(ours: Parameters, says: tuple[int, int, int]) -> None:
    assert said_by(ours) == says


@pytest.mark.parametrize(
    ("advbase", "advskew", "later"),
    [(1, 128, 1), (5, 0, 5), pytest.param(0, 64, 0.25, id="advbase 0: an interval")],
)
def test_a_sick_host_is_one_advbase_more_patient(advbase: int, advskew: int, later: float) -> None:
    well = replace(US, advbase=advbase, advskew=advskew)
    sick = replace(well, health=Health.SICK)
    assert sick.master_down == well.master_down + later
    assert sick.stagger == well.stagger + 0.5
    assert sick.interval == well.interval


@given(BYTES, BYTES, BYTES, BYTES)
def test_every_healthy_host_beats_every_sick_one_and_the_sick_keep_their_order(
    advbase: int, advskew: int, its_advbase: int, its_advskew: int
) -> None:
    well = Parameters(OUR_ADDRESS, advbase, advskew)
    other = Parameters(HIGHER, its_advbase, its_advskew, health=Health.SICK)
    sick = replace(well, health=Health.SICK)
    assert well.rank < other.rank
    assert (sick.rank < other.rank) == (advskew <= its_advskew)  # of equals the lower address


@given(BYTES, BYTES, st.integers(0, 2))
def test_the_last_word_of_a_sick_master_is_slower_than_the_winner_and_no_bow_out(
    advbase: int, advskew: int, demotion: int
) -> None:
    winner = advertisement(advbase, advskew, LOWER)._replace(demotion=demotion)
    last = advertisement(*slower_than(winner))._replace(demotion=demotion)
    assert (last.advbase, last.advskew) != BOW_OUT
    if (advbase, advskew) < (255, 254):
        assert rank_of(winner) < rank_of(last)
        assert rank_of(last).interval <= rank_of(winner).interval + 1 / 256 or advbase == 0


@pytest.mark.parametrize(
    ("advbase", "demotion", "sick"), [(254, 1, True), (254, 0, False), (1, 1, False)]
)
def test_advbase_and_byte_4_say_together_that_a_host_is_sick(
    advbase: int, demotion: int, sick: bool
) -> None:
    assert is_sick(advertisement(advbase, 0)._replace(demotion=demotion)) is sick
