"""What is told of a VIP agrees with what its machine does."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest
from helpers.configured import write_vip

from vipd.carp.parameters import Parameters
from vipd.config.load import load
from vipd.daemon.control.report import of_broken


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
