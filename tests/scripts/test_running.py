"""Scripts that take their time, hang, or fail, on hosts that go on speaking CARP."""

import re
from contextlib import suppress
from pathlib import Path
from signal import SIGUSR2

import pytest
from helpers.advertising import LATE, go_on, lateness, of_vhid, seen
from helpers.captured import capture
from helpers.configured import QUICK, VIP, WEB02, write_script, write_vip
from helpers.hosts import transitions, until
from helpers.machine import Delay

from vipd.daemon.guard.guard import NAME
from vipd.lab import Host, Lab

pytestmark = pytest.mark.lab

SECOND = "198.51.100.155"
#: Adds the address as EPEL's script does.
ADD = 'ip addr add "$2/32" dev "$1"'
DELETE = 'ip addr del "$2/32" dev "$1"'


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def test_a_script_that_takes_ten_seconds_delays_nobody(
    web01: Host, web02: Host, files: Path, tmp_path: Path
) -> None:
    """Neither its own VIP, nor another, nor the files."""
    slow = write_script(
        tmp_path / "slow", f"touch {tmp_path}/begun; sleep 10; touch {tmp_path}/over"
    )
    dump = capture(web02, "proto", "112")
    write_vip(files, UPSCRIPT=str(slow), OPTIONS=QUICK)
    write_vip(files, "002", VIP_ADDRESS=SECOND, OPTIONS=QUICK)
    delay = Delay(web01.vipd(files))
    until((tmp_path / "begun").exists, lambda: "no script ran")
    for vhid in (1, 2):
        seen(dump, vhid, times=2)
    write_vip(files, UPSCRIPT=str(slow), OPTIONS=f"{QUICK} --advskew=10")
    seen(dump, 1, lambda ad: ad.advskew == 10, times=2)
    go_on(dump, 1, 2)
    assert not (tmp_path / "over").exists()
    for vhid in (1, 2):
        assert lateness(of_vhid(dump, vhid), delay) < LATE


def test_a_sleeping_upscript_does_not_make_the_peer_take_over(
    lab: Lab, web01: Host, web02: Host, files: Path, tmp_path: Path
) -> None:
    """What happens with ucarp."""
    slow = write_script(tmp_path / "slow", f"{ADD}; sleep 10")
    down = write_script(tmp_path / "down", DELETE)
    write_vip(files, UPSCRIPT=str(slow), DOWNSCRIPT=str(down))
    write_vip(files.parent / "other", OPTIONS="--advskew=100")
    web01.vipd(files).wait_for("state: BACKUP")
    peer = web02.vipd(files.parent / "other")
    lab.wait_owner(VIP, "web01")
    lab.wait_owner(VIP, "web01", stable=4)  # the peer would wait 3 s
    assert transitions(peer) == ["BACKUP"]


def test_up_down_up_runs_what_is_wanted_last_and_never_two_at_once(
    lab: Lab, web01: Host, files: Path, tmp_path: Path
) -> None:
    said, gate = tmp_path / "said", tmp_path / "gate"
    body = (
        f"mkdir {tmp_path}/lock || echo TWO >>{said}\n"
        f'echo "$STATE" >>{said}\n'
        f"while [ ! -e {gate} ]; do sleep 0.02; done\n"
        f"{{}}\n"
        f"rmdir {tmp_path}/lock"
    )
    up = write_script(tmp_path / "up", body.format(ADD))
    down = write_script(tmp_path / "down", body.format(DELETE))
    options = f"{QUICK} --neutral --shutdown"
    write_vip(files, UPSCRIPT=str(up), DOWNSCRIPT=str(down), OPTIONS=options)
    daemon = web01.vipd(files)
    until(lambda: lines(said) == ["MASTER"], lambda: f"{lines(said)}")
    for state in ("INIT", "MASTER", "INIT", "MASTER"):
        mark = daemon.mark()
        if state == "INIT":
            web01.cut()
        else:
            web01.join()
        daemon.wait_for(f"state: {state}", since=mark)
    gate.touch()
    lab.wait_owner(VIP, "web01", stable=0.5)
    assert lines(said) == ["MASTER"]  # down and up again: nothing to do
    web01.cut()
    lab.wait_owner(VIP, None)
    until(lambda: lines(said) == ["MASTER", "INIT"], lambda: f"{lines(said)}")
    assert daemon.stop() == 0
    assert "TWO" not in lines(said)
    assert not (tmp_path / "lock").exists()


def test_a_script_that_hangs_is_ended_with_all_it_started_and_its_last_words_are_told(
    web01: Host, files: Path, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    hang = write_script(
        tmp_path / "hang",
        "echo waiting for the router; trap '' TERM\n"
        f"sleep 999 & echo $$ $! >{pids}; wait; sleep 999",
    )
    after = write_script(tmp_path / "after", f"touch {tmp_path}/after-it")
    write_vip(
        files, UPSCRIPT=str(hang), DOWNSCRIPT=str(after), SCRIPT_TIMEOUT="1", OPTIONS=f"{QUICK} -n"
    )
    daemon = web01.vipd(files)
    until(lambda: len(lines(pids)) == 1, daemon.tail)
    inside = [int(pid) for pid in pids.read_text().split()]
    assert web01.run(["kill", "-0", str(inside[0])]).returncode == 0
    web01.cut()  # DOWNSCRIPT waits for its turn
    until((tmp_path / "after-it").exists, daemon.tail)
    for pid in inside:
        assert web01.run(["kill", "-0", str(pid)]).returncode != 0
    log = daemon.log()
    for words in (
        "<3>001: upscript still runs after 1 s: SIGTERM to its process group",
        "SIGKILL to its process group",
        "<6>001: upscript: waiting for the router",
        "<4>001: upscript failed: ended by SIGKILL",
    ):
        assert words in log
    until(lambda: _children(daemon.pid) == [], lambda: f"children {_children(daemon.pid)}")


def _children(pid: int) -> list[str]:
    """Those of a daemon but its guard."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread, or one of them, ends
            found += [
                child
                for child in task.read_text().split()
                if Path(f"/proc/{child}/comm").read_text() != f"{NAME}\n"
            ]
    return found


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("echo no such router; exit 3", "exit status 3"),
        ("sleep 999", "ended by SIGTERM"),
    ],
    ids=["fails", "hangs"],
)
def test_a_failed_upscript_hands_the_address_on_when_that_is_wanted(
    lab: Lab, web01: Host, web02: Host, files: Path, tmp_path: Path, body: str, why: str
) -> None:
    up = write_script(tmp_path / "up", body)
    down = write_script(tmp_path / "down", f"{DELETE}; true")
    write_vip(
        files,
        UPSCRIPT=str(up),
        DOWNSCRIPT=str(down),
        UPSCRIPT_FAILURE="demote",
        SCRIPT_TIMEOUT="1",
        OPTIONS="--preempt",
    )
    write_vip(files.parent / "other", OPTIONS="--advskew=100")
    daemon = web01.vipd(files)
    daemon.wait_for("state: BACKUP")
    peer = web02.vipd(files.parent / "other")
    lab.wait_owner(VIP, "web02")
    daemon.wait_for(f"^<4>001: upscript failed: {why}")
    daemon.wait_for(r"state: BACKUP \(UPSCRIPT failed\)")
    # it is the preferred one and preempts, yet it knows better for a while
    lab.wait_owner(VIP, "web02", stable=3)
    assert transitions(daemon) == ["BACKUP", "MASTER", "BACKUP"]
    assert transitions(peer) == ["BACKUP", "MASTER"]


def test_a_failed_upscript_is_ignored_unless_something_else_is_wanted(
    lab: Lab, web01: Host, web02: Host, files: Path, tmp_path: Path
) -> None:
    up = write_script(tmp_path / "up", f"{ADD}; exit 3")
    write_vip(files, UPSCRIPT=str(up), OPTIONS="--advskew=10")
    write_vip(files.parent / "other", OPTIONS="--advskew=100")
    daemon = web01.vipd(files)
    daemon.wait_for("state: BACKUP")
    web02.vipd(files.parent / "other")
    daemon.wait_for("^<4>001: upscript failed: exit status 3")
    lab.wait_owner(VIP, "web01", stable=2)
    assert transitions(daemon) == ["BACKUP", "MASTER"]


def test_scripts_find_out_what_happens_from_their_environment(
    lab: Lab, web01: Host, web02: Host, files: Path, tmp_path: Path
) -> None:
    tell = 'env >"$0-$STATE.new"; mv "$0-$STATE.new" "$0-$STATE"'
    up = write_script(tmp_path / "up", tell)
    down = write_script(tmp_path / "down", tell)
    addresses = f"{VIP} {SECOND}"
    write_vip(
        files,
        "010",
        VIP_ADDRESS=addresses,
        UPSCRIPT=str(up),
        DOWNSCRIPT=str(down),
        MANAGE_ADDRESS="yes",
        OPTIONS="--preempt",
    )
    write_vip(files.parent / "other", "010", VIP_ADDRESS=addresses, OPTIONS="--advskew=100")
    web02.vipd(files.parent / "other")
    lab.wait_owner(VIP, "web02")
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    expected = {
        "ID": "010",
        "VHID": "8",
        "INTERFACE": "eth1",
        "ADDRESSES": f"{VIP}/32 {SECOND}/32",
        "PREVIOUS_MASTER": WEB02,
    }
    for state, what, reason in (
        ("MASTER", up, "the master advertises slower than we do, and we preempt"),
        ("BACKUP", down, "stepped down on request"),
    ):
        if state == "BACKUP":
            daemon.signal(SIGUSR2)
        told = tmp_path / f"{what.name}-{state}"
        until(told.exists, daemon.tail)
        found = dict(line.split("=", 1) for line in lines(told) if "=" in line)
        assert {**expected, "STATE": state, "REASON": reason}.items() <= found.items()
        assert not [name for name, value in found.items() if value == "love"]  # the password


def test_scripts_inherit_nothing_and_what_they_leave_behind_holds_nobody_up(
    web01: Host, files: Path, tmp_path: Path
) -> None:
    listing = tmp_path / "listing"
    up = write_script(
        tmp_path / "up", f"sleep 999 & ls -l /proc/self/fd >{listing}; echo last words"
    )
    down = write_script(tmp_path / "down", f"touch {tmp_path}/down-ran")
    write_vip(files, UPSCRIPT=str(up), DOWNSCRIPT=str(down), OPTIONS=f"{QUICK} --neutral")
    daemon = web01.vipd(files)
    daemon.wait_for(r"Spawning \[\S+/up ")
    daemon.wait_for("^<6>001: upscript: last words$", timeout=8)
    found = re.findall(r" (\d+) -> (\S+)", listing.read_text())
    # 3 is ls's own look at the directory
    assert {int(number) for number, _ in found} <= {0, 1, 2, 3}
    assert not [target for _, target in found if re.match("socket:|anon_inode:", target)]
    until(lambda: _children(daemon.pid) == [], lambda: f"children {_children(daemon.pid)}")
    web01.cut()
    until((tmp_path / "down-ran").exists, daemon.tail)
    until(lambda: _children(daemon.pid) == [], lambda: f"children {_children(daemon.pid)}")
