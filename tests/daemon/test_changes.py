"""What a new configuration means for a VIP that runs."""

from pathlib import Path

import pytest
from helpers.configured import QUICK, VIP, write_vip

from vipd.config.load import load
from vipd.config.model import VipConfig
from vipd.daemon.vips.changes import clash
from vipd.lab import Host, Lab


def configured(directory: Path, **keys: str) -> VipConfig:
    write_vip(directory, **keys)
    (vip,) = load(directory).vips
    return vip


@pytest.mark.parametrize(
    ("other", "clashes"),
    [
        ({"ID": "2"}, True),  # the address
        ({"VIP_ADDRESS": "198.51.100.155"}, True),  # the VHID
        ({"ID": "2", "VIP_ADDRESS": f"192.0.2.1 {VIP}"}, True),
        ({"ID": "2", "VIP_ADDRESS": "198.51.100.155"}, False),
        ({"BIND_INTERFACE": "eth2"}, False),
        ({"BIND_INTERFACE": "eth1:7"}, True),  # a label is the same interface
    ],
)
def test_what_only_one_vip_can_have(tmp_path: Path, other: dict[str, str], clashes: bool) -> None:
    one = configured(tmp_path / "one")
    assert clash(one, configured(tmp_path / "other", **other)) is clashes


@pytest.mark.lab
def test_a_vip_whose_file_is_broken_does_not_stay_in_the_way_of_another(
    lab: Lab, web01: Host, files: Path
) -> None:
    write_vip(files, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01", timeout=60)
    write_vip(files, "002", OPTIONS=QUICK, VIP_ADDRESS="198.51.100.155")
    daemon.wait_for("002: Switching to state: MASTER")
    write_vip(files, VIP_ADDRESS=None)
    daemon.wait_for("001: keeps its old settings")
    mark = daemon.mark()
    write_vip(files, "002", OPTIONS=QUICK)  # has the address of 001 now
    daemon.wait_for("002: Switching to state: MASTER", since=mark)
    lab.wait_owner(VIP, "web01", timeout=60, stable=0.5)
    assert "001: Switching to state: INIT" in daemon.log(mark)
