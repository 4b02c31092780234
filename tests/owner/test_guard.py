"""The guard: what it does for a daemon that is killed or frozen, and what becomes of it."""

import sys
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGKILL, SIGSTOP, SIGTERM
from time import time

import pytest
from helpers.advertising import go_on, of_vhid
from helpers.captured import capture
from helpers.configured import VIP, write_script, write_vip
from helpers.guarding import guards, proportional, says, signal_guards
from helpers.hosts import address_of, until

from owner.group import OVERLAP, PATIENCE, SECOND, Group, Report
from vipd.lab import Host, Lab, Process
from vipd.lab.host import RUNTIME_DIR

pytestmark = pytest.mark.lab

#: Seconds, on a machine that is shared. What is asked for is 0.05.
AT_ONCE = 1.5
#: Neither a lease nor the patience of a host is over before, seconds.
LONG = "60"
#: Advertisements every 31 ms.
FAST = ("--advbase=0", "--advskew=8")
SECOND_FAST = ("--advbase=0", "--advskew=12")
#: The kernel's own lease, at this interval, is a second and what it is late with it.
BEFORE_THE_KERNEL = 0.8
FOREVER = 0xFFFFFFFF
UCARP = (sys.executable, "-m", "vipd.ucarp.main")
MANY = 255
KILLED = "001: was killed; its addresses are taken off, and the next host is told to take over"
SILENT = "001: did not renew its lease in time; its addresses are taken off, and the next host"


def guarded(host: Host) -> int:
    """Wait until a host has one guard: its process ID."""
    until(lambda: len(guards(host)) == 1, lambda: f"guards: {guards(host)}", PATIENCE)
    return guards(host)[0]


def leased(host: Host) -> bool:
    address = address_of(host, VIP)
    return address is not None and address["valid_life_time"] < FOREVER


def patient(group: Group) -> tuple[Process, Process]:
    """A master, and a backup that takes over only if it is told to."""
    first = group.vipd("web01", LEASE=LONG)
    group.belongs_to("web01")
    return first, group.vipd("web02", SECOND, f"--deadratio={LONG}")


def fast(group: Group, *options: str) -> tuple[Process, Process]:
    """The same as `Group.pair`, at short intervals."""
    first = group.vipd("web01", *FAST, *options)
    second = group.vipd("web02", *SECOND_FAST, *options)
    group.belongs_to("web01")
    return first, second


def test_when_the_daemon_is_killed_the_next_host_takes_over_at_once(
    group: Group, report: Report
) -> None:
    first, second = patient(group)
    guarded(group.host("web01"))
    with group.seen() as seen:
        first.signal(SIGKILL)
        group.belongs_to("web02", lasting=1)
    report(overlap=seen.overlap, none=seen.none, gap=seen.gap, noise=seen.noise)
    assert seen.gap < AT_ONCE
    assert seen.changes == [("web01", True), ("web01", False), ("web02", True)]
    says(first, KILLED)
    assert "(the master is leaving" in second.log()
    until(lambda: guards(group.host("web01")) == [], lambda: "the guard stays")


def test_also_when_it_is_killed_at_short_intervals(group: Group, report: Report) -> None:
    first, _ = fast(group)
    with group.seen() as seen:
        first.signal(SIGKILL)
        group.belongs_to("web02", lasting=1)
    report(overlap=seen.overlap, none=seen.none, gap=seen.gap, noise=seen.noise)
    assert seen.overlap < BEFORE_THE_KERNEL
    assert seen.gap < AT_ONCE


def test_a_ucarp_is_told_too(group: Group, report: Report) -> None:
    first = group.vipd("web01", LEASE=LONG)
    group.belongs_to("web01")
    second = group.ucarp("web02", SECOND, f"--deadratio={LONG}")
    with group.seen() as seen:
        first.signal(SIGKILL)
        group.belongs_to("web02", lasting=1)
    report(none=seen.none, gap=seen.gap)
    second.wait_for(r"Putting MASTER DOWN \(going to time out\)", timeout=PATIENCE)


@pytest.mark.parametrize("short", [False, True], ids=["1s", "31ms"])
def test_a_frozen_daemon_loses_its_address_exactly_when_its_lease_ends(
    group: Group, report: Report, short: bool
) -> None:
    first, second = fast(group) if short else group.pair()
    guarded(group.host("web01"))
    with group.seen() as seen:
        first.freeze()
        group.belongs_to("web02", lasting=0.5)
        first.wait_for(SILENT, timeout=PATIENCE)
        first.thaw()
        first.wait_for(r"state: BACKUP \(lease expired", timeout=PATIENCE)
        group.belongs_to("web02", lasting=1)
    report(overlap=seen.overlap, none=seen.none, gap=seen.gap, noise=seen.noise)
    assert seen.overlap < (BEFORE_THE_KERNEL if short else OVERLAP)
    assert "put back" not in first.log()
    assert "another host" not in first.log() + second.log()


def test_a_master_that_was_frozen_is_believed_when_it_is_master_again(group: Group) -> None:
    """What was sent on its behalf had a higher counter than its own advertisements until then."""
    first, second = fast(group, "--preempt")
    first.freeze()
    group.belongs_to("web02")
    first.wait_for(SILENT, timeout=PATIENCE)
    with group.seen() as seen:
        first.thaw()
        group.belongs_to("web01", lasting=2)
    assert seen.overlap < BEFORE_THE_KERNEL
    assert second.alive


def test_a_master_that_was_frozen_says_nothing_from_before_its_guard_spoke(group: Group) -> None:
    """What it had signed, and not sent, when it noticed that its lease was over."""
    first = group.vipd("web01")
    group.belongs_to("web01")
    dump = capture(group.lab.hosts["web01"], "proto", "112")
    go_on(dump, 1)
    first.freeze()
    first.wait_for(SILENT, timeout=PATIENCE)
    since = first.mark()
    first.thaw()
    first.wait_for("state: BACKUP", timeout=PATIENCE, since=since)
    group.belongs_to("web01")
    go_on(dump, 1)
    counters = [ad.counter for ad in of_vhid(dump, 1)]
    assert counters == sorted(set(counters))


def test_without_a_lease_only_death_counts(group: Group) -> None:
    first, second = group.pair(LEASE="off")
    host = group.host("web01")
    guarded(host)
    first.freeze()
    second.wait_for("state: MASTER", timeout=PATIENCE)
    other = host.capture("proto", "112", "and", "src", "host", "198.51.100.180")
    until(lambda: other.log().count("VRRP") > 1, other.tail, PATIENCE)  # it has long been master
    assert address_of(host, VIP)
    mark = second.mark()
    capture = host.capture("proto", "112", "and", "src", "host", "198.51.100.179")
    first.signal(SIGKILL)
    group.belongs_to("web02", lasting=1)
    says(first, "was killed, after a silence")
    assert "state:" not in second.log(mark)  # it was not told to go on
    assert "VRRP" not in capture.log()


def test_a_guard_that_ends_is_started_again_and_knows_everything(group: Group) -> None:
    first, _ = patient(group)
    host = group.host("web01")
    before = guarded(host)
    signal_guards(host, SIGKILL)
    first.wait_for(r"the guard ended \(signal 9\)", timeout=PATIENCE)
    first.wait_for("the guard runs again", timeout=PATIENCE)
    assert guarded(host) != before
    assert host.run(["ls", f"/proc/{before}"]).returncode
    first.signal(SIGKILL)
    group.belongs_to("web02", lasting=1)
    says(first, KILLED)


def test_the_kernel_is_the_last_line_when_the_guard_is_frozen_too(
    group: Group, report: Report
) -> None:
    first, _ = group.pair()
    host = group.host("web01")
    guarded(host)
    with group.seen() as seen:
        signal_guards(host, SIGSTOP)
        first.freeze()
        group.belongs_to("web02", lasting=1)
    report(overlap=seen.overlap, none=seen.none)
    assert seen.overlap < OVERLAP
    assert SILENT not in first.log()


def test_doctor_reports_a_guard_that_does_not_run(group: Group) -> None:
    first = group.vipd("web01")
    group.belongs_to("web01")
    host = group.host("web01")
    guarded(host)

    def reported() -> bool:
        doctor = [sys.executable, "-m", "vipd.cli.main", "doctor"]
        return "the guard (process" in host.run(doctor, timeout=PATIENCE).stdout

    assert not reported()
    signal_guards(host, SIGSTOP)
    until(reported, first.tail, PATIENCE)
    assert first.stop() == 0
    assert guards(host) == []  # also one that is stopped


def test_doctor_reports_a_guard_that_is_missing(group: Group) -> None:
    """It is started again each time, after a longer wait."""
    first = group.vipd("web01")
    host = group.host("web01")
    doctor = [sys.executable, "-m", "vipd.cli.main", "doctor"]
    mark = first.mark()
    for _ in range(7):
        guarded(host)
        mark = first.mark()
        signal_guards(host, SIGKILL)
        first.wait_for(r"the guard ended \(signal 9\)", since=mark, timeout=PATIENCE)
    assert "the guard does not run: if vipd is killed" in host.run(doctor, timeout=PATIENCE).stdout
    first.wait_for("the guard runs again", since=mark, timeout=PATIENCE)
    guarded(host)
    assert "the guard does not run" not in host.run(doctor, timeout=PATIENCE).stdout


def test_while_all_is_well_it_wakes_up_once_for_each_lease(group: Group) -> None:
    """Not for each renewal."""
    group.vipd("web01")
    group.belongs_to("web01")
    host = group.host("web01")
    status = f"/proc/{guarded(host)}/status"

    def sleeps() -> int:
        lines = host.run(["cat", status]).stdout.splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("voluntary")))

    dump = host.capture("proto", "112")
    until(lambda: "VRRP" in dump.log(), dump.tail, PATIENCE)
    before, sent = sleeps(), dump.log().count("VRRP")
    until(lambda: dump.log().count("VRRP") >= sent + 12, dump.tail, PATIENCE)
    assert sleeps() - before <= 8


def test_a_vip_with_a_daemon_of_its_own_has_a_guard_of_its_own(group: Group) -> None:
    """As ucarp@001 runs it."""
    write_vip(group.directory / "web01", LEASE=LONG)
    host = group.host("web01")
    first = host.vipd(group.directory / "web01", "--only", "vip-001")
    group.belongs_to("web01")
    guarded(host)
    group.vipd("web02", SECOND, f"--deadratio={LONG}")
    first.signal(SIGKILL)
    group.belongs_to("web02", lasting=1)
    says(first, KILLED)


def test_requests_to_end_are_not_for_the_guard(group: Group) -> None:
    """A terminal and a service manager send them to every process of ours."""
    first, _ = patient(group)
    host = group.host("web01")
    before = guarded(host)
    for number in (SIGTERM, SIGINT, SIGHUP):
        signal_guards(host, number)
    first.signal(SIGKILL)
    group.belongs_to("web02", lasting=1)
    says(first, KILLED)
    until(lambda: before not in guards(host), lambda: "the guard stays")


def test_an_orderly_end_leaves_neither_a_guard_nor_a_word_of_it(group: Group) -> None:
    first, _ = group.pair()
    host = group.host("web01")
    guarded(host)
    assert first.stop() == 0
    assert guards(host) == []
    assert "guard" not in first.log()
    assert "killed" not in first.log()


def test_a_backup_has_nothing_to_be_carried_out(group: Group) -> None:
    first, second = group.pair()
    mark = first.mark()
    second.signal(SIGKILL)
    host = group.host("web02")
    until(lambda: guards(host) == [], lambda: "the guard stays")
    group.belongs_to("web01", lasting=1)
    assert "was killed" not in second.log()
    assert "state:" not in first.log(mark)


def test_the_guard_follows_the_files(group: Group) -> None:
    """What it sends is signed with what the peers know by then."""
    first, second = patient(group)
    host = group.host("web01")

    def will() -> str:
        return host.run(["cat", f"{RUNTIME_DIR}/farewell/vip-001"]).stdout

    before = will()
    for name in ("web01", "web02"):
        file = group.directory / name / "vip-001.conf"
        file.write_text(file.read_text().replace("love", "hate"))
    first.wait_for("changed in place: password", timeout=PATIENCE)
    second.wait_for("changed in place: password", timeout=PATIENCE)
    # It is written after the guard is told, which is after it is logged.
    until(lambda: will() not in ("", before), first.tail, PATIENCE)
    first.signal(SIGKILL)
    second.wait_for(r"state: MASTER \(the master is leaving", timeout=PATIENCE)


def test_a_vip_that_is_no_longer_configured_is_left_alone(group: Group) -> None:
    first, _ = patient(group)
    host = group.host("web01")
    guarded(host)
    (group.directory / "web01" / "vip-001.conf").unlink()
    group.belongs_to("web02", lasting=1)
    host.must(["ip", "addr", "add", f"{VIP}/32", "dev", "lo"])  # somebody else's affair
    first.signal(SIGKILL)
    until(lambda: guards(host) == [], lambda: "the guard stays")
    assert "killed" not in first.log()
    assert address_of(host, VIP, "lo")


def test_a_daemon_with_ucarps_command_line_has_a_guard(group: Group, tmp_path: Path) -> None:
    up = write_script(tmp_path / "up", 'exec ip addr add "$2/32" dev "$1"')
    down = write_script(tmp_path / "down", 'exec ip addr del "$2/32" dev "$1"')
    host = group.host("web01")
    second = group.vipd("web02", SECOND, "--deadratio=3")
    options = ["-i", "eth1", "-s", "198.51.100.179", "-v", "1", "-p", "love", "-a", VIP]
    options += ["-P", "-u", str(up), "-d", str(down)]
    first = host.start([*UCARP, *options], name="vipd-ucarp")
    group.belongs_to("web01")
    guarded(host)
    # Ours from when there is a lease on it: the script has added it without one.
    until(lambda: leased(host), lambda: "no lease", PATIENCE)
    first.signal(SIGKILL)
    second.wait_for(r"state: MASTER \(the master is leaving", timeout=PATIENCE)
    group.belongs_to("web02", lasting=1)


def test_as_many_as_there_can_be(lab: Lab, tmp_path: Path, report: Report) -> None:
    """All addresses of a daemon that is killed go, and every host is told."""
    web01, web02 = lab.host("web01", "10.9.0.1/16"), lab.host("web02", "10.9.0.2/16")
    vips = {str(number): f"10.9.1.{number}" for number in range(1, MANY + 1)}
    for host, advskew in (("web01", 0), ("web02", 10)):
        for name, address in vips.items():
            options = f"--advskew={advskew} --deadratio={3 if host == 'web01' else 60}"
            write_vip(tmp_path / host, name, VIP_ADDRESS=address, LEASE=None, OPTIONS=options)

    def owned(host: Host) -> int:
        shown = host.run(["ip", "-o", "addr", "show", "dev", "eth1"]).stdout
        return shown.count(" inet 10.9.1.")

    def wait(host: Host, number: int) -> None:
        until(lambda: owned(host) == number, lambda: f"{owned(host)} addresses", PATIENCE)

    first = web01.vipd(tmp_path / "web01")
    wait(web01, MANY)
    second = web02.vipd(tmp_path / "web02")
    listens = "Switching to state: BACKUP"  # 255 is not the last one
    until(lambda: second.log().count(listens) == MANY, second.tail, PATIENCE)
    print(f"\nthe guard of {MANY} VIPs: PSS {proportional(web01, guarded(web01))} kB")
    with lab.observer("10.9.0.9/16").watch(vips["1"], vips["255"]) as watch:
        began = time()
        first.signal(SIGKILL)
        wait(web01, 0)
        took = time() - began
        wait(web02, MANY)
    gap = max(watch.longest(vips[name], since=began) for name in ("1", "255"))
    report(off=took, gap=gap)
    told = "was killed; its addresses are taken off, and"
    until(lambda: first.log().count(told) == MANY, first.tail, PATIENCE)  # it says so last
