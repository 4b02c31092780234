"""Real daemons on three hosts, and nothing that they could rely on.

`make chaos MINUTES=10` is the long version. VIPD_CHAOS_SEED=… plays another seed, as it was printed
by one that failed.
"""

import itertools
import os
from pathlib import Path

import pytest

from chaos.checks import drawn
from chaos.figures import Witness
from chaos.groups import CHECK_INTERVAL, GROUPS, Ailment, Group
from chaos.plan import Fault, Kind
from chaos.play import Play
from chaos.scene import BrokenError
from chaos.stage import Stage
from chaos.verdict import Check
from vipd.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.alone]

ROUNDS, LENGTH, SIEGE, SICKNESS = 2, 25.0, 8.0, 10.0


def test_nothing_that_befalls_three_hosts_makes_two_owners_or_none(
    lab: Lab, tmp_path: Path
) -> None:
    play = Play(Stage(lab, tmp_path), os.environ.get("VIPD_CHAOS_SEED", "1"))
    play.open()
    for _ in range(ROUNDS):
        play.round(LENGTH)
        play.siege(SIEGE)
        play.sickness(SICKNESS)
    print(play.figures.table())
    assert play.figures.faults.total() > 50
    # These happen in each run. The others measure what goes wrong, and there may be nothing.
    seen = {check for check, _ in play.figures.worst}
    assert seen >= {Check.NONE, Check.ORPHAN, Check.CARRIER, Check.UNTOUCHED}


def test_without_leases_a_frozen_owner_is_found_out(lab: Lab, tmp_path: Path) -> None:
    """The same eyes, on a vipd that lacks what keeps it from being a second owner."""
    play = Play(Stage(lab, tmp_path, {"LEASE": "off"}), "frozen")
    play.open()
    group = GROUPS[0]
    frozen = Fault(Kind.FREEZE, group.preferred, group.vhid, begin=0.1, end=7.0, dice=0)
    with pytest.raises(BrokenError) as broken:
        play.round(7.0, [frozen])
    story = str(broken.value)
    assert "round 1 of seed frozen: " in story
    assert "two owners that hear each other" in story or "still owner after being frozen" in story
    assert f"--- {group.preferred} frozen" in story


def _failing(group: Group) -> Fault:
    """The check of a group fails on the host that it is preferred on, for long enough."""
    for dice in itertools.count():
        if drawn(dice) == (group.check, Ailment.FAIL):
            return Fault(Kind.SICK, group.preferred, group.vhid, begin=0.1, end=8.0, dice=dice)
    raise AssertionError


def test_a_sick_owner_gives_way_to_a_healthy_host(lab: Lab, tmp_path: Path) -> None:
    play = Play(Stage(lab, tmp_path), "sick")
    play.open()
    play.sickness(8.0, [_failing(GROUPS[1])])
    owned = play.figures.worst[Check.SICK, Witness.EVENTS]
    assert owned.hosts == (GROUPS[1].preferred,)
    assert owned.seconds > CHECK_INTERVAL


def test_a_sick_owner_that_stays_is_found_out(lab: Lab, tmp_path: Path) -> None:
    play = Play(Stage(lab, tmp_path, {"DEMOTE_BY": "1"}), "stays")
    play.open()
    with pytest.raises(BrokenError, match="a sick owner, although a healthy host could"):
        play.sickness(8.0, [_failing(GROUPS[1])])
