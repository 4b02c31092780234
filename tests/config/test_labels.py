"""BIND_INTERFACE with a label, which the kernel cuts off."""

from pathlib import Path

from helpers.configured import write_vip

from vipd.config.load import load
from vipd.config.problem import Severity


def test_a_label_is_warned_of_and_the_vip_runs_on_its_interface(tmp_path: Path) -> None:
    write_vip(tmp_path, BIND_INTERFACE="eth1:100")
    snapshot = load(tmp_path)
    (vip,) = snapshot.vips
    assert (vip.interface, vip.device) == ("eth1:100", "eth1")
    (problem,) = snapshot.problems
    assert problem.severity is Severity.WARNING
    assert problem.message == (
        "“eth1:100” is a label; the VIP runs on eth1, and scripts get “eth1:100”, as with ucarp"
    )
    assert problem.hint == "write eth1, unless a script needs the label"


def test_two_labels_of_an_interface_share_its_vhids_and_addresses(tmp_path: Path) -> None:
    write_vip(tmp_path, BIND_INTERFACE="eth1:1", VHID="7")
    write_vip(tmp_path, "002", BIND_INTERFACE="eth1", VHID="7")
    write_vip(tmp_path, "003", BIND_INTERFACE="eth1:3")
    snapshot = load(tmp_path)
    assert [vip.id for vip in snapshot.vips] == ["001"]
    errors = [p.message for p in snapshot.problems if p.severity is Severity.ERROR]
    assert errors == [
        "vip-002.conf has VHID 7 on eth1 like vip-001.conf, so it does not run",
        "vip-003.conf has the address 198.51.100.154 like vip-001.conf, so it does not run",
    ]


def test_a_name_with_its_label_is_no_longer_than_the_kernel_takes(tmp_path: Path) -> None:
    write_vip(tmp_path, BIND_INTERFACE="enp7s0f0np0:1000")
    (problem,) = load(tmp_path).problems
    assert problem.severity is Severity.ERROR
