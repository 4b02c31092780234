"""What is told of a VIP agrees with what its machine does."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest
from helpers.configured import write_vip

from vipd.carp.parameters import Parameters
from vipd.config.load import load
from vipd.daemon.control.report import of_broken, undecided
from vipd.daemon.health.verdict import Verdict


@pytest.mark.parametrize(
    ("advbase", "advskew", "deadratio"), [(1, 100, 3), (2, 200, 5), (0, 64, 3), (1, 0, 1)]
)
def test_a_vip_that_broke_has_the_times_that_its_machine_would_have(
    advbase: int, advskew: int, deadratio: int, tmp_path: Path
) -> None:
    options = f"--advbase={advbase} --advskew={advskew} --deadratio={deadratio}"
    write_vip(tmp_path, OPTIONS=options)
    (config,) = load(tmp_path).vips
    machine = Parameters(IPv4Address("192.0.2.1"), advbase, advskew, deadratio)

    told = of_broken(config, maintenance=False, why="it broke", since=0.0)

    assert (told.interval, told.master_down) == (machine.interval, machine.master_down)


def test_what_has_no_verdict_after_a_minute_is_told() -> None:
    """The host looks healthy, and takes over from nobody."""
    reasons = {
        "check:web": Verdict(None, 100.0, "exit status 75"),
        "track:nginx.service": Verdict(None, 100.0),
        "check:new": Verdict(None, 130.0),
        "check:sick": Verdict(False, 100.0, "exit status 1"),
        "check:disk": Verdict(True, 100.0),
    }
    assert list(undecided(reasons, 159.0)) == []
    still = "still has no verdict, so this host preempts nobody"
    assert list(undecided(reasons, 161.0)) == [
        (f"check:web {still}: exit status 75", 100.0),
        (f"track:nginx.service {still}", 100.0),
    ]
