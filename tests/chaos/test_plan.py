"""What is drawn from a seed."""

from itertools import pairwise

import pytest

from chaos.plan import HARMLESS, LASTING, Fault, Kind, plan, sickness, siege

HOSTS, VHIDS, LENGTH = ("a", "b", "c"), (1, 2, 3), 30.0
CABLE = {Kind.CUT, Kind.PARTITION}
PROCESS = {Kind.FREEZE, Kind.KILL, Kind.STOP, Kind.CRASH}


def drawn(seed: str) -> list[Fault]:
    return plan(seed, LENGTH, HOSTS, VHIDS)


def test_a_seed_is_a_plan() -> None:
    assert drawn("1") == drawn("1")
    assert drawn("1") != drawn("2")


@pytest.mark.parametrize("seed", range(20))
def test_all_is_over_when_the_round_is(seed: int) -> None:
    faults = drawn(str(seed))
    assert len(faults) > 20
    assert all(0 <= fault.begin <= fault.end <= LENGTH for fault in faults)
    assert all(fault.begin == fault.end for fault in faults if fault.kind not in LASTING)


@pytest.mark.parametrize("seed", range(20))
def test_what_befalls_one_thing_comes_one_after_the_other(seed: int) -> None:
    for host in HOSTS:
        own = [fault for fault in drawn(str(seed)) if fault.host == host]
        for lane in (PROCESS, CABLE, {Kind.CRASH, *CABLE}):
            for one, other in pairwise(fault for fault in own if fault.kind in lane):
                assert one.end <= other.begin


def besieged(seed: str) -> list[Fault]:
    return siege(seed, LENGTH, HOSTS, VHIDS)


def test_everything_happens_by_and_by() -> None:
    kinds = {
        fault.kind for seed in range(20) for fault in (*drawn(str(seed)), *besieged(str(seed)))
    }
    assert kinds == set(Kind)


def test_in_a_siege_happens_what_must_not_move_an_address_and_nothing_else() -> None:
    assert {fault.kind for seed in range(20) for fault in besieged(str(seed))} == HARMLESS


def test_in_sickness_nothing_happens_but_checks_that_fail() -> None:
    faults = [f for seed in range(20) for f in sickness(str(seed), LENGTH, HOSTS, VHIDS)]
    assert {fault.kind for fault in faults} == {Kind.SICK}
    assert all(fault.end <= LENGTH for fault in faults)
