"""Scripts on a file server that does not answer any more."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import dead_server
from helpers.advertising import LATE, go_on, lateness, of_vhid, seen
from helpers.captured import capture
from helpers.configured import QUICK, VIP, write_script, write_vip
from helpers.hosts import until
from helpers.machine import Delay

from vipd.lab import Host, Lab

pytestmark = pytest.mark.lab

SECOND = "198.51.100.155"


@pytest.fixture
def hang(web01: Host, tmp_path: Path) -> Callable[[], None]:
    """Mount a directory `remote` with the scripts up and down; called, it hangs from then on."""
    remote, gate = tmp_path / "remote", tmp_path / "gate"
    remote.mkdir()
    scripts = [
        write_script(tmp_path / name, f"touch {tmp_path}/{name}-ran") for name in ("up", "down")
    ]
    server = web01.start(
        [sys.executable, dead_server.__file__, remote, gate, *scripts], name="server"
    )
    server.wait_for("mounted")
    return gate.touch


def test_it_holds_up_neither_advertisements_nor_other_scripts_nor_the_end(
    lab: Lab, web01: Host, web02: Host, files: Path, tmp_path: Path, hang: Callable[[], None]
) -> None:
    dump = capture(web02, "proto", "112")
    remote = tmp_path / "remote"
    local = write_script(tmp_path / "local", f"touch {tmp_path}/local-ran")
    settings = {"SCRIPT_TIMEOUT": "1", "MANAGE_ADDRESS": "yes", "OPTIONS": f"{QUICK} -n --shutdown"}
    write_vip(files, UPSCRIPT=f"{remote}/up", DOWNSCRIPT=f"{remote}/down", **settings)
    write_vip(files, "002", VIP_ADDRESS=SECOND, UPSCRIPT=str(local), **settings)
    web01.cut()
    daemon = web01.vipd(files)
    delay = Delay(daemon)
    for name in ("001", "002"):
        daemon.wait_for(f"{name}: waiting: eth1 has no carrier")
    hang()
    web01.join()
    for address in (VIP, SECOND):
        lab.wait_owner(address, "web01")
    until((tmp_path / "local-ran").exists, daemon.tail)
    daemon.wait_for("001: upscript still runs after 1 s: SIGTERM to its process group")
    daemon.wait_for("SIGKILL to its process group")
    daemon.wait_for(r"^<3>001: upscript \(process \d+\) does not end although it was killed")
    for vhid in (1, 2):
        seen(dump, vhid, times=2)
    go_on(dump, 1, 2)
    for vhid in (1, 2):
        assert lateness(of_vhid(dump, vhid), delay) < LATE
    began = time.time()
    assert daemon.stop() == 0  # DOWNSCRIPT hangs, too: 1 s, and 2 s twice
    assert time.time() - began - delay.since(began) < 12
    assert not (tmp_path / "up-ran").exists()
    for address in (VIP, SECOND):
        lab.wait_owner(address, None)


def test_the_scripts_of_that_server_run_while_it_answers(
    web01: Host, files: Path, tmp_path: Path, hang: Callable[[], None]
) -> None:
    """Else the other test would show nothing."""
    assert callable(hang)
    write_vip(files, UPSCRIPT=f"{tmp_path}/remote/up", MANAGE_ADDRESS="yes", OPTIONS=QUICK)
    daemon = web01.vipd(files)
    until((tmp_path / "up-ran").exists, daemon.tail)


def test_a_check_on_that_server_holds_up_nothing_but_itself(
    lab: Lab, web01: Host, web02: Host, files: Path, tmp_path: Path, hang: Callable[[], None]
) -> None:
    """Also no other check, although each is started from a thread of the daemon."""
    dump = capture(web02, "proto", "112")
    runs = tmp_path / "runs"
    local = write_script(tmp_path / "local", f"echo run >>{runs}")
    checks = {f"CHECK_REMOTE{n}": f"{tmp_path}/remote/up {n}" for n in range(6)}
    settings = {"CHECK_USER": "root", "CHECK_INTERVAL": "0.5", "OPTIONS": QUICK}
    write_vip(files, CHECK_LOCAL=str(local), **checks, **settings)
    daemon = web01.vipd(files)
    delay = Delay(daemon)
    lab.wait_owner(VIP, "web01")
    hang()
    for n in range(6):
        daemon.wait_for(rf"remote{n}\b.*does not end although it was killed \(process \d+\)")
    before = len(runs.read_text())
    until(lambda: len(runs.read_text()) > before + 20, daemon.tail)
    seen(dump, 1, times=2)
    go_on(dump, 1)
    assert lateness(of_vhid(dump, 1), delay) < LATE
    assert daemon.stop() == 0
    lab.wait_owner(VIP, None)
