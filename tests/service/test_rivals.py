"""Two programs on one host for one group: one runs it, the other says so and waits."""

import sys
from pathlib import Path

import pytest
from helpers.configured import VIP, write_vip

from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

PATIENCE = 60.0
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


#: What any user may do to an abstract socket, all the time: take its name, and fill its queue.
NUISANCE = """
import socket, sys, time
squat, flood = "squat" in sys.argv, "flood" in sys.argv
held = []
told = False
while True:
    for group in range(1, 3):
        name = f"\\0vipd/eth1/{group}"
        if squat:
            own = socket.socket(socket.AF_UNIX)
            try:
                own.bind(name)
                own.listen()
                held.append(own)
            except OSError:
                own.close()
        while flood and len(held) < 200:
            own = socket.socket(socket.AF_UNIX)
            own.setblocking(False)
            try:
                own.connect(name)
                held.append(own)
            except OSError:
                own.close()
                break
    if not told:
        print("at it", flush=True)
        told = True
    time.sleep(0.01)
"""
AS_A_USER = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def nuisance(host: Host, *what: str) -> Process:
    process = host.start([*AS_A_USER, "/usr/bin/python3", "-c", NUISANCE, *what], name="nuisance")
    process.wait_for("at it")
    return process


@pytest.mark.parametrize("what", [("squat",), ("flood",), ("squat", "flood")], ids=" and ".join)
@pytest.mark.parametrize("first", [True, False], ids=["before us", "after us"])
def test_no_user_makes_two_of_us_run_a_group_or_keeps_it_from_running(
    lab: Lab, web01: Host, files: Path, what: tuple[str, ...], *, first: bool
) -> None:
    write_vip(files)
    if first:
        nuisance(web01, *what)
    own = one_of_its_own(web01, files)
    own.wait_for("001: Switching to state: MASTER", timeout=PATIENCE)
    if not first:
        nuisance(web01, *what)
    everything = web01.vipd(files)
    everything.wait_for("001: waiting: .* runs VHID 1 on eth1", timeout=PATIENCE)
    lab.wait_owner(VIP, "web01", stable=3)  # two looks of the one that waits
    assert "state:" not in everything.log()
    own.kill()
    everything.wait_for("001: Switching to state: MASTER", timeout=PATIENCE)


def test_two_that_start_at_the_same_moment_do_not_both_run(
    lab: Lab, web01: Host, files: Path
) -> None:
    write_vip(files)
    both = [one_of_its_own(web01, files), web01.vipd(files)]
    lab.wait_owner(VIP, "web01", timeout=PATIENCE, stable=3)
    running = ["state: MASTER" in daemon.log() for daemon in both]
    assert sorted(running) == [False, True]
    assert "001: waiting: " in both[running.index(False)].log()


def test_one_in_a_container_on_the_hosts_network_counts(web01: Host, files: Path) -> None:
    """With file systems and process numbers of its own."""
    write_vip(files)
    web01.vipd(files).wait_for("001: Switching to state: MASTER", timeout=PATIENCE)
    alone = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    command = [sys.executable, "-m", "vipd.daemon", "--config-dir", str(files)]
    boxed = web01.start([*alone, *command, DIRECTORY, "/run/box", "--state-dir", "/run/box"])
    boxed.wait_for("001: waiting: a vipd in a container runs VHID 1 on eth1", timeout=PATIENCE)


@pytest.mark.parametrize("space", [(), ("unshare", "--user")], ids=["plain", "own user namespace"])
def test_a_users_program_called_ucarp_does_not_keep_us_from_running(
    web01: Host, files: Path, space: tuple[str, ...]
) -> None:
    """Named so in every respect: its file, what it calls itself, its options."""
    shell = Path("/bin/sh").resolve()
    web01.must(["sh", "-c", f"mkdir /run/lab/user; cp {shell} /run/lab/user/ucarp"])
    # To a shell: interactive, read the file eth1, verbose.
    web01.must(["sh", "-c", "echo 'echo at it; sleep 1000; :' >/run/lab/user/eth1"])
    web01.must(["chmod", "-R", "a+rX", "/run/lab"])
    at_it = web01.start(
        [*AS_A_USER, *space, "env", "-C", "/run/lab/user", "./ucarp", "-i", "eth1", "-v", "1"]
    )
    at_it.wait_for("at it")
    write_vip(files)
    daemon = web01.vipd(files)
    daemon.wait_for("state: MASTER", timeout=PATIENCE)
    assert "waiting" not in daemon.log()
    assert at_it.alive


def test_a_link_called_ucarp_to_a_program_of_roots_does_not_count(web01: Host, files: Path) -> None:
    """As a user can have sudo or su wait for a password under that name."""
    web01.must(["ln", "-s", str(Path("/bin/sh").resolve()), "/run/lab/ucarp"])
    web01.must(["sh", "-c", "echo 'echo at it; sleep 1000; :' >/run/lab/eth1"])
    web01.start(["env", "-C", "/run/lab", "./ucarp", "-i", "eth1", "-v", "1"]).wait_for("at it")
    write_vip(files)
    daemon = web01.vipd(files)
    daemon.wait_for("state: MASTER", timeout=PATIENCE)
    assert "waiting" not in daemon.log()
