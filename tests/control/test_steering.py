"""Demotion, maintenance, reload and log level: what they do, and that they last."""

import time
from collections.abc import Callable
from pathlib import Path
from signal import SIGHUP

import pytest
from helpers.asking import Client, RefusedError, ask, vip_of
from helpers.configured import VIP, WEB02, write_vip
from helpers.hosts import ip, until

from control.conftest import Pair
from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab


def becomes(daemon: Process, state: str, identifier: str = "001", timeout: float = 30) -> None:
    """Also when it is not there yet, or not again."""

    def is_so() -> bool:
        with Client(daemon) as client:
            return client.vips().get(identifier, {}).get("state") == state

    until(is_so, daemon.tail, timeout=timeout)


def test_a_demoted_master_hands_over_without_a_moment_without_an_owner(
    pair: Pair, lab: Lab
) -> None:
    begin = time.time()
    (handover,) = ask(pair.first, "Demote", ids=["001"], hold=4)["handovers"]
    assert (handover["before"], handover["after"]) == ("MASTER", "BACKUP")
    assert handover["successor"] == WEB02
    assert 0 < handover["seconds"] < 2
    assert vip_of(pair.second)["state"] == "MASTER"
    demoted = vip_of(pair.first)
    assert (demoted["mode"], demoted["reason"]) == ("HOLDING", "STEPPED_DOWN")
    assert 0 < demoted["hold_left"] <= 4
    becomes(pair.first, "MASTER")  # it preempts, when the hold is over
    ownership = lab.ownership(VIP).since(begin)
    assert ownership.longest_none() < 0.1  # two hosts' clocks are read
    with Client(pair.first) as client:
        demotions = [e for e in client.history("001") if e["kind"] == "DEMOTION"]
    assert [e["text"].split(", asked by ")[0] for e in demotions] == ["demote for 4 s"]


def test_a_backup_that_is_demoted_stays_backup_even_if_the_master_dies(pair: Pair) -> None:
    (handover,) = ask(pair.second, "Demote", ids=["001"], hold=60)["handovers"]
    assert (handover["before"], handover["after"]) == ("BACKUP", "BACKUP")
    pair.first.kill()
    pair.second.wait_for(rf"^<3>001: nobody owns {VIP}: .*vipctl maintenance off 001", timeout=60)
    assert vip_of(pair.second)["state"] == "BACKUP"
    ask(pair.second, "Maintenance", on=False, ids=["001"])
    becomes(pair.second, "MASTER")


def kill_and_start(host: Host, daemon: Process, files: Path) -> Process:
    daemon.kill()
    return host.vipd(files)


def stop_and_start(host: Host, daemon: Process, files: Path) -> Process:
    daemon.stop()
    return host.vipd(files)


def pull_the_cable(host: Host, daemon: Process, files: Path) -> Process:
    assert files.exists()
    host.cut()
    daemon.wait_for("001: waiting: ", timeout=60)
    host.join()
    return daemon


def change_in_place(host: Host, daemon: Process, files: Path) -> Process:
    assert host.alive
    write_vip(files, OPTIONS="--preempt --shutdown --deadratio=2")
    daemon.wait_for("changed in place: deadratio", timeout=60)
    return daemon


def start_anew(host: Host, daemon: Process, files: Path) -> Process:
    """A reload that has to start the VIP anew."""
    ip(host, "addr add 198.51.100.7/24 dev eth1")
    write_vip(files, OPTIONS="--preempt --shutdown", SOURCE_ADDRESS="198.51.100.7")
    daemon.wait_for("files read: 1 restarted", timeout=60)
    return daemon


@pytest.mark.parametrize(
    "happens", [kill_and_start, stop_and_start, pull_the_cable, change_in_place, start_anew]
)
def test_maintenance_lasts_until_it_is_switched_off(
    pair: Pair, web01: Host, files: Path, happens: Callable[[Host, Process, Path], Process]
) -> None:
    mark = pair.second.mark()
    (handover,) = ask(pair.first, "Maintenance", on=True, ids=["001"])["handovers"]
    assert (handover["before"], handover["successor"]) == ("MASTER", WEB02)
    pair.second.wait_for("Switching to state: MASTER", since=mark)  # it says so after it is
    daemon = happens(web01, pair.first, files)
    mark = pair.second.mark()
    becomes(daemon, "BACKUP", timeout=60)
    time.sleep(5)  # master-down is 3 s, and the host preempts
    vip = vip_of(daemon)
    assert (vip["state"], vip["mode"], vip["maintenance"]) == ("BACKUP", "HOLDING", True)
    assert "Switching to state" not in pair.second.log(mark)
    ask(daemon, "Maintenance", on=False, ids=["001"])
    becomes(daemon, "MASTER")
    assert not vip_of(daemon)["maintenance"]


def test_a_hold_lasts_through_a_reload_that_starts_the_vip_anew(
    pair: Pair, web01: Host, files: Path
) -> None:
    ask(pair.first, "Demote", ids=["001"], hold=60)
    start_anew(web01, pair.first, files)
    becomes(pair.first, "BACKUP")
    assert 30 < vip_of(pair.first)["hold_left"] <= 60


def test_maintenance_of_the_host_holds_for_vips_that_are_added_later(
    web01: Host, files: Path
) -> None:
    write_vip(files, OPTIONS="--deadratio=1")
    daemon = web01.vipd(files)
    assert len(ask(daemon, "Maintenance", on=True)["handovers"]) <= 1
    write_vip(files, "002", VIP_ADDRESS="198.51.100.155", OPTIONS="--deadratio=1")
    daemon.wait_for(
        "files read: .*1 started, 1 unchanged|files read: 1 unchanged, 1 started", timeout=30
    )
    ask(daemon, "Maintenance", on=False, ids=["001"])
    becomes(daemon, "MASTER", "001")
    assert (vip_of(daemon, "002")["state"], vip_of(daemon, "002")["maintenance"]) == (
        "BACKUP",
        True,
    )
    ask(daemon, "Maintenance", on=False)
    becomes(daemon, "MASTER", "002")


def test_maintenance_is_over_for_a_vip_whose_file_was_away_when_it_ended(
    web01: Host, files: Path
) -> None:
    write_vip(files, "002", VIP_ADDRESS="198.51.100.155", OPTIONS="--deadratio=1")
    file = write_vip(files, OPTIONS="--deadratio=1")
    daemon = web01.vipd(files)
    daemon.wait_for("001: Switching to state: MASTER")
    ask(daemon, "Maintenance", on=True)
    file.rename(file.with_suffix(".away"))
    daemon.wait_for("files read: .*1 stopped")
    ask(daemon, "Maintenance", on=False)
    file.with_suffix(".away").rename(file)
    daemon.wait_for("files read: .*1 started, 1 unchanged|files read: 1 unchanged, 1 started")
    becomes(daemon, "MASTER")


def test_nothing_else_leaves_maintenance_with_a_vip_that_does(
    web01: Host, files: Path, tmp_path: Path
) -> None:
    """One that waits to be started again, one whose file is away, one that was never there."""
    state = f"--state-dir={tmp_path / 'state'}"
    write_vip(files, OPTIONS="--deadratio=1")
    away = write_vip(files, "002", VIP_ADDRESS="198.51.100.155", OPTIONS="--deadratio=1")
    daemon = web01.vipd(files, state)
    daemon.wait_for("files read: 2 started", timeout=30)
    ask(daemon, "Maintenance", on=True)
    away.rename(away.with_suffix(".away"))
    daemon.wait_for("files read: .*1 stopped")
    ask(daemon, "Maintenance", on=False, ids=["001"])
    becomes(daemon, "MASTER", "001")
    assert ask(daemon, "Describe")["maintenance"] == {
        "host": True, "ids": [], "excepted": ["001"]
    }  # fmt: skip
    daemon.stop()
    daemon = web01.vipd(files, state)
    away.with_suffix(".away").rename(away)
    write_vip(files, "003", VIP_ADDRESS="198.51.100.156", OPTIONS="--deadratio=1")
    becomes(daemon, "MASTER", "001")
    for other in ("002", "003"):
        becomes(daemon, "BACKUP", other)
        assert vip_of(daemon, other)["mode"] == "HOLDING"
    ask(daemon, "Maintenance", on=True, ids=["001"])
    assert ask(daemon, "Describe")["maintenance"]["excepted"] == []
    becomes(daemon, "BACKUP", "001")
    ask(daemon, "Maintenance", on=False)
    for each in ("001", "002", "003"):
        becomes(daemon, "MASTER", each)


def test_maintenance_of_a_vip_whose_file_is_gone_can_be_ended(
    web01: Host, files: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    # As versions wrote it that knew no exceptions.
    (state / "maintenance.json").write_text('{"host": false, "ids": ["007", "001"]}')
    write_vip(files, OPTIONS="--deadratio=1")
    daemon = web01.vipd(files, f"--state-dir={state}")
    until(lambda: vip_of(daemon)["mode"] == "HOLDING", daemon.tail)
    with pytest.raises(RefusedError, match="UnknownVip"):
        ask(daemon, "Maintenance", on=False, ids=["009"])  # a slip
    with pytest.raises(RefusedError, match="UnknownVip"):
        ask(daemon, "Maintenance", on=True, ids=["009"])
    assert ask(daemon, "Maintenance", on=False, ids=["007"])["handovers"] == []
    daemon.wait_for("maintenance off 007, asked by uid 0")
    assert ask(daemon, "Describe")["maintenance"]["ids"] == ["001"]
    ask(daemon, "Maintenance", on=False, ids=["001"])
    becomes(daemon, "MASTER")
    assert list(state.iterdir()) == []


@pytest.mark.parametrize("name", ["", "a/b", "x" * 256, "\ud800", "\0"], ids=ascii)
def test_what_cannot_be_the_name_of_a_vip_is_no_exception(
    web01: Host, files: Path, name: str
) -> None:
    write_vip(files)
    daemon = web01.vipd(files)
    ask(daemon, "Maintenance", on=True)
    with pytest.raises(RefusedError, match="UnknownVip"):
        ask(daemon, "Maintenance", on=False, ids=[name])


def test_the_only_host_in_maintenance_says_that_nobody_owns_the_address(
    web01: Host, files: Path, lab: Lab
) -> None:
    write_vip(files, OPTIONS="--deadratio=1")
    daemon = web01.vipd(files)
    daemon.wait_for("state: MASTER", timeout=60)
    (handover,) = ask(daemon, "Maintenance", on=True)["handovers"]
    assert (handover["before"], handover["after"]) == ("MASTER", "BACKUP")
    assert handover.get("successor") is None
    daemon.wait_for(rf"^<3>001: nobody owns {VIP}: no other host advertises")
    (problem,) = vip_of(daemon)["problems"]
    assert problem["code"] == "nobody"
    assert "vipctl maintenance off 001" in problem["text"]
    assert lab.ownership(VIP).owners() == []
    assert daemon.log().count("nobody owns") == 1


def test_maintenance_that_cannot_be_read_is_that_of_the_whole_host(
    web01: Host, files: Path, tmp_path: Path
) -> None:
    write_vip(files, OPTIONS="--deadratio=1")
    state = tmp_path / "state"
    state.mkdir()
    (state / "maintenance.json").write_text('{"host": fal')
    daemon = web01.vipd(files, f"--state-dir={state}")
    daemon.wait_for("^<3>cannot read .*maintenance.json.*whole host is in maintenance", timeout=60)
    until(lambda: vip_of(daemon)["mode"] == "HOLDING", daemon.tail)
    ask(daemon, "Maintenance", on=False)
    becomes(daemon, "MASTER")
    assert list(state.iterdir()) == []


def test_maintenance_that_cannot_be_kept_is_refused_and_changes_nothing(
    web01: Host, files: Path
) -> None:
    write_vip(files, OPTIONS="--deadratio=1")
    daemon = web01.vipd(files, "--state-dir=/proc/nowhere")
    daemon.wait_for("state: MASTER", timeout=60)
    with Client(daemon) as client:
        client.send("Maintenance", on=True)
        with pytest.raises(Exception, match="NotKept"):
            client.answer()
    assert vip_of(daemon)["state"] == "MASTER"


def test_a_reload_tells_what_became_of_each_vip(web01: Host, files: Path) -> None:
    def vip(number: int, **keys: str | None) -> None:
        address = {"VIP_ADDRESS": f"192.0.2.{number}"}
        write_vip(files, f"{number:03}", **{**address, **keys})

    for number in (1, 2, 3, 4, 5):
        vip(number)
    daemon = web01.vipd(files)
    daemon.wait_for("files read: 5 started", timeout=60)
    with Client(daemon) as client:
        daemon.freeze()  # so that it hears of the files from us first
        vip(1, OPTIONS="--advskew=7", PASSWORD="hate")
        vip(2, VIP_ADDRESS="192.0.2.102")
        vip(4, VIP_ADDRESS=None)
        (files / "vip-005.conf").unlink()
        vip(6)
        vip(7, VIP_ADDRESS=None)
        client.send("Reload")
        daemon.thaw()
        answer = client.answer()["parameters"]
    assert {each["id"]: each["result"] for each in answer["outcomes"]} == {
        "001": "CHANGED",
        "002": "RESTARTED",
        "003": "UNCHANGED",
        "004": "KEPT",
        "005": "STOPPED",
        "006": "STARTED",
        "007": "FAILED",
    }
    why = {each["id"]: each["why"] for each in answer["outcomes"]}
    assert set(why["001"].split(", ")) == {"advskew", "password"}
    assert why["002"] == "addresses"
    assert why["007"].startswith("line 1: ")
    assert {p["file"].rpartition("/")[2] for p in answer["problems"]} == {
        "vip-004.conf",
        "vip-007.conf",
    }

    def restarted() -> bool:
        """What was taken off has ended; until then it counts as being started."""
        with Client(daemon) as client:
            found = client.vips()
        there = ["001", "002", "003", "004", "006"]
        return sorted(found) == there and found["002"]["addresses"] == ["192.0.2.102/32"]

    until(restarted, daemon.tail)
    again = ask(daemon, "Reload")["outcomes"]
    assert {each["result"] for each in again} == {"UNCHANGED", "KEPT", "FAILED"}


def test_the_log_level_can_be_changed_while_it_runs(web01: Host, files: Path) -> None:
    write_vip(files)
    daemon = web01.vipd(files)
    assert ask(daemon, "SetLogLevel", level="error") == {"before": "info"}
    mark = daemon.mark()
    daemon.signal(SIGHUP)
    ask(daemon, "Reload")
    assert ask(daemon, "SetLogLevel", level="info") == {"before": "error"}
    assert "files read" not in daemon.log(mark)


def test_every_change_is_logged_with_who_asked_for_it(web01: Host, files: Path) -> None:
    write_vip(files)
    daemon = web01.vipd(files)
    ask(daemon, "Demote", ids=["001"], hold=0)
    ask(daemon, "Maintenance", on=True)
    ask(daemon, "Maintenance", on=False)
    ask(daemon, "Reload")
    ask(daemon, "SetLogLevel", level="debug")
    for what in (
        "001: demote for 0 s",
        "maintenance on",
        "maintenance off",
        "reload",
        "log-level debug",
    ):
        daemon.wait_for(rf"^<\d>{what}, asked by uid 0, process \d+$")


def test_a_signal_before_everything_is_imported_is_kept(web01: Host, files: Path) -> None:
    write_vip(files)
    daemon = web01.vipd(files)
    until(lambda: "SigBlk" in status(daemon) and blocked(daemon), lambda: status(daemon))
    daemon.signal(SIGHUP)
    daemon.wait_for("files read: 1 started", timeout=60)
    daemon.wait_for("files read: 1 unchanged", timeout=60)
    assert daemon.alive


def status(daemon: Process) -> str:
    return Path(f"/proc/{daemon.pid}/status").read_text()


def blocked(daemon: Process) -> bool:
    """Whether SIGHUP (the lowest bit) is kept for later, or waited for."""
    masks = dict(line.split(":\t") for line in status(daemon).splitlines() if "\t" in line)
    return bool(int(masks["SigBlk"], 16) & 1 or int(masks["SigCgt"], 16) & 1)
