"""Two programs on one host for one group: one runs it, the other says so and waits."""

from pathlib import Path

import pytest
from helpers.configured import VIP, write_vip
from helpers.hosts import until

from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

PATIENCE = 20.0
DIRECTORY = "--runtime-dir"


def one_of_its_own(host: Host, files: Path, name: str = "001") -> Process:
    """What ucarp@001 starts."""
    arguments = ("--only", name, DIRECTORY, f"/run/vipd@{name}")
    # Host.vipd gives --runtime-dir, too: the last one counts.
    return host.vipd(files, *arguments)


def test_vipd_waits_for_a_ucarp_to_end_and_takes_over(lab: Lab, web01: Host, files: Path) -> None:
    old = web01.ucarp(vhid="0x1", address=VIP)
    other = web01.ucarp(vhid=2, address="198.51.100.155")
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    write_vip(files)
    daemon = web01.vipd(files)
    said = daemon.wait_for(r"001: waiting: (.*)", timeout=PATIENCE)[1]
    assert said.startswith("ucarp (process ")
    assert "VHID 1 on eth1" in said
    lab.wait_owner(VIP, "web01", stable=1)
    assert "state:" not in daemon.log()
    old.stop()
    daemon.wait_for("001: Switching to state: MASTER", timeout=PATIENCE)
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    assert other.alive


def test_a_ucarp_on_another_host_of_the_machine_is_none_of_our_business(
    web01: Host, web02: Host, files: Path
) -> None:
    web02.ucarp(vhid=1, address=VIP)
    write_vip(files)
    daemon = web01.vipd(files)
    daemon.wait_for("state: BACKUP", timeout=PATIENCE)
    assert "waiting" not in daemon.log()


def test_a_vip_moves_between_a_service_of_its_own_and_the_one_for_all(
    lab: Lab, web01: Host, files: Path
) -> None:
    write_vip(files)
    write_vip(files, "002", VIP_ADDRESS="198.51.100.155")
    own = one_of_its_own(web01, files, "vip-001")
    own.wait_for("001: Switching to state: MASTER", timeout=PATIENCE)
    everything = web01.vipd(files)
    said = everything.wait_for(r"001: waiting: (.*)", timeout=PATIENCE)[1]
    assert "VHID 1 on eth1; stop one of the two" in said
    everything.wait_for("002: Switching to state: MASTER", timeout=PATIENCE)
    assert own.stop() == 0
    everything.wait_for("001: Switching to state: MASTER", timeout=PATIENCE)
    again = one_of_its_own(web01, files)
    again.wait_for("001: waiting", timeout=PATIENCE)
    assert "002" not in again.log()
    everything.kill()
    again.wait_for("001: Switching to state: MASTER", timeout=PATIENCE)
    lab.wait_owner(VIP, "web01", stable=1)


def test_whoever_waits_can_be_stopped_and_follows_its_files(web01: Host, files: Path) -> None:
    file = write_vip(files)
    web01.vipd(files).wait_for("001: Switching to state: MASTER", timeout=PATIENCE)
    waiting = one_of_its_own(web01, files)
    waiting.wait_for("001: waiting", timeout=PATIENCE)
    file.write_text(file.read_text().replace("love", "hate"))
    waiting.wait_for("001: changed in place: password", timeout=PATIENCE)
    assert waiting.stop() == 0
    assert "state:" not in waiting.log()


def test_the_name_of_a_file_that_is_not_there_is_refused(web01: Host, files: Path) -> None:
    write_vip(files)
    typo = one_of_its_own(web01, files, "002")
    assert typo.wait() == 2
    assert f"there is no {files}/vip-002.conf" in typo.log()


def test_a_user_who_holds_our_name_does_not_keep_us_from_running(web01: Host, files: Path) -> None:
    program = (
        "import os, socket, time\n"
        "os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX)\n"
        "s.bind('\\0vipd/eth1/1')\n"
        "s.listen()\n"
        "print('holding', flush=True)\n"
        "time.sleep(60)\n"
    )
    web01.start(["/usr/bin/python3", "-c", program], name="squatter").wait_for("holding")
    write_vip(files)
    daemon = web01.vipd(files)
    daemon.wait_for("state: BACKUP", timeout=PATIENCE)
    until(lambda: "state: MASTER" in daemon.log(), daemon.tail)
