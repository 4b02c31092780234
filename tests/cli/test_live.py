"""vipctl beside real daemons: a pair of hosts, each preferred for one address."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.configured import VIP, WEB01, WEB02, write_vip
from helpers.hosts import ip, until

from cli.conftest import COMMAND
from vipd.lab import Host, Lab

pytestmark = pytest.mark.lab

SECOND = "198.51.100.155"
PREFERRED = "--preempt --shutdown --deadratio=2"
OTHER = f"{PREFERRED} --advskew=100"
#: Longer than a test: it ends by being called off.
HOLD = "600"

Done = subprocess.CompletedProcess[str]


class Pair:
    """Both hosts, their files and daemons."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.web01 = lab.host("web01", f"{WEB01}/24")
        self.web02 = lab.host("web02", f"{WEB02}/24")
        self.files = {host.name: directory / host.name for host in (self.web01, self.web02)}
        for name, first, second in (("web01", PREFERRED, OTHER), ("web02", OTHER, PREFERRED)):
            write_vip(self.files[name], "001", OPTIONS=first)
            write_vip(self.files[name], "002", VIP_ADDRESS=SECOND, OPTIONS=second)
        self.daemons = {
            host.name: host.vipd(self.files[host.name], "--state-dir", "/run/state")
            for host in (self.web01, self.web02)
        }
        self.settle()

    def settle(self) -> None:
        """Wait until each host has the address that it is preferred for."""
        self.lab.wait_owner(VIP, "web01", timeout=60, stable=0.5)
        self.lab.wait_owner(SECOND, "web02", timeout=60, stable=0.5)

    def vipctl(self, *arguments: str, host: Host | None = None) -> Done:
        """Run it, on web01 unless told otherwise."""
        return (host or self.web01).run([*COMMAND, *arguments], timeout=60)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """One pair for all tests of this file: they leave it as they found it."""
    with Lab() as lab:
        yield Pair(lab, tmp_path_factory.mktemp("pair"))


def test_status_shows_both_sides_of_the_pair(pair: Pair) -> None:
    done = pair.vipctl("status")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "OK: 2 VIPs, 1 MASTER, 1 BACKUP"
    first, second = (line.split() for line in lines[3:5])
    assert first[:4] == ["001", VIP, "eth1", "MASTER"]
    assert first[5:7] == ["this", "host"]
    assert second[:4] == ["002", SECOND, "eth1", "BACKUP"]
    assert second[5:7] == [WEB02, "1+0"]
    assert "\x1b" not in done.stdout


def test_status_of_one_vip_as_json(pair: Pair) -> None:
    told = json.loads(pair.vipctl("status", "--json", "002").stdout)
    (vip,) = told["vips"]
    assert (vip["id"], vip["state"], vip["mode"]) == ("002", "BACKUP", "BACKUP")
    assert (vip["heard"]["address"], vip["heard"]["advskew"]) == (WEB02, 0)
    assert (told["status"], vip["attention"]) == (0, [])
    assert "love" not in json.dumps(told)


@pytest.mark.parametrize("command", ["status", "history", "why", "demote"])
def test_an_id_that_nobody_has_is_status_1_with_a_hint(pair: Pair, command: str) -> None:
    done = pair.vipctl(command, "077")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[0] == "vipctl: there is no VIP 077"
    assert "vipctl status lists" in done.stderr


def test_history_tells_the_reason_and_the_measured_times(pair: Pair) -> None:
    done = pair.vipctl("history", "001")
    assert done.returncode == 0
    assert re.search(
        r"  001  BACKUP → MASTER: (nothing heard|the master advertises slower).*; "
        r"address [\d.]+ m?s, announcement [\d.]+ m?s, advertisement [\d.]+ m?s$",
        done.stdout,
        re.MULTILINE,
    )
    events = [json.loads(line) for line in pair.vipctl("history", "--json").stdout.splitlines()]
    assert {event["id"] for event in events} >= {"001", "002"}
    last = pair.vipctl("history", "-n", "1", "--json", "001").stdout
    assert len(last.splitlines()) == 1


def test_why_tells_it_on_both_hosts(pair: Pair) -> None:
    here = " ".join(pair.vipctl("why", "001").stdout.split())
    assert here.startswith(f"This host is MASTER of 001 ({VIP} on eth1, VHID 1)")
    assert "the kernel would take the address off" in here
    there = " ".join(pair.vipctl("why", "001", host=pair.web02).stdout.split())
    assert f"{WEB01} (advbase 1, advskew 0) is master" in there
    assert "this host would only every 1.391 s" in there


def test_demote_hands_over_and_holds_and_history_follows(pair: Pair) -> None:
    follow = pair.web01.start([*COMMAND, "history", "--follow", "-n", "1"], name="follow")
    follow.wait_for(r"\d")
    done = pair.vipctl("demote", "001", "--hold", HOLD)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(
        rf"001: handed over to {WEB02} within [\d.]+ m?s; stays backup for 10 min\n", done.stdout
    )
    pair.lab.wait_owner(VIP, "web02")
    assert re.search(r"BACKUP held (10m|9m)", pair.vipctl("status", "001").stdout)
    assert pair.vipctl("maintenance", "off", "001").returncode == 0
    pair.settle()
    follow.wait_for(r"001  MASTER → BACKUP: stepped down on request")
    follow.wait_for(r"001  BACKUP → MASTER")
    follow.kill()


def test_demote_wants_ids_or_all_and_not_both(pair: Pair) -> None:
    for arguments in ([], ["--all", "001"], ["--group", "router", "001"], ["--all", "--group=x"]):
        done = pair.vipctl("demote", *arguments)
        assert done.returncode == 2
        assert "name the IDs to hand over, or --group, or --all, and only one" in done.stderr


@pytest.mark.parametrize("command", [["demote"], ["maintenance", "on"], ["maintenance", "off"]])
def test_a_group_without_a_name_is_not_the_whole_host(pair: Pair, command: list[str]) -> None:
    done = pair.vipctl(*command, "--group", "")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the name is empty" in done.stderr
    assert pair.vipctl("maintenance").stdout == "Nothing is in maintenance.\n"


def test_maintenance_is_shown_everywhere_until_it_is_over(pair: Pair) -> None:
    done = pair.vipctl("maintenance", "on", "001")
    assert done.returncode == 0
    assert f"001: handed over to {WEB02} within" in done.stdout
    assert "vipctl maintenance off 001" in done.stdout
    pair.lab.wait_owner(VIP, "web02")
    status = pair.vipctl("status")
    assert status.returncode == 0
    assert "1 in maintenance" in status.stdout
    assert "BACKUP maintenance" in status.stdout
    assert "It is in maintenance" in pair.vipctl("why", "001").stdout
    assert pair.vipctl("maintenance").stdout == (
        "In maintenance: 001. End it: vipctl maintenance off 001\n"
    )
    over = pair.vipctl("maintenance", "off", "001")
    assert (over.returncode, over.stdout) == (0, "Maintenance is over: 001\n")
    pair.settle()


def test_reload_tells_what_it_did_and_what_is_wrong(pair: Pair) -> None:
    assert pair.vipctl("reload").stdout == "2 VIPs are as before.\n"
    file = write_vip(pair.files["web01"], "003", VIP_ADDRESS=None)
    broken = pair.vipctl("reload")
    assert broken.returncode == 1
    assert f"{file}:1:1: error: VIP_ADDRESS is missing" in broken.stdout
    status = pair.vipctl("status")
    assert status.returncode == 1
    assert status.stdout.startswith("ATTENTION")
    assert f"! {file}:1:1: error: VIP_ADDRESS is missing" in status.stdout
    file.unlink()
    assert pair.vipctl("reload").returncode == 0
    assert pair.vipctl("status").returncode == 0


def test_log_level_and_version(pair: Pair) -> None:
    assert pair.vipctl("log-level", "debug").stdout == "The log level is debug now; it was info.\n"
    assert pair.vipctl("log-level", "info").stdout == "The log level is info now; it was debug.\n"
    done = pair.vipctl("version")
    assert done.returncode == 0
    assert re.fullmatch(r"vipctl (\S+)\nvipd \1 \(process \d+, running for .+\)\n", done.stdout)


def test_watch_ends_with_its_last_frame_on_the_screen(pair: Pair) -> None:
    command = " ".join(["timeout", "--foreground", "-s", "INT", "8", *COMMAND, "watch"])
    size = ["env", "TERM=xterm", "COLUMNS=100", "LINES=24", "NO_COLOR=1"]
    done = pair.web02.run([*size, "script", "-qec", command, "/dev/null"], timeout=60)
    frame = done.stdout.rpartition("\x1b[?1049l")[2]
    lines = frame.replace("\r", "").splitlines()
    assert any(re.match(rf"001  {VIP}  BACKUP  \S+ +{WEB01} .*a$", line) for line in lines), frame
    assert any(re.match(rf"002  {SECOND}  MASTER  \S+ +this host .*█$", line) for line in lines)
    assert f"█ this host   a {WEB01}" in frame
    assert "002  BACKUP → MASTER" in frame
    assert "Traceback" not in done.stdout


def test_watch_wants_a_terminal(pair: Pair) -> None:
    done = pair.vipctl("watch")
    assert done.returncode == 2
    assert "vipctl history --follow" in done.stderr


def test_tab_completes_the_ids_that_the_daemon_runs(pair: Pair) -> None:
    words = ["env", "COMP_WORDS=vipctl why ", "COMP_CWORD=2", "_VIPCTL_COMPLETE=bash_complete"]
    offered = pair.web01.run([*words, *COMMAND], timeout=60).stdout
    assert offered.split() == ["plain,001", "plain,002"]


def sysctl(host: Host, name: str, value: int) -> Callable[[], None]:
    """Set it on eth1; the result sets it back."""
    path = f"/proc/sys/net/ipv4/conf/eth1/{name}"
    before = host.run(["cat", path]).stdout.strip()

    def write(text: str) -> None:
        done = host.run(["sh", "-c", f"echo {text} >{path}"])
        assert done.returncode == 0, done.stderr

    write(str(value))
    return lambda: write(before)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("arp_ignore", 8, "!! eth1: arp_ignore is 8: the kernel answers no ARP"),
        ("drop_gratuitous_arp", 1, "!  eth1: drop_gratuitous_arp is set"),
    ],
)
def test_doctor_finds_settings_that_keep_clients_away(
    pair: Pair, name: str, value: int, told: str
) -> None:
    assert told not in pair.vipctl("doctor").stdout
    undo = sysctl(pair.web01, name, value)
    done = pair.vipctl("doctor")
    undo()
    assert done.returncode == 1
    assert told in done.stdout
    assert f"sysctl -w net.ipv4.conf.eth1.{name}=" in done.stdout


def test_doctor_knows_that_arp_ignore_2_hides_addresses_of_other_networks_only(
    pair: Pair,
) -> None:
    undo = sysctl(pair.web01, "arp_ignore", 2)
    assert "arp_ignore" not in pair.vipctl("doctor").stdout
    file = write_vip(pair.files["web01"], "009", VIP_ADDRESS="203.0.113.9")
    pair.vipctl("reload")
    done = pair.vipctl("doctor")
    file.unlink()
    pair.vipctl("reload")
    undo()
    assert "!! eth1: arp_ignore is 2: the kernel answers ARP only in its own" in done.stdout
    assert "203.0.113.9" in done.stdout


def test_doctor_finds_multicast_switched_off(pair: Pair) -> None:
    ip(pair.web02, "link set eth1 multicast off")
    done = pair.vipctl("doctor", host=pair.web02)
    ip(pair.web02, "link set eth1 multicast on")
    assert "!! eth1: multicast is switched off" in done.stdout
    assert "ip link set eth1 multicast on" in done.stdout


def test_doctor_finds_a_route_on_the_other_side_and_two_interfaces_in_one_network(
    pair: Pair,
) -> None:
    ip(
        pair.web01,
        "link add up0 type veth peer name up1",
        "addr add 198.51.100.42/24 dev up0",
        "link set up0 up",
        "link set up1 up",
        "route add default via 198.51.100.1 dev up0",
    )
    undo = sysctl(pair.web01, "rp_filter", 1)
    done = pair.vipctl("doctor")
    undo()
    ip(pair.web01, "link del up0")
    assert "!  eth1: rp_filter is strict, and the default route leads through up0" in done.stdout
    assert "!  eth1: up0 is in the same network" in done.stdout


def test_doctor_finds_an_address_that_should_not_be_here(pair: Pair) -> None:
    ip(pair.web01, f"addr add {SECOND}/32 dev eth1 noprefixroute")
    done = pair.vipctl("doctor")
    ip(pair.web01, f"addr del {SECOND}/32 dev eth1")
    assert f"!! 002: this host has {SECOND} although it is BACKUP" in done.stdout
    assert f"ip addr del {SECOND}/32 dev eth1" in done.stdout


def test_a_digest_that_does_not_verify_is_told_with_its_proof(
    web01: Host, web02: Host, tmp_path: Path
) -> None:
    """The other host has the password of another VIP."""
    write_vip(tmp_path / "web01", "001", OPTIONS=PREFERRED)
    write_vip(tmp_path / "web01", "002", VIP_ADDRESS=SECOND, PASSWORD="hope", OPTIONS=PREFERRED)
    write_vip(tmp_path / "web02", "001", PASSWORD="hope", OPTIONS=OTHER)
    for host in (web01, web02):
        host.vipd(tmp_path / host.name, "--state-dir", "/run/state")

    def told(*arguments: str) -> Done:
        return web01.run([*COMMAND, *arguments], timeout=60)

    proof = "It has the PASSWORD of our VIP 002"
    until(lambda: proof in told("status").stdout, lambda: told("status").stdout, timeout=60)
    status = told("status")
    assert status.returncode == 1
    assert status.stdout.startswith("ATTENTION (001")
    assert "! 1" in status.stdout
    doctor = told("doctor")
    assert doctor.returncode == 1
    assert proof in doctor.stdout


COMMANDS = [
    ["status"], ["history"], ["why", "001"], ["doctor"], ["demote", "--all"],
    ["maintenance", "on"], ["reload"], ["log-level", "info"], ["version"],
]  # fmt: skip


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: str(arguments[0]))
def test_without_a_daemon_the_status_is_2_and_says_what_to_do(
    lonely: Host, arguments: list[str]
) -> None:
    done = lonely.run([*COMMAND, *arguments], timeout=60)
    assert done.returncode == 2
    said = done.stdout + done.stderr
    assert "vipd does not run: nobody listens on /run/vipd/io.vipd" in said
    assert "start it (systemctl start vipd)" in said


def test_a_frozen_daemon_is_not_waited_for_for_ever(lab: Lab, web01: Host, tmp_path: Path) -> None:
    write_vip(tmp_path / "files", OPTIONS=PREFERRED)
    daemon = web01.vipd(tmp_path / "files", "--state-dir", "/run/state")
    lab.wait_owner(VIP, "web01")
    daemon.freeze()
    done = web01.run([*COMMAND, "status"], timeout=60)
    daemon.thaw()
    assert done.returncode == 2
    assert done.stderr.startswith("vipctl: vipd does not answer")


def test_doctor_knows_what_ipv6_addresses_need(web01: Host, tmp_path: Path) -> None:
    write_vip(tmp_path, VIP_ADDRESS="2001:db8::154 fe80::1", OPTIONS="--deadratio=1")
    daemon = web01.vipd(tmp_path)
    daemon.wait_for("state: MASTER")

    def doctor(**settings: int) -> str:
        for name, value in settings.items():
            done = web01.run(["sysctl", "-w", f"net.ipv6.conf.eth1.{name}={value}"])
            assert done.returncode == 0, done.stderr
        return web01.run([*COMMAND, "doctor"], timeout=60).stdout

    found = doctor(accept_dad=2)
    assert "!  eth1: it does not forward IPv6, so that fe80::1 is announced without" in found
    assert "!  eth1: accept_dad is 2" in found
    assert "ff02::12" not in found  # it has joined it
    found = doctor(accept_dad=1, forwarding=1)
    assert "eth1" not in found
    found = doctor(disable_ipv6=1)
    assert "!! eth1: IPv6 is switched off on it, so that it cannot have 2001:db8::154" in found
