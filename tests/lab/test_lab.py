"""The lab itself: hosts, cables, faults and measurements, with real processes and real ucarp."""

import contextlib
import gc
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from pathlib import Path

import pytest

from vipd.lab import Lab, LabError
from vipd.lab.ownership import Change, Ownership
from vipd.lab.waiting import wait_until

pytestmark = pytest.mark.lab

VIP = "198.51.100.154"
PRIVILEGED = os.geteuid() == 0  # then tcpdump works in a lab, and labs need no user namespace
ROOT = Path(__file__).parents[2]


# -- hosts and processes


def test_hosts_reach_each_other_and_see_nothing_of_the_machine(lab: Lab) -> None:
    web01 = lab.host("web01", "198.51.100.179/24")
    lab.host("web02", "198.51.100.180/24")
    assert web01.run(["ping", "-c", "1", "-W", "2", "198.51.100.180"]).returncode == 0
    names = web01.run(["ip", "-o", "link"]).stdout
    assert re.findall(r"^\d+: (\w+)", names, re.MULTILINE) == ["lo", "eth1"]
    assert web01.run(["ls", "/sys/class/net"]).stdout.split() == ["eth1", "lo"]
    assert web01.run(["hostname"]).stdout.strip() == "web01"


def test_addresses_are_usable_at_once_in_both_families(lab: Lab) -> None:
    web01 = lab.host("web01", "198.51.100.179/24", "2001:db8::179/64")
    lab.host("web02", "198.51.100.180/24", "2001:db8::180/64")
    assert {"198.51.100.179", "2001:db8::179"} <= web01.addresses()
    assert "tentative" not in web01.run(["ip", "addr"]).stdout
    assert web01.run(["ping", "-c", "1", "-W", "2", "2001:db8::180"]).returncode == 0


def test_several_interfaces_on_separate_bridges(lab: Lab) -> None:
    wiring = {"eth1": "front", "eth2": "back"}
    one = lab.host(
        "one",
        interfaces={"eth1": ["198.51.100.1/24"], "eth2": ["192.0.2.1/24"]},
        bridge=wiring,
    )
    lab.host("two", "192.0.2.2/24", interface="eth2", bridge="back")
    lab.host("three", "192.0.2.3/24", interface="eth2", bridge="front")
    assert one.run(["ping", "-c", "1", "-W", "2", "192.0.2.2"]).returncode == 0
    assert one.run(["ping", "-c", "1", "-W", "1", "192.0.2.3"]).returncode != 0


def test_a_lab_is_quick_to_make() -> None:
    # As many processes as three hosts have, to compare with: agent, monitor and what sets them up.
    start = time.monotonic()
    for _ in range(8):
        subprocess.run([sys.executable, "-I", "-S", "-c", ""], check=True)
    control = time.monotonic() - start
    start = time.monotonic()
    with Lab() as lab:
        lab.host("web01", "198.51.100.179/24")
        lab.host("web02", "198.51.100.180/24")
        lab.observer("198.51.100.200/24")
        took = time.monotonic() - start
    assert took < 20 * control  # about 0.25 s, 0.1 s to compare with: 2 s


def test_a_process_has_a_log_a_status_and_a_pid_of_this_machine(lab: Lab, tmp_path: Path) -> None:
    host = lab.host("web01", "198.51.100.179/24")
    gate = tmp_path / "gate"
    waits = f"until [ -e {gate} ]; do sleep 0.01; done"
    process = host.start(["sh", "-c", f"echo out; echo err >&2; {waits}; exit 3"])
    process.wait_for("out")
    assert Path(f"/proc/{process.pid}/comm").read_text() == "sh\n"
    assert process.wait_for("^e(r+)$").group(1) == "rr"
    gate.touch()
    assert process.wait() == 3
    assert process.log() == "out\nerr\n"
    assert not process.alive


def test_freeze_thaw_stop_and_kill(lab: Lab) -> None:
    host = lab.host("web01", "198.51.100.179/24")
    counter = host.start(["sh", "-c", "while :; do echo tick; sleep 0.01; done"])
    counter.wait_for("tick")
    counter.freeze()
    time.sleep(0.05)
    mark = counter.mark()
    time.sleep(0.1)
    assert counter.alive
    assert counter.mark() == mark
    counter.thaw()
    counter.wait_for("tick", since=mark)
    counter.freeze()
    assert counter.stop() == -signal.SIGTERM  # wakes it to let it die
    sleeper = host.start(["sleep", "1000"])
    assert sleeper.kill() == -signal.SIGKILL


def test_waiting_in_vain_ends_and_shows_the_log(lab: Lab) -> None:
    host = lab.host("web01", "198.51.100.179/24")
    process = host.start(["sh", "-c", "echo about me; sleep 1000"], name="mine")
    process.wait_for("about me")
    with pytest.raises(TimeoutError, match=r"(?s)mine on web01.*'never'.*about me"):
        process.wait_for("never", timeout=0.1)
    with pytest.raises(TimeoutError, match="did not end"):
        process.wait(0.1)
    ended = host.start(["true"])
    with pytest.raises(TimeoutError, match="ended with 0"):
        ended.wait_for("never", timeout=30)
    with pytest.raises(TimeoutError, match="more than"):
        host.run(["sleep", "1000"], timeout=0.1)


def test_reading_a_huge_log_costs_no_more_than_its_last_mebibyte(lab: Lab) -> None:
    host = lab.host("web01", "198.51.100.179/24")
    process = host.start(["sh", "-c", "head -c 5000000 /dev/zero | tr '\\0' x; echo end"])
    process.wait()
    log = process.log()
    assert len(log) == 1 << 20
    assert log.endswith("xend\n")


def test_a_missing_program_names_its_package(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    host = lab.host("web01", "198.51.100.179/24")
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("vipd.lab.errors.SBIN", ())
    with pytest.raises(LabError, match=r"apt-get install iproute2 .* dnf install iproute "):
        host.run(["ip", "addr"])
    with pytest.raises(LabError, match="apt-get install util-linux"):
        Lab()


def test_a_file_or_directory_bound_in_a_host_is_nowhere_else(lab: Lab, tmp_path: Path) -> None:
    web01 = lab.host("web01", "198.51.100.179/24")
    web02 = lab.host("web02", "198.51.100.180/24")
    (tmp_path / "vip-001.conf").write_text("hello\n")
    for target in ("/etc/vipd-lab-test/ucarp", "/run/ucarp"):
        web01.bind(tmp_path, target)
        assert web01.run(["cat", f"{target}/vip-001.conf"]).stdout == "hello\n"
        assert web02.run(["ls", target]).returncode != 0
        assert not Path(target).exists()
    web01.bind(tmp_path / "vip-001.conf", "/etc/hostname")
    assert web01.run(["cat", "/etc/hostname"]).stdout == "hello\n"
    with pytest.raises(LabError, match="below /run"):
        web01.bind(tmp_path, "/vipd-lab-test")


# -- cables and faults


def test_a_cut_cable_takes_the_carrier_and_a_partition_does_not(lab: Lab) -> None:
    web01 = lab.host("web01", "198.51.100.179/24")
    lab.host("web02", "198.51.100.180/24")

    def carrier() -> bool:
        return "LOWER_UP" in web01.run(["ip", "link", "show", "eth1"]).stdout

    def reached() -> bool:
        return web01.run(["ping", "-c", "1", "-W", "1", "198.51.100.180"]).returncode == 0

    def becomes(*expected: bool) -> None:
        # The kernel reports a carrier, and asks a neighbour again, up to a second later.
        wait_until(
            lambda: (carrier(), reached()) == expected or None,
            timeout=10,
            complaint=lambda: f"(carrier, reached) is {(carrier(), reached())}, not {expected}",
        )

    web01.cut()
    becomes(False, False)
    web01.join("eth1")
    becomes(True, True)
    web01.isolate()
    becomes(True, False)
    web01.rejoin()
    becomes(True, True)
    with pytest.raises(LabError, match="no interface 'eth7', only eth1"):
        web01.cut("eth7")


def test_a_crash_kills_everything_and_a_boot_brings_an_empty_host_back(lab: Lab) -> None:
    web01 = lab.host("web01", "198.51.100.179/24")
    process = web01.start(["sleep", "1000"])
    web01.must(["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 &"])
    web01.must(["ip", "addr", "add", f"{VIP}/32", "dev", "eth1"])
    assert lab.owners(VIP) == ["web01"]
    web01.crash()
    assert process.wait(0) == -signal.SIGKILL
    assert lab.owners(VIP) == []
    assert lab.ownership(VIP).owners() == []
    with pytest.raises(LabError, match="crashed"):
        web01.run(["true"])
    web01.boot()
    assert "198.51.100.179" in web01.addresses()
    assert web01.run(["ps", "-e", "-o", "comm="]).stdout.count("sleep") == 0
    web01.must(["ip", "addr", "add", f"{VIP}/32", "dev", "eth1"])
    assert lab.ownership(VIP).owners() == ["web01"]


def test_a_boot_does_not_depend_on_when_the_kernel_takes_the_old_cables_away(lab: Lab) -> None:
    networks = {"eth1": ["198.51.100.179/24"], "eth2": ["203.0.113.179/24"]}
    web01 = lab.host("web01", interfaces=networks)
    process = web01.start(["sleep", "1000"])
    with Path(f"/proc/{process.pid}/ns/net").open():  # keeps the namespace, and so the cables
        web01.crash()
        web01.boot()
    assert {"198.51.100.179", "203.0.113.179"} <= web01.addresses()
    web01.crash()
    web01.boot()  # they may be gone by now, or not
    assert {"198.51.100.179", "203.0.113.179"} <= web01.addresses()


# -- what is measured


def test_the_observer_measures_a_gap(lab: Lab) -> None:
    web01 = lab.host("web01", f"{VIP}/24")
    observer = lab.observer("198.51.100.200/24")
    with observer.watch(VIP) as watch:
        time.sleep(0.5)
        assert watch.longest(VIP) < 0.2  # 0.005 s and what a busy machine adds
        began = time.time()
        web01.isolate()
        isolated = time.time()
        time.sleep(0.5)
        assert watch.gaps(VIP)[-1].seconds > 0.4  # still open
        rejoins = time.time()
        web01.rejoin()
        ended = time.time()
        answers = watch.answers(VIP)
        wait_until(
            lambda: watch.answers(VIP) > answers or None,
            timeout=30,
            complaint=lambda: "it answers no more",
        )
    assert rejoins - isolated - 0.05 < watch.longest() < ended - began + 0.5
    gap = max(watch.gaps(), key=lambda gap: gap.seconds)
    assert gap.address == VIP
    assert began - 0.25 < gap.start < isolated + 0.25
    assert watch.gaps(since=time.time()) == []
    assert watch.answers(VIP) > 50


def test_ownership_is_a_timeline_of_the_kernels_events(lab: Lab) -> None:
    web01 = lab.host("web01", "198.51.100.179/24")
    web02 = lab.host("web02", "198.51.100.180/24")
    before = time.time()
    web01.must(["ip", "addr", "add", f"{VIP}/32", "dev", "eth1"])
    first = time.time()
    time.sleep(0.2)
    two = time.time()
    web02.must(["ip", "addr", "add", f"{VIP}/32", "dev", "eth1"])
    time.sleep(0.1)
    lifetimes = ["valid_lft", "60", "preferred_lft", "60"]
    web02.must(["ip", "addr", "change", f"{VIP}/32", "dev", "eth1", *lifetimes])
    web01.must(["ip", "addr", "del", f"{VIP}/32", "dev", "eth1"])
    one, none = time.time(), time.time()
    web02.must(["ip", "addr", "del", f"{VIP}/32", "dev", "eth1"])
    time.sleep(0.3)
    web01.must(["ip", "addr", "add", f"{VIP}/32", "dev", "eth1"])
    again = time.time()
    lab.wait_owner(VIP, "web01", stable=0.1)
    seen = lab.ownership(VIP)
    assert [(change.host, change.added) for change in seen.changes] == [
        ("web01", True),
        ("web02", True),
        ("web01", False),
        ("web02", False),
        ("web01", True),
    ]
    assert before < seen.changes[0].time < first + 0.1
    assert 0.1 < seen.longest_overlap() < one - two + 0.1
    assert 0.3 < seen.longest_none() < again - none + 0.1
    assert seen.since(seen.changes[3].time).longest_overlap() == 0
    assert seen.owners() == ["web01"]


def test_the_timeline_is_complete_when_it_is_asked_for(lab: Lab) -> None:
    web01 = lab.host("web01", "198.51.100.179/24")
    # A follower that never reads (a frozen daemon, say) must not be mistaken for ours.
    bystander = web01.start(["ip", "monitor", "address"])
    time.sleep(0.1)
    bystander.freeze()
    for owners in (["web01"], []) * 10:
        verb = "add" if owners else "del"
        web01.must(["ip", "addr", verb, f"{VIP}/32", "dev", "eth1"])
        assert lab.ownership(VIP).owners() == owners


def test_overlap_and_absence_join_neighbouring_spans_and_reach_to_now() -> None:
    def timeline(*changes: tuple[float, str, bool]) -> Ownership:
        return Ownership(VIP, tuple(Change(*change) for change in changes), until=10)

    assert timeline().longest_none() == 0
    one_two_three = timeline((1, "a", True), (2, "b", True), (3, "c", True), (5, "a", False))
    assert one_two_three.longest_overlap() == 8
    assert timeline((1, "a", True), (4, "a", False)).longest_none() == 6
    since = timeline((1, "a", True), (2, "b", True)).since(6)
    assert since.longest_overlap() == 4
    assert since.owners() == ["a", "b"]


def test_an_address_that_never_answers_is_an_error_not_a_gap(lab: Lab) -> None:
    observer = lab.observer("198.51.100.200/24")
    with pytest.raises(TimeoutError, match=f"{VIP} never answered"):
        observer.watch(VIP, answer_within=0.2)
    assert observer.watch(VIP, answer_within=None).gaps() == []


def test_waiting_for_the_wrong_owner_says_who_has_it(lab: Lab) -> None:
    web01 = lab.host("web01", "198.51.100.179/24", f"{VIP}/32")
    web01.start(["echo", "what it said"]).wait()
    with pytest.raises(TimeoutError, match=r"(?s)belong to web02.*belongs to web01.*what it said"):
        lab.wait_owner(VIP, "web02", timeout=0.1)


def test_a_capture_shows_what_is_on_the_wire(lab: Lab) -> None:
    web01 = lab.host("web01", "198.51.100.179/24")
    web02 = lab.host("web02", "198.51.100.180/24")
    if not PRIVILEGED:
        with pytest.raises(TimeoutError, match=r"tcpdump on web02 .*ended with"):
            web02.capture("icmp")
        return
    capture = web02.capture("icmp")
    web01.run(["ping", "-c", "1", "198.51.100.180"])
    capture.wait_for("198.51.100.179 > 198.51.100.180: ICMP echo request")


def test_two_real_ucarps_elect_one_owner_and_survive_a_crash(lab: Lab) -> None:
    web01 = lab.host("web01", "198.51.100.179/24")
    web02 = lab.host("web02", "198.51.100.180/24")
    observer = lab.observer("198.51.100.200/24")
    web01.ucarp(vhid=1, address=VIP, options=["--preempt"])
    web02.ucarp(vhid=1, address=VIP, options=["--preempt", "--advskew=10"])
    lab.wait_owner(VIP, "web01", stable=1.5, timeout=15)
    with observer.watch(VIP) as watch:
        web01.crash()
        lab.wait_owner(VIP, "web02", stable=0.5)
    assert 2.5 < watch.longest(VIP) < 6


# -- nothing is left behind


def controller(code: str, *prefix: str, mark: str = "") -> subprocess.CompletedProcess[str]:
    """Run a script that makes labs in a Python of its own."""
    return subprocess.run(
        [*prefix, sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        env={**os.environ, "LAB_TEST_MARK": mark},
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def machine_interfaces() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


def test_nothing_is_left_when_the_controller_is_killed() -> None:
    before = machine_interfaces()
    mark = str(uuid.uuid4())
    done = controller(
        """
        import os, signal
        from vipd.lab import Lab
        lab = Lab()
        web01 = lab.host("web01", "198.51.100.179/24")
        frozen = web01.start(["sleep", "1000"])
        frozen.freeze()
        daemon = web01.start(["setsid", "sh", "-c", "trap '' TERM HUP INT; sleep 1000 & wait"])
        pings = lab.observer("198.51.100.200/24").watch("198.51.100.179")
        print(frozen.pid, daemon.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        mark=mark,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(done.stdout.split()) == 2
    deadline = time.monotonic() + 60
    while (left := marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left == []
    assert machine_interfaces() == before


def marked(mark: str) -> list[str]:
    """Every process on this machine that inherited an environment with this mark in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


def test_closing_leaves_no_process_and_no_descriptor() -> None:
    gc.collect()  # what earlier tests left to collect must not count
    before = len(list(Path("/proc/self/fd").iterdir()))
    with Lab() as lab:
        host = lab.host("web01", "198.51.100.179/24")
        process = host.start(["sh", "-c", "echo x; exec sleep 1000"])
        process.wait_for("x")
        lab.host("web02", "198.51.100.180/24").crash()
        pid = process.pid
    assert process.log() == "x\n"  # readable as long as somebody holds it
    assert process.wait(0) == -signal.SIGKILL
    assert not Path("/proc", str(pid)).exists()
    del lab, host, process
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_logs_vanish_unless_they_are_kept(tmp_path: Path) -> None:
    with Lab(keep_logs=tmp_path / "logs") as lab:
        lab.host("web01", "198.51.100.179/24").start(["echo", "kept"]).wait()
    (log,) = (tmp_path / "logs").glob("web01-echo-*.log")
    assert log.read_text() == "kept\n"


def test_an_ordinary_user_can_have_a_lab() -> None:
    # An ordinary user by what counts: not root in its user namespace, no capability anywhere.
    done = controller(
        """
        import os, time
        from vipd.lab import Lab
        assert os.geteuid() != 0
        status = open("/proc/self/status").read()
        assert "CapEff:\\t0000000000000000" in status, status
        with Lab() as lab:
            web01 = lab.host("web01", "198.51.100.179/24")
            lab.host("web02", "198.51.100.180/24")
            web01.must(["ip", "addr", "add", "198.51.100.154/32", "dev", "eth1"])
            lab.wait_owner("198.51.100.154", "web01")
            with lab.observer("198.51.100.200/24").watch("198.51.100.154") as watch:
                time.sleep(0.3)
            print(watch.answers("198.51.100.154"), lab.ownership("198.51.100.154").owners())
        """,
        *(("unshare", "--user", "--map-user=1000", "--map-group=1000") if PRIVILEGED else ()),
    )
    assert done.returncode == 0, done.stderr
    answers, owners = done.stdout.split(maxsplit=1)
    assert int(answers) > 10
    assert owners == "['web01']\n"
