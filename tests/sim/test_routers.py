"""GROUP in the simulator: a few routers that everybody asks for, and what it finds out."""

from dataclasses import replace

import pytest

from sim.routers import Routers, from_seed, story, verdict
from sim.scenario import Fault, HostPlan, Scenario, Setting, Weather, What
from vipd.daemon.health.groups import OthersOf

FOREVER = 1e6


def pair(*faults: tuple[int, Fault], preempt: bool = True) -> Routers:
    """Two hosts on two segments; each fault with the number of its segment."""
    hosts = tuple(HostPlan((Setting(advskew=skew, preempt=preempt),)) for skew in (0, 50))
    segments = tuple(
        Scenario(number, hosts, Weather(), tuple(f for where, f in faults if where == number))
        for number in range(2)
    )
    return Routers(segments, track_up=2.0, last=60.0)


def taken(plan: Routers) -> list[tuple[float, str]]:
    """When, after the start, a host got an address, and which host."""
    lines, broken = story(plan)
    assert broken == ""
    words = [line.split() for line in lines if line.endswith(": has the address")]
    return [(float(time), host) for time, _, _, host, *_ in words if float(time) > 10]


@pytest.mark.parametrize("segment", [0, 1])
def test_either_cable_moves_both_and_both_come_home(segment: int) -> None:
    moves = taken(pair((segment, Fault(20, What.UNPLUG, host=0, seconds=5))))
    assert [host for _, host in moves] == ["vipd1", "vipd1", "vipd0", "vipd0"]
    one, two = (time for time, host in moves if host == "vipd0")
    assert one >= 27  # TRACK_UP
    assert two - one < 1.3  # each with the next advertisement of its owner


def test_two_half_dead_hosts_serve_what_each_can() -> None:
    plan = pair(
        (0, Fault(20, What.UNPLUG, host=0, seconds=FOREVER)),
        (1, Fault(30, What.UNPLUG, host=1, seconds=FOREVER)),
    )
    assert verdict(plan) == ""


def test_a_member_that_ails_without_preempt_stays_away_with_the_others() -> None:
    plan = pair((1, Fault(20, What.SICK, host=0, seconds=5)), preempt=False)
    assert {host for _, host in taken(plan)} == {"vipd1"}


@pytest.mark.parametrize("seed", [3, 1983])
def test_a_seed_is_always_the_same_story(seed: int) -> None:
    assert story(from_seed(seed)) == story(from_seed(seed))


def test_members_that_learn_nothing_of_each_other_are_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    see = OthersOf.see

    def deaf(self: OthersOf, told: object, now: float) -> None:
        nothing = replace(told, ailing={}, unknown={})  # type: ignore[type-var]
        see(self, nothing, now)  # type: ignore[arg-type]

    monkeypatch.setattr(OthersOf, "see", deaf)
    plan = pair((0, Fault(20, What.UNPLUG, host=0, seconds=FOREVER)))
    assert verdict(plan) == "[0] own, and [1] are healthy"
