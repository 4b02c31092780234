"""Start, signals and end of the daemon, as an administrator meets them."""

import re
import sys
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM, SIGUSR1, Signals

import pytest
from helpers.captured import advertisements, capture
from helpers.configured import QUICK, VIP, write_vip
from helpers.forging import frame, send, signed

from vipd import __version__
from vipd.carp.tag import sequence_of
from vipd.lab import Host, Lab, Process
from vipd.lab.waiting import wait_until

pytestmark = pytest.mark.lab

SECOND = "198.51.100.155"
THIRD = "198.51.100.156"
VIPD = (sys.executable, "-m", "vipd.daemon")


def messages(daemon: Process, since: int = 0) -> list[str]:
    return daemon.log(since).splitlines()


def test_it_tells_its_version(web01: Host) -> None:
    done = web01.run([*VIPD, "--version"])
    assert (done.returncode, done.stdout) == (0, f"vipd {__version__}\n")


def test_an_unknown_option_is_refused_with_the_usage(web01: Host) -> None:
    done = web01.run([*VIPD, "--preempt"])
    assert done.returncode == 2
    assert "usage: vipd" in done.stderr


def test_an_empty_directory_is_fine_and_files_may_come_later(
    lab: Lab, web01: Host, files: Path
) -> None:
    daemon = web01.vipd(files)
    daemon.wait_for(r"^<4>no VIP to run: .*ucarp holds no usable vip-NNN\.conf")
    write_vip(files, OPTIONS=QUICK)
    daemon.signal(SIGHUP)
    lab.wait_owner(VIP, "web01")
    assert daemon.stop() == 0


def test_a_missing_directory_is_said_and_waited_for(lab: Lab, web01: Host, files: Path) -> None:
    daemon = web01.vipd(files / "not-yet")
    daemon.wait_for(r"^<3>.*not-yet:.*cannot be read.*--config-dir")
    write_vip(files / "not-yet", OPTIONS=QUICK)
    daemon.signal(SIGHUP)
    lab.wait_owner(VIP, "web01")


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
def test_it_ends_in_order(lab: Lab, web01: Host, files: Path, number: Signals) -> None:
    write_vip(files, OPTIONS=f"{QUICK} --shutdown")
    write_vip(files, "002", VIP_ADDRESS=SECOND, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    for address in (VIP, SECOND):
        lab.wait_owner(address, "web01")
    daemon.signal(number)
    assert daemon.wait() == 0
    for address in (VIP, SECOND):
        assert lab.owners(address) == []
    assert re.search(r"^<6>stopping\n(.*\n)*<4>001: Switching to state: INIT", daemon.log(), re.M)
    assert "Traceback" not in daemon.log()


def test_it_ends_without_a_word_when_it_is_not_master(
    web01: Host, web02: Host, files: Path
) -> None:
    dump = capture(web02, "proto", "112")
    write_vip(files, OPTIONS="--advbase=200")
    daemon = web01.vipd(files)
    daemon.wait_for("state: BACKUP")
    assert daemon.stop() == 0
    send(web02, frame(signed(vhid=99).build()))
    dump.wait_for("vhid=99")  # so all that came before has been captured
    assert [ad.vhid for ad in advertisements(dump)] == [99]


def test_usr1_logs_every_state_as_ucarp_does(lab: Lab, web01: Host, files: Path) -> None:
    write_vip(files, OPTIONS=QUICK)
    write_vip(files, "198", VIP_ADDRESS=SECOND, OPTIONS="--advbase=200")
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    daemon.signal(SIGUSR1)
    daemon.wait_for(r"^<6>001: MASTER on eth1 id 1$")
    daemon.wait_for(r"^<6>198: BACKUP on eth1 id 198$")


def test_hup_starts_changes_and_stops_what_the_files_say(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    dump = capture(web02, "proto", "112")
    write_vip(files, OPTIONS=QUICK)
    write_vip(files, "002", VIP_ADDRESS=SECOND, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(SECOND, "web01")
    lab.wait_owner(VIP, "web01")
    (files / "vip-001.conf").unlink()
    write_vip(files, "003", VIP_ADDRESS=THIRD, OPTIONS=f"{QUICK} -k7")
    daemon.signal(SIGHUP)
    lab.wait_owner(VIP, None)
    lab.wait_owner(THIRD, "web01")
    write_vip(files, "003", VIP_ADDRESS=VIP, OPTIONS=f"{QUICK} -k9")
    daemon.signal(SIGHUP)
    lab.wait_owner(THIRD, None)
    lab.wait_owner(VIP, "web01")
    wait_until(
        lambda: any((ad.vhid, ad.advskew) == (3, 9) for ad in advertisements(dump)) or None,
        timeout=30,
        complaint=lambda: f"advskew did not change{dump.tail()}",
    )
    untouched = lab.ownership(SECOND).changes
    assert [(change.host, change.added) for change in untouched] == [("web01", True)]


def test_hup_twice_in_a_row_ends_with_what_the_files_say_last(
    lab: Lab, web01: Host, files: Path
) -> None:
    daemon = web01.vipd(files)
    daemon.wait_for("no VIP to run")
    for address in (SECOND, THIRD, VIP):
        write_vip(files, VIP_ADDRESS=address, OPTIONS=QUICK)
        daemon.signal(SIGHUP)
    lab.wait_owner(VIP, "web01", stable=1)
    assert lab.owners(SECOND) == lab.owners(THIRD) == []


def test_a_file_that_breaks_leaves_its_vip_running(lab: Lab, web01: Host, files: Path) -> None:
    file = write_vip(files, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    file.write_text(file.read_text() + "OPTIONS=`cat options`\n")
    daemon.signal(SIGHUP)
    daemon.wait_for(r"^<3>.*vip-001\.conf:\d+:\d+: ")
    daemon.wait_for(r"^<4>001: keeps its old settings until its files are corrected")
    assert len(lab.ownership(VIP).changes) == 1


def test_a_broken_file_is_a_line_in_the_log_and_the_others_start(
    lab: Lab, web01: Host, files: Path
) -> None:
    write_vip(files, OPTIONS=QUICK)
    (files / "vip-002.conf").write_bytes(bytes(range(256)) * 8)
    (files / "vip-003.conf").mkdir()
    (files / "vip-004.conf").write_text("")
    write_vip(files, "005", VIP_ADDRESS=SECOND, OPTIONS=f"{QUICK} --advskew=300")
    write_vip(files, "006", VIP_ADDRESS=None)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    for number in range(2, 7):
        (line,) = re.findall(rf"^<3>.*vip-00{number}\.conf.*$", daemon.log(), re.M)
        assert len(line) < 400
    assert "Traceback" not in daemon.log()


def test_what_is_logged_has_the_journals_priorities(lab: Lab, web01: Host, files: Path) -> None:
    write_vip(files, OPTIONS=QUICK)
    write_vip(files, "002", VIP_ADDRESS=None)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    daemon.stop()
    lines = messages(daemon)
    assert all(re.match(r"<[0-7]>\S", line) for line in lines)
    assert lines[0] == f"<6>vipd {__version__}, configuration in {files}"
    assert any(re.match(r"<3>.*vip-002\.conf:.*VIP_ADDRESS is missing", line) for line in lines)
    assert "<4>001: Switching to state: MASTER (nothing heard from a master)" in lines


def test_the_log_level_says_how_much_is_told(lab: Lab, web01: Host, files: Path) -> None:
    write_vip(files, OPTIONS=QUICK)
    daemon = web01.vipd(files, "--log-level", "error")
    lab.wait_owner(VIP, "web01")
    daemon.stop()
    assert daemon.log() == ""


def test_a_second_vipd_on_the_same_runtime_directory_is_refused(
    lab: Lab, web01: Host, files: Path
) -> None:
    write_vip(files, OPTIONS=QUICK)
    first = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    pid = web01.run(["cat", "/run/vipd/vipd.pid"]).stdout.strip()
    for _ in range(2):
        second = web01.vipd(files)
        assert second.wait() == 1
        (line,) = messages(second)
        assert re.match(rf"<2>another vipd \(process {pid}\) runs with /run/vipd.*stop it", line)
    assert lab.owners(VIP) == ["web01"]
    assert first.alive
    first.kill()
    third = web01.vipd(files)
    third.wait_for("state: BACKUP")  # a lock does not outlive its process


def test_a_runtime_directory_that_cannot_be_used_is_said_in_one_line(
    web01: Host, files: Path
) -> None:
    daemon = web01.start([*VIPD, "--config-dir", files, "--runtime-dir", "/proc/nowhere"])
    assert daemon.wait() == 1
    (line,) = messages(daemon)
    assert re.match(r"<2>cannot use /proc/nowhere: .*--runtime-dir", line)


def test_a_full_runtime_directory_ends_nothing(lab: Lab, web01: Host, files: Path) -> None:
    """No room for anything: process id, counter, wills."""
    fill = (
        "mkdir -p /run/vipd && mount -t tmpfs -o size=4k tmpfs /run/vipd && "
        "head -c 4096 /dev/zero >/run/vipd/full"
    )
    assert web01.run(["sh", "-c", fill]).returncode == 0
    write_vip(files)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    (line,) = [line for line in messages(daemon) if "vipd.pid" in line]
    assert re.match(r"<4>cannot write /run/vipd/vipd.pid: .*No space left", line)
    other = web01.vipd(files)
    assert other.wait() == 1
    assert any(re.match("<2>another vipd .* runs with /run/vipd", line) for line in messages(other))
    assert daemon.stop() == 0


@pytest.mark.parametrize(
    ("dropped", "named"),
    [
        ("-net_raw", ["CAP_NET_RAW"]),
        ("-net_admin", ["CAP_NET_ADMIN"]),
        ("-all", ["CAP_NET_ADMIN", "CAP_NET_RAW"]),
    ],
)
def test_without_its_capabilities_it_says_which_are_missing(
    web01: Host, files: Path, dropped: str, named: list[str]
) -> None:
    limits = [f"--bounding-set={dropped}", f"--inh-caps={dropped}"]
    daemon = web01.start(["setpriv", *limits, *VIPD, "--config-dir", str(files)])
    assert daemon.wait() == 1
    (line,) = messages(daemon)
    assert re.findall(r"CAP_[A-Z_]+", line) == named
    assert "run vipd as root" in line


def test_the_counter_grows_over_restarts_and_crashes(web01: Host, web02: Host, files: Path) -> None:
    dump = capture(web02, "proto", "112")
    write_vip(files, OPTIONS=QUICK)

    def live(*, seen: int) -> Process:
        daemon = web01.vipd(files)
        wait_until(
            lambda: len(advertisements(dump)) >= seen + 2 or None,
            timeout=60,
            complaint=lambda: f"no advertisements{dump.tail()}",
        )
        return daemon

    live(seen=0).stop()
    live(seen=len(advertisements(dump))).kill()
    web01.must(["ip", "addr", "flush", "to", f"{VIP}/32"])
    # as if the clock had been set back by a century since the last life
    future = 5_000_000_000
    web01.must(["sh", "-c", f"echo {future} >/run/vipd/sequence"])
    live(seen=len(advertisements(dump))).stop()
    # and a file that holds nonsense is no reason not to start
    web01.must(["sh", "-c", "echo nonsense >/run/vipd/sequence"])
    counters = [sequence_of(ad.counter) for ad in advertisements(dump)]
    assert counters == sorted(set(counters))
    assert counters[-1] > future
    live(seen=len(counters))


def test_one_failing_vip_does_not_stop_another(lab: Lab, web01: Host, files: Path) -> None:
    # IPv6 switched off: the kernel refuses the second VIP's addresses, whenever it is tried
    web01.must(["sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/eth1/disable_ipv6"])
    write_vip(files, OPTIONS=QUICK)
    write_vip(files, "002", VIP_ADDRESS=f"{SECOND} 2001:db8::155", OPTIONS=QUICK)
    daemon = web01.vipd(files)
    daemon.wait_for(r"^<3>002: failed: .*; starts again in 1 s")
    lab.wait_owner(VIP, "web01")
    daemon.wait_for(r"^<3>002: failed: .*; starts again in 2 s")
    assert lab.owners(SECOND) == []  # not half of them
    assert len(lab.ownership(VIP).changes) == 1
    web01.must(["sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/eth1/disable_ipv6"])
    lab.wait_owner("2001:db8::155", "web01", timeout=60)
    lab.wait_owner(SECOND, "web01")
    assert daemon.stop() == 0
