"""An interface by another of its names: an altname of it, or a label on it."""

import sys
from pathlib import Path

import pytest
from helpers.advertising import seen
from helpers.captured import capture
from helpers.configured import QUICK, VIP, WEB01, write_script, write_vip
from helpers.hosts import ip, until

from vipd.lab import Host, Lab

pytestmark = pytest.mark.lab

ALTNAME, LABEL = "enp7s0", "eth1:100"
OURS = [sys.executable, "-m", "vipd.ucarp.main"]


@pytest.mark.parametrize("name", [ALTNAME, LABEL])
def test_a_vip_runs_on_the_interface_and_its_scripts_get_the_name_as_written(
    lab: Lab, web01: Host, web02: Host, files: Path, tmp_path: Path, name: str
) -> None:
    ip(web01, f"link property add dev eth1 altname {ALTNAME}")
    dump = capture(web02, "proto", "112")
    said = tmp_path / "said"
    up = write_script(tmp_path / "up", f'echo "$* $INTERFACE" >{said}')
    write_vip(files, BIND_INTERFACE=name, UPSCRIPT=str(up), MANAGE_ADDRESS="yes", OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    seen(dump, 1, times=2)
    until(lambda: said.exists() and said.read_text().endswith("\n"), daemon.tail)
    assert said.read_text() == f"{name} {VIP} {name}\n"
    assert daemon.stop() == 0
    lab.wait_owner(VIP, None)


@pytest.mark.parametrize("name", [ALTNAME, LABEL])
def test_vipd_ucarp_takes_it_as_ucarp_does(
    lab: Lab, web01: Host, tmp_path: Path, name: str
) -> None:
    ip(web01, f"link property add dev eth1 altname {ALTNAME}")
    said = tmp_path / "said"
    script = write_script(tmp_path / "script", f'echo "$*" >>{said}; ip addr add "$2/32" dev eth1')
    words = f"-i {name} -s {WEB01} -v 1 -p love -a {VIP} -n -u {script}".split()
    for program in (["ucarp"], OURS):
        process = web01.start([*program, *words], name=program[-1])
        lab.wait_owner(VIP, "web01", timeout=20)
        process.stop()
        web01.run(["ip", "addr", "del", f"{VIP}/32", "dev", "eth1"])
    theirs, ours = said.read_text().splitlines()
    assert ours == theirs == f"{name} {VIP}"


def test_an_altname_may_come_and_go_while_vipd_runs(lab: Lab, web01: Host, files: Path) -> None:
    write_vip(files, BIND_INTERFACE=ALTNAME, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    daemon.wait_for(f"001: waiting: interface {ALTNAME} is not there")
    for _ in range(2):
        ip(web01, f"link property add dev eth1 altname {ALTNAME}")
        lab.wait_owner(VIP, "web01")
        ip(web01, f"link property del dev eth1 altname {ALTNAME}")
        lab.wait_owner(VIP, None)
    assert "failed" not in daemon.log()


def test_an_interface_that_is_renamed_is_the_same_by_its_altname(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    ip(web01, f"link property add dev eth1 altname {ALTNAME}")
    dump = capture(web02, "proto", "112")
    write_vip(files, BIND_INTERFACE=ALTNAME, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    daemon.wait_for("state: MASTER")
    mark = daemon.mark()
    ip(web01, "link set eth1 down", "link set eth1 name lan", "link set lan up")
    daemon.wait_for("state: MASTER", since=mark)
    lab.wait_owner(VIP, "web01", stable=1)
    seen(dump, 1, times=len(dump.log().splitlines()) + 2)
    assert "failed" not in daemon.log()


@pytest.mark.parametrize("altname_first", [True, False])
def test_two_names_of_an_interface_are_one_group(
    web01: Host, files: Path, altname_first: bool
) -> None:
    """Whether or not the altname was there when the second one began."""
    if altname_first:
        ip(web01, f"link property add dev eth1 altname {ALTNAME}")
    write_vip(files)
    web01.vipd(files).wait_for("state: MASTER")
    other = write_vip(files.parent / "other", BIND_INTERFACE=ALTNAME).parent
    second = web01.vipd(other, "--runtime-dir", "/run/other")
    if not altname_first:
        second.wait_for(f"waiting: interface {ALTNAME} is not there")
        ip(web01, f"link property add dev eth1 altname {ALTNAME}")
    second.wait_for(r"001: waiting: .* runs VHID 1 on eth1; ")
    assert "state:" not in second.log()
