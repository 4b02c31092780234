"""What systemd hears from a real daemon."""

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.configured import write_script, write_vip
from helpers.hosts import ip, until
from helpers.machine import Delay
from helpers.manager import Manager, listening

from vipd.daemon.service.notify import Notify
from vipd.lab import Host, Process

lab_test = pytest.mark.lab
PATIENCE = 60.0


@pytest.fixture
def manager() -> Iterator[Manager]:
    # Not tmp_path: the path of a socket has 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="vipd-") as directory, listening(Path(directory)) as m:
        yield m


def start(host: Host, files: Path, manager: Manager, **environment: str) -> Process:
    return host.vipd(files, env={"NOTIFY_SOCKET": str(manager.path), **environment})


@lab_test
def test_ready_is_said_when_every_vip_listens(web01: Host, files: Path, manager: Manager) -> None:
    write_vip(files)
    write_vip(files, "002", VIP_ADDRESS="198.51.100.155")
    daemon = start(web01, files, manager)
    words = manager.wait_for("READY", "1", PATIENCE)
    assert words["STATUS"] == "2 VIPs: 2 BACKUP"
    assert daemon.log().count("state: BACKUP") == 2
    manager.wait_for("STATUS", "2 VIPs: 2 MASTER", PATIENCE)


@lab_test
def test_a_vip_that_waits_for_its_interface_does_not_hold_up_the_others(
    web01: Host, files: Path, manager: Manager
) -> None:
    write_vip(files)
    write_vip(files, "002", VIP_ADDRESS="198.51.100.155", BIND_INTERFACE="eth7")
    (files / "vip-003.conf").write_text("nonsense\n")
    start(web01, files, manager)
    words = manager.wait_for("READY", "1", PATIENCE)
    assert words["STATUS"] == "2 VIPs: 1 BACKUP, 1 waiting; 1 file with errors"
    manager.wait_for("STATUS", "2 VIPs: 1 MASTER, 1 waiting; 1 file with errors", PATIENCE)
    ip(web01, "link set eth1 down")
    manager.wait_for("STATUS", "2 VIPs: 2 waiting; 1 file with errors", PATIENCE)


@lab_test
def test_without_any_file_it_is_ready_and_says_that_there_is_nothing_to_do(
    web01: Host, files: Path, manager: Manager
) -> None:
    start(web01, files, manager)
    assert "no VIP to run" in manager.wait_for("READY", "1", PATIENCE)["STATUS"]


@lab_test
def test_a_reload_is_announced_and_ends_when_new_vips_listen(
    web01: Host, files: Path, manager: Manager
) -> None:
    write_vip(files)
    start(web01, files, manager)
    manager.wait_for("READY", "1", PATIENCE)
    write_vip(files, "002", VIP_ADDRESS="198.51.100.155")
    assert manager.wait_for("RELOADING", "1", PATIENCE)["MONOTONIC_USEC"].isdigit()
    assert manager.wait_for("READY", "1", PATIENCE)["STATUS"].startswith("2 VIPs")


@lab_test
def test_stopping_is_said_at_once_and_the_watchdog_fed_until_the_end(
    web01: Host, files: Path, manager: Manager, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    slow = write_script(tmp_path / "slow", f"while [ ! -e {gate} ]; do sleep 0.05; done")
    gate.touch()
    write_vip(files, OPTIONS="--shutdown", DOWNSCRIPT=str(slow), MANAGE_ADDRESS="yes")
    daemon = start(web01, files, manager, WATCHDOG_USEC="400000")
    manager.wait_for("READY", "1", PATIENCE)
    daemon.wait_for("state: MASTER", timeout=PATIENCE)
    gate.unlink()
    manager.hear()
    manager.said.clear()
    os.kill(daemon.pid, 15)
    manager.wait_for("STOPPING", timeout=PATIENCE)
    for _ in range(3):
        manager.wait_for("WATCHDOG", timeout=PATIENCE)
    assert daemon.alive  # it is still stopping
    gate.touch()
    daemon.wait(PATIENCE)


@lab_test
def test_the_watchdog_is_fed_by_the_loop_and_starves_with_it(
    web01: Host, files: Path, manager: Manager
) -> None:
    write_vip(files)
    daemon = start(web01, files, manager, WATCHDOG_USEC="2000000")
    delay = Delay(daemon)
    manager.wait_for("READY", "1", PATIENCE)
    began = time.time()
    for _ in range(3):
        manager.wait_for("WATCHDOG", timeout=PATIENCE)
    assert time.time() - began - delay.since(began) < 4
    daemon.freeze()
    manager.hear(0.2)
    manager.said.clear()
    manager.hear(2)
    assert manager.said == []


@lab_test
def test_scripts_do_not_speak_for_the_daemon(
    web01: Host, files: Path, manager: Manager, tmp_path: Path
) -> None:
    told = tmp_path / "environment"
    script = write_script(tmp_path / "script", f"env >{told}.new; mv {told}.new {told}")
    write_vip(files, DOWNSCRIPT=str(script))
    start(web01, files, manager, WATCHDOG_USEC="1000000")
    manager.wait_for("READY", "1", PATIENCE)
    manager.wait_for("STATUS", "1 VIP: 1 MASTER", PATIENCE)
    until(told.exists, lambda: "DOWNSCRIPT did not run")
    environment = told.read_text()
    assert "VHID=1" in environment
    assert "NOTIFY_SOCKET" not in environment
    assert "WATCHDOG" not in environment


def test_a_manager_that_does_not_listen_blocks_nobody(manager: Manager) -> None:
    notify = Notify({"NOTIFY_SOCKET": str(manager.path)})
    said = [notify.ready("x") for _ in range(10_000)]
    assert said[0]
    assert not said[-1]


def test_the_abstract_name_space_works_too() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0vipd-test-{os.getpid()}")
        sock.settimeout(5)
        Notify({"NOTIFY_SOCKET": f"@vipd-test-{os.getpid()}"}).ready("fine")
        assert sock.recv(100) == b"READY=1\nSTATUS=fine"


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_when_it_is_ours(
    environment: dict[str, str], seconds: float | None
) -> None:
    assert Notify(environment).watchdog == seconds
    assert environment == {}


def test_without_systemd_nothing_is_said() -> None:
    notify = Notify({})
    assert not notify.wanted
    assert notify.ready("x")
