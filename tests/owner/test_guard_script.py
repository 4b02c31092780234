"""Addresses that vipd does not manage: the guard runs their DOWNSCRIPT for a daemon that is killed
or frozen."""

import sys
from pathlib import Path
from signal import SIGKILL

import pytest
from helpers.asking import vip_of
from helpers.configured import VIP, write_script, write_vip
from helpers.guarding import die_with_guard, guards, says, signal_guards
from helpers.hosts import address_of, until

from owner.group import OVERLAP, PATIENCE, SECOND, Group, Report
from vipd.daemon.cleanup import farewell
from vipd.lab import Host, Process
from vipd.lab.host import RUNTIME_DIR

pytestmark = pytest.mark.lab

#: Neither a lease nor the patience of a host is over before, seconds.
LONG = "60"
KILLED = "001: was killed; DOWNSCRIPT has to remove its addresses, which have no lease"
TOLD = "001: DOWNSCRIPT has run, and the next host is told to take over"
SILENT = "001: did not renew its lease in time; DOWNSCRIPT has to remove its addresses"
ELSEWHERE = "the guard has run downscript while we were stopped"


class Scripts:
    """UPSCRIPT and DOWNSCRIPT of a host, which write down that they run. DOWNSCRIPT waits as long
    as there is a file ``gate``."""

    def __init__(self, directory: Path, add: str = 'exec ip addr add "$2/32" dev "$1"') -> None:
        self.ran = directory / "ran"
        self.gate = directory / "gate"
        note = f'echo "{{}} $STATE $REASON" >>{self.ran}\n'
        self.up = write_script(directory / "up", note.format("up") + add)
        self.down = write_script(
            directory / "down",
            f"{note.format('down')}while [ -e {self.gate} ]; do sleep 0.02; done\n"
            'ip addr del "$2/32" dev "$1"; status=$?\n'
            f'echo "$STATE|$REASON|$ID|$VHID|$1|$2|$3|$ADDRESSES" >>{self.ran}.down\n'
            f"exec >>{self.ran}.ids; id -u; ps -o pid=,pgid=,cls= -p $$\n"
            "exit $status",
        )

    @property
    def keys(self) -> dict[str, str]:
        return {"UPSCRIPT": str(self.up), "DOWNSCRIPT": str(self.down)}

    def lines(self) -> list[str]:
        return self.ran.read_text().splitlines() if self.ran.exists() else []

    def times(self, which: str) -> int:
        return sum(line.startswith(which) for line in self.lines())

    def wait(self, which: str, times: int) -> None:
        until(lambda: self.times(which) == times, lambda: f"{self.lines()}", PATIENCE)


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    return Scripts(tmp_path)


def master(group: Group, scripts: Scripts, *options: str, **keys: str) -> Process:
    """vipd on web01, which has added the address by its script."""
    keys = {"MANAGE_ADDRESS": "no", **scripts.keys, **keys}
    first = group.vipd("web01", "--neutral", *options, **keys)
    group.belongs_to("web01")
    first.wait_for("upscript ended", timeout=PATIENCE)
    return first


def patient(group: Group, scripts: Scripts, *options: str, **keys: str) -> Process:
    """The same, and a backup that takes over only when it is told to."""
    first = master(group, scripts, *options, **keys)
    group.vipd("web02", SECOND, f"--deadratio={LONG}")
    return first


def no_guard(host: Host) -> None:
    until(lambda: guards(host) == [], lambda: "the guard stays", PATIENCE)


def test_killed_downscript_runs_as_the_daemon_runs_it_and_the_next_host_takes_over(
    group: Group, scripts: Scripts, report: Report
) -> None:
    first = patient(group, scripts, "--xparam=more")
    with group.seen() as seen:
        first.signal(SIGKILL)
        group.belongs_to("web02", lasting=1)
    report(overlap=seen.overlap, none=seen.none, gap=seen.gap, noise=seen.noise)
    says(first, TOLD)
    assert seen.changes == [("web01", True), ("web01", False), ("web02", True)]
    assert KILLED in first.log()
    no_guard(group.host("web01"))
    assert scripts.times("down") == 1
    given = f"INIT|vipd was killed|001|1|eth1|{VIP}|more|{VIP}/32\n"
    assert Path(f"{scripts.ran}.down").read_text() == given
    uid, about = Path(f"{scripts.ran}.ids").read_text().splitlines()
    process, its_group, scheduling = about.split()
    assert (uid, process, scheduling) == ("0", its_group, "TS")


def test_frozen_it_runs_when_the_others_take_over_and_once(
    group: Group, scripts: Scripts, report: Report
) -> None:
    first = master(group, scripts)
    second = group.vipd("web02", SECOND)
    with group.seen() as seen:
        first.freeze()
        group.belongs_to("web02", lasting=0.5)
        says(first, SILENT)
        first.thaw()
        first.wait_for(r"state: BACKUP \(lease expired", timeout=PATIENCE)
        first.wait_for(ELSEWHERE, timeout=PATIENCE)
        group.belongs_to("web02", lasting=1)
    report(overlap=seen.overlap, none=seen.none, gap=seen.gap, noise=seen.noise)
    assert seen.overlap < OVERLAP
    assert [line.split()[0] for line in scripts.lines()] == ["up", "down"]
    assert "down BACKUP lease expired" in scripts.lines()[1]
    assert "put back" not in first.log()
    assert second.stop() == 0  # and it works on: it takes over, with its script
    group.belongs_to("web01", lasting=1)
    assert [line.split()[0] for line in scripts.lines()] == ["up", "down", "up"]


def test_thawed_while_downscript_runs_it_waits_for_its_end(group: Group, scripts: Scripts) -> None:
    first = master(group, scripts)
    scripts.gate.touch()
    first.freeze()
    scripts.wait("down", 1)
    first.thaw()
    first.wait_for(r"state: BACKUP \(lease expired", timeout=PATIENCE)
    first.wait_for("state: MASTER", timeout=PATIENCE)  # nobody else is there
    assert [line.split()[0] for line in scripts.lines()] == ["up", "down"]
    scripts.gate.unlink()
    scripts.wait("up", 2)
    group.belongs_to("web01", lasting=1)
    assert [line.split()[0] for line in scripts.lines()] == ["up", "down", "up"]
    assert ELSEWHERE in first.log()
    assert "next host is told" not in first.log()


def test_when_its_downscript_failed_the_daemon_runs_it_again(
    group: Group, scripts: Scripts
) -> None:
    first = master(group, scripts)
    text = scripts.down.read_text()
    scripts.down.write_text(text.replace("exit $status", "exit 3"))
    first.freeze()
    first.wait_for("DOWNSCRIPT failed: exit status 3", timeout=PATIENCE)
    scripts.down.write_text(text)
    first.thaw()
    scripts.wait("down", 2)
    assert ELSEWHERE not in first.log()


def test_a_guard_that_dies_with_a_script_leaves_it_to_the_daemon(
    group: Group, scripts: Scripts
) -> None:
    first = master(group, scripts)
    scripts.gate.touch()
    first.freeze()
    scripts.wait("down", 1)
    signal_guards(group.host("web01"), SIGKILL)
    scripts.gate.unlink()
    first.thaw()
    scripts.wait("down", 2)


def test_a_script_that_hangs_is_ended_and_delays_no_other_address(
    group: Group, scripts: Scripts
) -> None:
    """Nor the end of the guard."""
    other = "198.51.100.155"
    files = group.directory / "web01"
    write_vip(files, "002", VIP_ADDRESS=other, LEASE=LONG)
    first = patient(group, scripts, SCRIPT_TIMEOUT="2")
    host = group.host("web01")
    until(lambda: address_of(host, other) is not None, first.tail, PATIENCE)
    scripts.gate.touch()
    first.signal(SIGKILL)
    scripts.wait("down", 1)
    until(lambda: address_of(host, other) is None, first.tail, PATIENCE)
    assert "DOWNSCRIPT failed" not in first.log()
    says(first, "001: DOWNSCRIPT failed: ended by signal 15")
    assert "002: was killed; its addresses are taken off, and" in first.log()
    assert first.log().index("002: was killed") < first.log().index("001: DOWNSCRIPT")
    no_guard(host)


@pytest.mark.parametrize("lost", [{"GUARD_SCRIPT": "no"}, {"DOWNSCRIPT": ""}], ids=["no", "none"])
def test_without_it_the_address_stays(group: Group, scripts: Scripts, lost: dict[str, str]) -> None:
    first = master(group, scripts, **lost)
    first.signal(SIGKILL)
    host = group.host("web01")
    no_guard(host)
    assert address_of(host, VIP)
    assert scripts.times("down") == 0
    assert "was killed" not in first.log()


def test_guard_script_can_be_changed_while_it_runs(group: Group, scripts: Scripts) -> None:
    first = master(group, scripts)
    file = group.directory / "web01" / "vip-001.conf"
    text = file.read_text()
    file.write_text(f"{text}GUARD_SCRIPT=no\n")
    first.wait_for("changed in place: guard_script", timeout=PATIENCE)
    mark = first.mark()
    file.write_text(text)
    first.wait_for("changed in place: guard_script", since=mark, timeout=PATIENCE)
    mark = first.mark()
    file.write_text(f"{text}GUARD_SCRIPT=no\n")
    first.wait_for("changed in place: guard_script", since=mark, timeout=PATIENCE)
    vip_of(first)  # which answers when the change is complete
    first.freeze()
    group.vipd("web02", SECOND).wait_for("state: MASTER", timeout=PATIENCE)
    assert scripts.times("down") == 0
    first.kill()
    no_guard(group.host("web01"))
    assert scripts.times("down") == 0


def test_without_a_lease_only_death_counts(group: Group, scripts: Scripts) -> None:
    first = master(group, scripts, LEASE="off")
    group.vipd("web02", SECOND)
    first.freeze()
    until(lambda: len(group.lab.owners(VIP)) == 2, first.tail, PATIENCE)
    assert scripts.times("down") == 0
    first.signal(SIGKILL)
    group.belongs_to("web02", lasting=1)
    says(first, "001: DOWNSCRIPT has run")
    assert scripts.times("down") == 1
    assert "next host is told" not in first.log()


def test_an_upscript_that_adds_it_where_vipd_does_not_see_it(group: Group, tmp_path: Path) -> None:
    """In another network namespace, a router, a cloud: a file stands for it here."""
    there = tmp_path / "there"
    scripts = Scripts(tmp_path, f"touch {there}")
    scripts.down.write_text(f"#!/bin/sh\necho down >>{scripts.ran}\nrm {there}\n")
    first = group.vipd("web01", "--neutral", **scripts.keys)
    until(there.exists, first.tail, PATIENCE)
    first.signal(SIGKILL)
    says(first, TOLD)
    assert not there.exists()
    assert scripts.times("down") == 1


@pytest.mark.parametrize("manage", ["no", "auto"])
def test_on_lo(group: Group, tmp_path: Path, manage: str) -> None:
    scripts = Scripts(tmp_path, 'exec ip addr add "$2/32" dev lo')
    scripts.down.write_text(scripts.down.read_text().replace('dev "$1"', "dev lo"))
    first = group.vipd("web01", "--neutral", MANAGE_ADDRESS=manage, **scripts.keys)
    host = group.host("web01")
    until(lambda: on_lo(host), first.tail, PATIENCE)
    first.wait_for("001: .* is on lo|upscript ended", timeout=PATIENCE)
    first.signal(SIGKILL)
    until(lambda: not on_lo(host), first.tail, PATIENCE)
    no_guard(host)


def on_lo(host: Host) -> bool:
    return f" {VIP}/32 " in host.run(["ip", "-o", "addr", "show", "dev", "lo"]).stdout


def test_on_an_orderly_end_it_runs_no_script(group: Group, scripts: Scripts) -> None:
    """As with ucarp, without --shutdown."""
    first = master(group, scripts)
    assert first.stop() == 0
    assert guards(group.host("web01")) == []
    assert scripts.times("down") == 0


def test_the_next_daemon_takes_the_script_over(group: Group, scripts: Scripts) -> None:
    """Also with --neutral, as it would not run otherwise; and the old guard does not go on."""
    first = master(group, scripts)
    host = group.host("web01")
    scripts.gate.touch()
    first.signal(SIGKILL)
    scripts.wait("down", 1)
    host.vipd(group.directory / "web01")
    scripts.wait("down", 2)
    no_guard_of(host, 2)
    scripts.gate.unlink()
    scripts.wait("up", 2)  # until then it is still the old one that is there
    group.belongs_to("web01", lasting=1)
    assert scripts.times("up") == 2
    assert Path(f"{scripts.ran}.down").read_text().count("\n") == 1  # the first one was ended
    assert TOLD not in first.log()


def no_guard_of(host: Host, number: int) -> None:
    until(lambda: len(guards(host)) < number, lambda: f"{guards(host)}", PATIENCE)


def farewell_of(host: Host) -> str:
    program = Path(farewell.__file__)
    command: list[str | Path] = ["env", "SERVICE_RESULT=signal", sys.executable, "-IS", program]
    done = host.run([*command, "--runtime-dir", RUNTIME_DIR], timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_when_both_are_dead_vipd_farewell_does_it(group: Group, scripts: Scripts) -> None:
    first = patient(group, scripts)
    host = group.host("web01")
    until(lambda: has_will(host), lambda: "no will", PATIENCE)
    die_with_guard(host, first)
    said = farewell_of(host)
    assert KILLED in said
    assert TOLD in said
    group.belongs_to("web02", lasting=1)
    assert scripts.times("down") == 1
    assert farewell_of(host) == ""


def has_will(host: Host) -> bool:
    return "vip-001" in host.run(["ls", f"{RUNTIME_DIR}/farewell"]).stdout


def test_ucarps_command_line_too(group: Group, scripts: Scripts, tmp_path: Path) -> None:
    there = tmp_path / "there"
    write_script(scripts.up, f"touch {there}")
    write_script(scripts.down, f"rm {there}")
    host = group.host("web01")
    options = ["-i", "eth1", "-s", "198.51.100.179", "-v", "1", "-p", "love", "-a", VIP]
    options += ["-P", "-n", "-u", str(scripts.up), "-d", str(scripts.down)]
    first = host.start([sys.executable, "-m", "vipd.ucarp.main", *options], name="vipd-ucarp")
    until(there.exists, first.tail, PATIENCE)
    first.signal(SIGKILL)
    until(lambda: not there.exists(), first.tail, PATIENCE)
    says(first, "DOWNSCRIPT has run")
