"""The lab knows who should be master as the hosts do."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest
from helpers.configured import VIP, write_vip

from vipd.lab.plan import HostPlan, plan_from_config, preferred


def plan(tmp_path: Path, source: str, options: str) -> HostPlan:
    directory = tmp_path / source
    write_vip(directory, SOURCE_ADDRESS=source, OPTIONS=options)
    return plan_from_config(source, directory, [])


@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        pytest.param(
            ("198.51.100.5", "--advskew=9"), ("192.0.2.10", "--advskew=10"), id="the faster"
        ),
        pytest.param(
            ("198.51.100.5", ""), ("192.0.2.10", ""), id="of equals the lower as ucarp compares it"
        ),
        pytest.param(
            ("198.51.100.20", "--advbase=0 --advskew=1"),
            ("198.51.100.10", "--advbase=0 --advskew=2"),
            id="advbase 0",
        ),
    ],
)
def test_the_preferred_host_is_the_one_that_wins_the_election(
    winner: tuple[str, str], loser: tuple[str, str], tmp_path: Path
) -> None:
    plans = [plan(tmp_path, *loser), plan(tmp_path, *winner)]
    assert preferred(IPv4Address(VIP), plans) == winner[0]
