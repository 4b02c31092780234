"""A master is killed, and its guard with it: who comes next carries out its last
will, and the next host takes over at once."""

import sys
from pathlib import Path
from signal import SIGKILL
from time import time

import pytest
from helpers.configured import VIP, write_script, write_vip
from helpers.guarding import die_with_guard, signal_guards
from helpers.hosts import address_of, until
from owner.group import PATIENCE, SECOND, Group, Report

from vipd.daemon.cleanup import farewell
from vipd.lab import Host, Process
from vipd.lab.host import RUNTIME_DIR

pytestmark = pytest.mark.lab

#: Seconds from when the next host was told. What is asked for is 0.15 s from the kill on, with
#: systemd's part in it (tests/system); without a will it would be `LONG`.
AT_ONCE = 1.5
#: The lease of the master and the patience of the next host, seconds: however long it takes here to
#: start the program that tells the next host, neither is over before.
LONG = "60"
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


def has_will(host: Host) -> None:
    """Wait until the will of a host is there: it is written after the address has been added."""
    until(lambda: wills(host) == ["vip-001"], lambda: f"no will: {wills(host)}")


def patient(group: Group, **keys: str) -> tuple[Process, Process]:
    """A master with a will, on web01, and a backup that takes over when it is told to."""
    first = group.vipd("web01", LEASE=LONG, **keys)
    group.belongs_to("web01")
    second = group.vipd("web02", SECOND, f"--deadratio={LONG}", **keys)
    has_will(group.host("web01"))
    return first, second


def test_the_next_host_takes_over_from_a_killed_master_at_once(
    group: Group, report: Report
) -> None:
    first, _ = patient(group)
    with group.seen() as seen:
        told = time()
        die_with_guard(group.host("web01"), first)
        assert "next host is told" in carry_out(group.host("web01"))
        told = time() - told
        group.belongs_to("web02", lasting=1)
    report(overlap=seen.overlap, none=seen.none, gap=seen.gap, noise=seen.noise, told=told)
    assert seen.gap - told < AT_ONCE
    assert seen.changes == [("web01", True), ("web01", False), ("web02", True)]


def test_a_ucarp_takes_over_from_a_killed_master_before_its_time(
    group: Group, report: Report
) -> None:
    first = group.vipd("web01", LEASE=LONG)
    group.belongs_to("web01")
    has_will(group.host("web01"))
    second = group.ucarp("web02", SECOND, f"--deadratio={LONG}")
    with group.seen() as seen:
        die_with_guard(group.host("web01"), first)
        carry_out(group.host("web01"))
        group.belongs_to("web02", lasting=1)
    report(none=seen.none, gap=seen.gap)
    second.wait_for(r"Putting MASTER DOWN \(going to time out\)", timeout=PATIENCE)


def test_with_a_script_the_address_goes_at_once_too(group: Group, tmp_path: Path) -> None:
    up = write_script(tmp_path / "up", 'exec ip addr add "$2/32" dev "$1"')
    down = write_script(tmp_path / "down", 'exec ip addr del "$2/32" dev "$1"')
    first, _ = patient(group, UPSCRIPT=str(up), DOWNSCRIPT=str(down))
    with group.seen() as seen:
        told = time()
        die_with_guard(group.host("web01"), first)
        carry_out(group.host("web01"))
        told = time() - told
        group.belongs_to("web02", lasting=1)
    assert seen.none - told < AT_ONCE


def test_nothing_is_done_after_a_clean_stop(group: Group) -> None:
    first, second = group.pair()
    host = group.host("web01")
    has_will(host)
    assert host.run(["stat", "-c", "%a", WILLS, f"{WILLS}/vip-001"]).stdout.split() == [
        "700",
        "600",
    ]
    first.stop()
    assert wills(host) == []
    assert carry_out(host) == ""
    has_will(group.host("web02"))
    assert second.alive


def test_a_backup_has_no_will(group: Group) -> None:
    _, second = group.pair()
    die_with_guard(group.host("web02"), second)
    assert carry_out(group.host("web02")) == ""
    group.belongs_to("web01", lasting=1)


def test_who_took_over_when_the_lease_ended_is_not_deposed(group: Group) -> None:
    first, second = group.pair()
    group.vipd("web03", "--advskew=200")  # so late that the second is first, however busy it is
    has_will(group.host("web01"))
    first.freeze()
    signal_guards(group.host("web01"), SIGKILL)
    group.belongs_to("web02")
    second.wait_for("state: MASTER", timeout=PATIENCE)  # its address is seen before that
    mark = second.mark()
    die_with_guard(group.host("web01"), first)
    assert "had ended already" in carry_out(group.host("web01"))
    group.belongs_to("web02", lasting=2)
    assert "state:" not in second.log(mark)


def test_after_a_watchdogs_kill_nobody_is_deposed_even_without_leases(group: Group) -> None:
    first, second = group.pair(LEASE="off")
    has_will(group.host("web01"))
    first.freeze()
    second.wait_for("state: MASTER", timeout=PATIENCE)
    host = group.host("web01")
    assert address_of(host, VIP)
    mark = second.mark()
    capture = host.capture("proto", "112", "and", "src", "host", "198.51.100.179")
    die_with_guard(group.host("web01"), first)
    assert "after a silence" in carry_out(host, "watchdog")
    assert address_of(host, VIP) is None
    group.belongs_to("web02", lasting=1)
    assert "state:" not in second.log(mark)
    assert "VRRP" not in capture.log()


def test_the_next_vipd_carries_it_out_if_nobody_else_has(group: Group) -> None:
    first, second = patient(group)
    die_with_guard(group.host("web01"), first)
    group.vipd("web01", "--advskew=30")
    second.wait_for(r"state: MASTER \(the master is leaving", timeout=PATIENCE)
    group.belongs_to("web02", lasting=1)


def test_a_will_that_was_not_finished_is_thrown_away(group: Group) -> None:
    first, _ = group.pair()
    host = group.host("web01")
    has_will(host)
    die_with_guard(group.host("web01"), first)
    host.must(["sh", "-ec", f"echo interface eth1 >{WILLS}/new; printf inter >{WILLS}/vip-001"])
    said = carry_out(host)
    assert "while it wrote its will" in said
    assert wills(host) == []
    group.belongs_to("web02", lasting=1)


def test_the_will_follows_the_password(group: Group) -> None:
    """What is written down is signed with what the peers know by then."""
    first, second = patient(group)
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
    die_with_guard(group.host("web01"), first)
    carry_out(host)
    second.wait_for(r"state: MASTER \(the master is leaving", timeout=PATIENCE)


#: Everything that is no will of ours, each by its name, made by a shell in the directory of wills.
#: The first and the last name surround vip-001, which must be carried out all the same.
NO_WILLS = {
    "vip-000-directory": "mkdir $F; touch $F/something",
    "vip-000-empty": ": >$F",
    "vip-000-fifo": "mkfifo $F",
    "vip-000-link": "ln -s /run/lab/precious $F",
    "vip-000-nowhere": "ln -s /run/lab/nowhere $F",
    "vip-000-huge": "head -c 3000000 /dev/zero >$F",
    "vip-000-binary": "head -c 3000 /dev/urandom >$F; echo >>$F",
    "vip-000-no-interface": "sed /^interface/d vip-001 >$F",
    "vip-000-odd-hex": "sed 's/^delete /&xx/' vip-001 >$F",
    "vip-000-cut": "sed 's/^\\(delete .*\\)......../\\1/' vip-001 >$F",
    "vip-000-short": "{ echo interface eth1; echo delete 00; } >$F",
    "vip-000-silent": "sed '/^delete/s/15000500/15000100/' vip-001 >$F",
    "vip-000-no-value": "printf 'interface eth1\\ndelete\\nsend\\n' >$F",
    "vip-000-gone": "printf 'interface eth9\\nsend\\n' >$F",
    "vip-000-\u00fc\u202e": "echo odd >$F",
    "vip-000-a line\nof two": "echo odd >$F",
    "vip-000-others": "cp vip-001 $F; chown 65534 $F",
    "vip-000-for-all": "cp vip-001 $F; chmod 666 $F",
    "vip-002-second-name": "cp vip-001 $F; ln $F /run/lab/second",
}


def put(host: Host, wills: dict[str, str]) -> None:
    host.must(["sh", "-c", "echo precious >/run/lab/precious"])
    for name, how in wills.items():
        done = host.run(["env", "-C", WILLS, f"F={name}", "sh", "-c", how.replace("$F", '"$F"')])
        assert done.returncode == 0, done.stderr


def test_what_is_no_will_is_put_away_and_the_others_are_carried_out(group: Group) -> None:
    first, _ = patient(group)
    host = group.host("web01")
    put(host, NO_WILLS)
    die_with_guard(group.host("web01"), first)
    said = carry_out(host).splitlines()
    assert len(said) == len(NO_WILLS) + 1  # a line for each, whatever its name
    assert all(line.startswith("<4>") and line.isprintable() for line in said)
    assert sum("next host is told" in line for line in said) == 1
    assert sum("was not carried out" in line for line in said) == len(NO_WILLS)
    assert wills(host) == []
    assert host.run(["cat", "/run/lab/precious"]).stdout == "precious\n"
    assert host.run(["ls", f"{RUNTIME_DIR}/vip-000-directory.refused"]).stdout == "something\n"
    group.belongs_to("web02", lasting=1)
    assert carry_out(host) == ""  # and that was that


@pytest.mark.parametrize("stderr", ["2>/dev/full", "2>&-"])
def test_wills_are_carried_out_although_nobody_can_be_told(group: Group, stderr: str) -> None:
    first, _ = patient(group)
    host = group.host("web01")
    put(host, {"vip-000-empty": ": >$F", "vip-zzz-empty": ": >$F"})
    die_with_guard(group.host("web01"), first)
    words = [sys.executable, "-IS", farewell.__file__, "--runtime-dir", RUNTIME_DIR]
    done = host.run(["sh", "-c", f'exec "$0" "$@" {stderr}', *words])
    assert done.returncode == 0
    assert wills(host) == []
    group.belongs_to("web02", lasting=1)


def test_vipd_starts_whatever_it_finds_in_its_runtime_directory(group: Group) -> None:
    """Neither a FIFO nor a link in it is waited for or followed."""
    first = group.vipd("web01")
    group.belongs_to("web01")
    host = group.host("web01")
    until(lambda: wills(host) == ["vip-001"], lambda: f"no will: {wills(host)}")
    put(host, NO_WILLS)
    die_with_guard(group.host("web01"), first)
    traps = "rm sequence; mkfifo sequence; ln -s /run/lab/precious sequence.new"
    host.must(["sh", "-ec", f"cd {RUNTIME_DIR}; {traps}"])
    group.vipd("web01")
    group.belongs_to("web01", lasting=1)
    assert host.run(["cat", "/run/lab/precious"]).stdout == "precious\n"
    until(lambda: wills(host) == ["vip-001"], lambda: f"no will: {wills(host)}")


@pytest.mark.parametrize(
    "how",
    [
        "touch farewell",
        "mkfifo farewell",
        "mkdir /run/lab/else; ln -s /run/lab/else farewell",
        "mkdir farewell; chown 65534 farewell",
        "mkdir -m 777 farewell",
    ],
    ids=["file", "fifo", "link", "another's", "anybody's"],
)
def test_a_directory_of_wills_that_is_not_ours_is_set_aside(group: Group, how: str) -> None:
    host = group.host("web01")
    made = host.run(["sh", "-ec", f"mkdir -p {RUNTIME_DIR}; cd {RUNTIME_DIR}; {how}"])
    assert made.returncode == 0, made.stderr
    first = group.vipd("web01", LEASE=LONG)
    first.wait_for(r"farewell.*refused.*remove it", timeout=PATIENCE)
    group.belongs_to("web01")
    until(lambda: wills(host) == ["vip-001"], lambda: f"no will: {wills(host)}")
    assert host.run(["sh", "-c", "ls /run/lab/else 2>/dev/null"]).stdout == ""
    die_with_guard(group.host("web01"), first)
    assert "next host is told" in carry_out(host)


def test_the_lock_is_no_link_and_no_user_can_hold_it(group: Group) -> None:
    host = group.host("web01")
    host.must(["sh", "-ec", f"echo precious >/run/lab/precious; mkdir -p {RUNTIME_DIR}"])
    lock = f"{RUNTIME_DIR}/vipd.pid"
    write_vip(group.directory / "web01")
    for how in ("ln -s", "ln"):
        host.must(["sh", "-c", f"{how} /run/lab/precious {lock}"])
        refused = host.vipd(group.directory / "web01")
        assert refused.wait() == 1
        assert "remove it" in refused.log() or "symbolic links" in refused.log()
        host.must(["rm", lock])
    assert host.run(["cat", "/run/lab/precious"]).stdout == "precious\n"
    first = group.vipd("web01")
    group.belongs_to("web01")
    die_with_guard(group.host("web01"), first)
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    held = host.run([*user, "flock", "--nonblock", lock, "true"])
    assert "Permission denied" in held.stderr
