"""A master is killed: its last will is carried out, and the next host takes over at once."""

import sys
from pathlib import Path
from signal import SIGKILL
from time import sleep

import pytest
from helpers.configured import VIP, write_script
from helpers.hosts import address_of, until
from owner.group import PATIENCE, SECOND, Group, Report

from vipd.daemon import farewell
from vipd.lab import Host, Process
from vipd.lab.host import RUNTIME_DIR

pytestmark = pytest.mark.lab

#: Seconds, on a machine that is shared: Python has to be started. What is asked for is 0.15 s with
#: systemd's part in it (tests/system); without a will it would be 2 s or more, the lease.
AT_ONCE = 1.5
#: The wills of a host, as a shell on it sees them.
WILLS = f"{RUNTIME_DIR}/farewell"


def carry_out(host: Host, result: str = "signal") -> str:
    """What systemd does when the service has ended; the lines that the journal gets."""
    program = Path(farewell.__file__)
    command: list[str | Path] = ["env", f"SERVICE_RESULT={result}", sys.executable, "-IS", program]
    done = host.run([*command, "--runtime-dir", RUNTIME_DIR])
    assert done.returncode == 0, done.stderr
    return done.stderr


def wills(host: Host) -> list[str]:
    return host.run(["ls", WILLS]).stdout.split()


def die(process: Process) -> None:
    process.signal(SIGKILL)
    process.wait()


def test_the_next_host_takes_over_from_a_killed_master_at_once(
    group: Group, report: Report
) -> None:
    first, _ = group.pair()
    with group.seen() as seen:
        die(first)
        assert "next host is told" in carry_out(group.host("web01"))
        group.belongs_to("web02", lasting=1)
    report(overlap=seen.overlap, none=seen.none, gap=seen.gap, noise=seen.noise)
    assert seen.gap < AT_ONCE
    assert seen.changes == [("web01", True), ("web01", False), ("web02", True)]


def test_a_ucarp_takes_over_from_a_killed_master_before_its_time(
    group: Group, report: Report
) -> None:
    first = group.vipd("web01")
    group.belongs_to("web01")
    second = group.ucarp("web02", SECOND)
    with group.seen() as seen:
        die(first)
        carry_out(group.host("web01"))
        group.belongs_to("web02", lasting=1)
    report(none=seen.none, gap=seen.gap)
    second.wait_for(r"Putting MASTER DOWN \(going to time out\)", timeout=PATIENCE)


def test_with_a_script_the_address_goes_at_once_too(group: Group, tmp_path: Path) -> None:
    up = write_script(tmp_path / "up", 'exec ip addr add "$2/32" dev "$1"')
    down = write_script(tmp_path / "down", 'exec ip addr del "$2/32" dev "$1"')
    first, _ = group.pair(UPSCRIPT=str(up), DOWNSCRIPT=str(down))
    host = group.host("web01")
    until(lambda: wills(host) == ["vip-001"], lambda: f"no will: {wills(host)}")
    with group.seen() as seen:
        die(first)
        carry_out(host)
        group.belongs_to("web02", lasting=1)
    assert seen.none < AT_ONCE


def test_nothing_is_done_after_a_clean_stop(group: Group) -> None:
    first, second = group.pair()
    host = group.host("web01")
    assert wills(host) == ["vip-001"]
    assert host.run(["stat", "-c", "%a", WILLS, f"{WILLS}/vip-001"]).stdout.split() == [
        "700",
        "600",
    ]
    first.stop()
    assert wills(host) == []
    assert carry_out(host) == ""
    assert wills(group.host("web02")) == ["vip-001"]
    assert second.alive


def test_a_backup_has_no_will(group: Group) -> None:
    _, second = group.pair()
    die(second)
    assert carry_out(group.host("web02")) == ""
    group.belongs_to("web01", lasting=1)


def test_who_took_over_when_the_lease_ended_is_not_deposed(group: Group) -> None:
    first, second = group.pair()
    group.vipd("web03", "--advskew=20")
    first.freeze()
    group.belongs_to("web02")
    mark = second.mark()
    die(first)
    assert "had ended already" in carry_out(group.host("web01"))
    group.belongs_to("web02", lasting=2)
    assert "state:" not in second.log(mark)


def test_after_a_watchdogs_kill_nobody_is_deposed_even_without_leases(group: Group) -> None:
    first, second = group.pair(LEASE="off")
    first.freeze()
    second.wait_for("state: MASTER", timeout=PATIENCE)
    host = group.host("web01")
    assert address_of(host, VIP)
    mark = second.mark()
    capture = host.capture("proto", "112", "and", "src", "host", "198.51.100.179")
    die(first)
    assert "after a silence" in carry_out(host, "watchdog")
    assert address_of(host, VIP) is None
    group.belongs_to("web02", lasting=1)
    assert "state:" not in second.log(mark)
    assert "CARP" not in capture.log()


def test_the_next_vipd_carries_it_out_if_nobody_else_has(group: Group) -> None:
    first = group.vipd("web01", LEASE="60")
    group.belongs_to("web01")
    second = group.vipd("web02", SECOND, "--deadratio=60")  # more patience than this test
    die(first)
    group.vipd("web01", "--advskew=30")
    second.wait_for(r"state: MASTER \(the master is leaving", timeout=PATIENCE)
    group.belongs_to("web02", lasting=1)


def test_a_will_that_was_not_finished_is_thrown_away(group: Group) -> None:
    first, _ = group.pair()
    host = group.host("web01")
    die(first)
    host.run(["sh", "-c", f"echo interface eth1 >{WILLS}/new; printf inter >{WILLS}/vip-001"])
    said = carry_out(host)
    assert "while it wrote its will" in said
    assert wills(host) == []
    group.belongs_to("web02", lasting=1)


def test_the_will_follows_the_password(group: Group) -> None:
    """What is written down is signed with what the peers know by then."""
    first, second = group.pair()
    host = group.host("web01")
    before = host.run(["cat", f"{WILLS}/vip-001"]).stdout
    for name, options in (("web01", ""), ("web02", SECOND)):
        file = group.directory / name / "vip-001.conf"
        file.write_text(file.read_text().replace("love", "hate"))
        assert options in file.read_text()
    first.wait_for("changed in place: password", timeout=PATIENCE)
    second.wait_for("changed in place: password", timeout=PATIENCE)
    until(
        lambda: host.run(["cat", f"{WILLS}/vip-001"]).stdout != before, lambda: "the will is as old"
    )
    sleep(0.2)
    die(first)
    carry_out(host)
    second.wait_for(r"state: MASTER \(the master is leaving", timeout=PATIENCE)
