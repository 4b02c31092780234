"""`vipctl scan` beside real vipd, ucarp and keepalived, and beside what a test makes up."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from helpers.configured import PASSWORD, VIP, WEB01, WEB02, write_vip
from helpers.forging import frame, send, signed

from cli.conftest import COMMAND
from vipd.cli.segment import ranges
from vipd.lab import Host, Lab

pytestmark = pytest.mark.lab


def scan(host: Host, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return host.run([*COMMAND, "scan", *map(str, arguments)], timeout=60)


def rows(text: str) -> list[list[str]]:
    lines = text.split("\n\n")[0].splitlines()[1:]
    return [re.split(r"\s{2,}", line) for line in lines]


@pytest.mark.parametrize("version", [2, 3])
def test_everybody_is_heard_and_told_apart(lab: Lab, tmp_path: Path, version: int) -> None:
    web01, web02 = lab.host("web01", f"{WEB01}/24"), lab.host("web02", f"{WEB02}/24")
    ours, looking = tmp_path / "vipd", tmp_path / "looking"
    write_vip(ours)
    write_vip(ours, "002", VIP_ADDRESS="2001:db8::2")
    vipd = web01.vipd(ours)
    web02.ucarp(vhid=7, address="198.51.100.77", password="another")
    config = tmp_path / "keepalived.conf"
    config.write_text(
        f"global_defs {{ vrrp_version {version} }}\n"
        "vrrp_instance peer { state MASTER\n interface eth1\n virtual_router_id 51\n priority 120\n"
        " advert_int 1\n virtual_ipaddress { 198.51.100.88/32 } }\n"
    )
    web02.start(["keepalived", "-n", "-l", "-P", "-f", config, "-p", "/run/kp", "-r", "/run/kv"])
    for address, owner in ((VIP, "web01"), ("2001:db8::2", "web01"), ("198.51.100.77", "web02")):
        lab.wait_owner(address, owner)
    lab.wait_owner("198.51.100.88", "web02")
    # The files of a host that knows VHID 1 and its password, and has another address in 3.
    write_vip(looking)
    write_vip(looking, "003", VIP_ADDRESS="198.51.100.33")
    observer = lab.host("observer", "198.51.100.200/24")
    done = scan(observer, "eth1", "--config-dir", looking)
    assert (done.returncode, done.stderr) == (0, "")
    found = {row[0]: row for row in rows(done.stdout)}
    assert list(found) == ["1", "2", "7", "51"]
    assert found["1"][1:4] == ["CARP", WEB01, "1+0/256 s"]
    assert found["1"][5] == "VIP 001"
    assert found["2"][2].startswith("fe80::")
    assert found["7"][2::3] == [WEB02, "another password or VIP_ADDRESS"]
    assert found["51"][1:4] == [f"VRRP {version}", WEB02, "1 s"]
    assert found["51"][5] == "priority 120, 198.51.100.88"
    assert all(3 <= int(row[4]) <= 6 for row in found.values())
    assert "\nFree VHIDs: 4-6, 8-50, 52-255\n" in done.stdout
    answer = json.loads(scan(web01, "eth1", "--json", "--config-dir", ours).stdout)
    here = {each["id"]: each["this_host"] for each in answer["heard"]}
    assert here == {1: True, 2: True, 7: False, 51: False}
    assert {each["id"]: each.get("password_of") for each in answer["heard"]} == {
        1: "001", 2: "002", 7: None, 51: None,
    }  # fmt: skip
    assert answer["free"] == [n for n in range(1, 256) if n not in (1, 2, 7, 51)]
    assert PASSWORD not in done.stdout
    assert vipd.alive


def test_what_does_not_fit_our_files_is_said(lab: Lab, tmp_path: Path) -> None:
    web01, web02 = lab.host("web01", f"{WEB01}/24"), lab.host("web02", f"{WEB02}/24")
    write_vip(tmp_path)
    write_vip(tmp_path, "002", VIP_ADDRESS="198.51.100.2", PASSWORD="second")
    write_vip(tmp_path, "004", VIP_ADDRESS="198.51.100.4")
    packets = [
        signed(vhid=9),
        signed(vhid=2, password="wrong", addresses=["198.51.100.2"]),
        signed(vhid=4, password="second", addresses=["198.51.100.4"]),
        signed(vhid=1, source="198.51.100.66"),
        signed(vhid=1, advskew=20),
    ]
    process = web01.start([*COMMAND, "scan", "eth1", "--config-dir", str(tmp_path)], name="scan")
    while process.alive:
        send(web02, *(frame(each.build()) for each in packets))
    assert process.wait() == 0
    shown = [" ".join(row[2:4] + row[5:]) for row in rows(process.log())]
    assert shown == [
        "198.51.100.66 1+0/256 s VIP 001",
        f"{WEB02} 1+20/256 s VIP 001",
        f"{WEB02} 1+0/256 s not those of VIP 002: another password or VIP_ADDRESS",
        f"{WEB02} 1+0/256 s password of VIP 002, VIP_ADDRESS of VIP 004",
        f"{WEB02} 1+0/256 s VIP 001, which has VHID 1 here",
    ]


def test_a_quiet_network_and_files_that_are_not_there(lab: Lab) -> None:
    host = lab.host("web01", f"{WEB01}/24")
    done = scan(host, "eth1", "--config-dir", "/nonexistent")
    assert done.returncode == 0
    assert done.stdout == (
        "Nobody was heard on eth1 in 4 s.\n\nFree VHIDs: 1-255\n"
        "No password is known: /nonexistent cannot be read.\n"
    )


def test_an_interface_that_cannot_be_listened_to_is_status_2(lab: Lab) -> None:
    host = lab.host("web01", f"{WEB01}/24")
    done = scan(host, "eth9")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "vipctl scan: eth9: No such device; there are eth1\n"
    assert "lo is a loopback interface" in scan(host, "lo").stderr
    host.run(["ip", "link", "set", "eth1", "down"])
    down = scan(host, "eth1")
    assert down.returncode == 2
    assert down.stderr == "vipctl scan: eth1: Network is down (ip link set eth1 up)\n"


def test_ranges_are_short() -> None:
    assert ranges([1, 2, 3, 7, 9, 10]) == "1-3, 7, 9-10"
    assert ranges([]) == ""
