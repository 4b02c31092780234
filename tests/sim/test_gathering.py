"""All promises hold with daemons that read what they expect a moment later."""

import pytest

from sim import world
from sim.gathering import GatheringVipd
from sim.play import verdict
from sim.scenario import from_seed

SCENARIOS, BLOCK = 400, 50
#: Packets counted from when they were read, and a silent master was replaced too late.
FOUND = (1458, 1969)


@pytest.fixture(autouse=True)
def _gathering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "Vipd", GatheringVipd)


@pytest.mark.parametrize("first", range(0, SCENARIOS, BLOCK))
def test_every_promise_is_kept(first: int) -> None:
    seeds = range(first, first + BLOCK)
    broken = {seed: what for seed in seeds if (what := verdict(from_seed(seed)))}
    assert broken == {}


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_stays_mended(seed: int) -> None:
    assert verdict(from_seed(seed)) == ""
