"""UPSCRIPT, DOWNSCRIPT and MANAGE_ADDRESS on a running daemon."""

import re
from contextlib import suppress
from pathlib import Path
from signal import SIGUSR2

import pytest
from helpers.advertising import lateness
from helpers.captured import advertisements, capture
from helpers.configured import QUICK, VIP, write_script, write_vip
from helpers.hosts import complaints
from helpers.machine import Delay

from vipd.daemon.guard.guard import NAME
from vipd.lab import Host, Lab, Process
from vipd.lab.host import VIP_DOWN, VIP_UP
from vipd.lab.waiting import wait_until

pytestmark = pytest.mark.lab


def wait_for_text(file: Path, text: str, timeout: float = 10) -> None:
    wait_until(
        lambda: (file.exists() and file.read_text() == text) or None,
        timeout=timeout,
        complaint=lambda: f"{file} holds {file.exists() and file.read_text()!r}, not {text!r}",
    )


def held_by(process: int) -> list[str]:
    """What its descriptors lead to."""
    found = []
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.append(str(descriptor.readlink()))
    return found


def children(daemon: Process) -> list[str]:
    """The state (R, S, Z…) of every child of a daemon but its guard."""
    tasks = Path(f"/proc/{daemon.pid}/task").glob("*/children")
    pids = [pid for task in tasks for pid in task.read_text().split()]
    stats = []
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            stats.append(Path(f"/proc/{pid}/stat").read_text())
    return [stat.rpartition(")")[2].split()[0] for stat in stats if f"({NAME})" not in stat]


@pytest.mark.parametrize(
    ("option", "arguments"),
    [("", f"eth1 {VIP}"), ("-x hello", f"eth1 {VIP} hello"), ("--xparam=", f"eth1 {VIP} ")],
)
def test_scripts_get_interface_address_and_the_extra_parameter(
    web01: Host, files: Path, tmp_path: Path, option: str, arguments: str
) -> None:
    said = tmp_path / "said"
    told = f'IFS=,; echo "$(basename $0) $# $*" >>{said}'
    write_vip(
        files,
        UPSCRIPT=str(write_script(tmp_path / "up", told)),
        DOWNSCRIPT=str(write_script(tmp_path / "down", told)),
        OPTIONS=f"{QUICK} --shutdown {option}",
    )
    daemon = web01.vipd(files)
    words = arguments.split(" ")
    line = f"{len(words)} {','.join(words)}\n"
    wait_for_text(said, f"down {line}up {line}")
    assert daemon.stop() == 0
    assert said.read_text() == f"down {line}up {line}down {line}"
    daemon.wait_for(rf"^<6>001: Spawning \[{tmp_path}/up {arguments}\]$")


def test_neutral_runs_no_downscript_at_the_start_and_without_shutdown_none_at_the_end(
    web01: Host, files: Path, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    write_vip(
        files,
        UPSCRIPT=str(write_script(tmp_path / "up", f"echo up >>{said}")),
        DOWNSCRIPT=str(write_script(tmp_path / "down", f"echo down >>{said}")),
        OPTIONS=f"{QUICK} --neutral",
    )
    daemon = web01.vipd(files)
    wait_for_text(said, "up\n")
    assert daemon.stop() == 0
    assert said.read_text() == "up\n"


def test_a_slow_upscript_does_not_hold_advertisements_up(
    web01: Host, web02: Host, files: Path, tmp_path: Path
) -> None:
    dump = capture(web02, "proto", "112")
    script = write_script(tmp_path / "up", "exec sleep 10")
    write_vip(files, UPSCRIPT=str(script), OPTIONS=QUICK)
    delay = Delay(web01.vipd(files))
    wait_until(
        lambda: len(advertisements(dump)) >= 5 or None,
        timeout=60,
        complaint=lambda: f"advertisements stopped{dump.tail()}",
    )
    assert lateness(advertisements(dump), delay) < 2  # what a peer would wait, an interval less


def test_only_the_last_wanted_state_is_brought_about(
    lab: Lab, web01: Host, files: Path, tmp_path: Path
) -> None:
    said, gate = tmp_path / "said", tmp_path / "gate"
    up = f"echo up >>{said}; while [ ! -e {gate} ]; do sleep 0.02; done; echo done >>{said}"
    write_vip(
        files,
        UPSCRIPT=str(write_script(tmp_path / "up", up)),
        DOWNSCRIPT=str(write_script(tmp_path / "down", f"echo down >>{said}")),
        OPTIONS=f"{QUICK} --neutral",
    )
    daemon = web01.vipd(files)
    wait_for_text(said, "up\n")
    mark = daemon.mark()
    web01.cut()
    daemon.wait_for("state: INIT", since=mark)
    web01.join()
    daemon.wait_for("state: MASTER", since=mark)
    gate.touch()
    wait_for_text(said, "up\ndone\n")
    daemon.wait_for("state: MASTER", since=mark)
    mark = daemon.mark()
    web01.cut()
    wait_for_text(said, "up\ndone\ndown\n")
    assert "Traceback" not in daemon.log()
    assert lab.owners(VIP) == []


def test_a_failing_script_is_told_with_its_last_words_and_changes_nothing(
    web01: Host, web02: Host, files: Path, tmp_path: Path
) -> None:
    dump = capture(web02, "proto", "112")
    script = write_script(tmp_path / "up", "echo 'no such router' >&2; printf 'a\\033b'; exit 3")
    write_vip(files, UPSCRIPT=str(script), OPTIONS=QUICK)
    daemon = web01.vipd(files)
    daemon.wait_for(r"^<6>001: upscript: no such router$")
    daemon.wait_for(r"^<6>001: upscript: a�b$")  # no control characters in logs
    daemon.wait_for(r"^<4>001: upscript failed: exit status 3$")
    dump.wait_for("CARPv2")
    assert children(daemon) == []


def test_a_script_that_cannot_run_is_told_and_the_advertisements_go_on(
    web01: Host, web02: Host, files: Path, tmp_path: Path
) -> None:
    dump = capture(web02, "proto", "112")
    script = tmp_path / "up"
    script.write_text("#!/nonexistent/interpreter\n")
    script.chmod(0o755)
    write_vip(files, UPSCRIPT=str(script), OPTIONS=QUICK)
    daemon = web01.vipd(files)
    daemon.wait_for(r"^<3>001: cannot run upscript: .*make it an executable script")
    dump.wait_for("CARPv2")


def test_a_missing_script_is_told_and_vipd_adds_the_address_itself(
    lab: Lab, web01: Host, files: Path, tmp_path: Path
) -> None:
    write_vip(files, UPSCRIPT=str(tmp_path / "nowhere"), OPTIONS=QUICK)
    daemon = web01.vipd(files)
    daemon.wait_for(r"^<4>.*vip-001\.conf:\d+:\d+: UPSCRIPT .* is not there")
    lab.wait_owner(VIP, "web01")


def test_scripts_leave_no_zombies_and_no_descriptors(
    web01: Host, files: Path, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    # a script that leaves something behind that holds its output
    up = write_script(tmp_path / "up", f"sleep 1000 & echo up >>{said}")
    down = write_script(tmp_path / "down", f"echo down >>{said}")
    write_vip(files, UPSCRIPT=str(up), DOWNSCRIPT=str(down), OPTIONS=QUICK)
    daemon = web01.vipd(files)
    expected = "down\n"

    def descriptors() -> list[str]:
        return held_by(daemon.pid)

    def over() -> bool:
        """Nothing runs, and what was left behind writes to somebody else."""
        held = descriptors()
        ends = [held.count(name) for name in held if name.startswith("pipe:")]
        return children(daemon) == [] and 1 not in ends  # of its own it has both

    counts = []
    for _ in range(3):
        expected += "up\n"
        wait_for_text(said, expected)
        wait_until(
            lambda: over() or None,
            timeout=30,
            complaint=lambda: f"children in state {children(daemon)}, {descriptors()}",
        )
        counts.append(len(descriptors()))
        web01.cut()
        expected += "down\n"
        wait_for_text(said, expected)
        web01.join()
    assert len(set(counts)) == 1


@pytest.mark.parametrize(
    ("manage", "scripted", "owner"),
    [
        (None, False, "web01"),
        ("auto", False, "web01"),
        ("auto", True, None),
        ("yes", False, "web01"),
        ("yes", True, "web01"),
        ("no", False, None),
        ("no", True, None),
    ],
)
def test_manage_address_says_who_adds_it(
    lab: Lab, web01: Host, files: Path, manage: str | None, scripted: bool, owner: str | None
) -> None:
    """The script here adds nothing, so the address shows who did."""
    script = "/bin/true" if scripted else None
    write_vip(
        files,
        MANAGE_ADDRESS=manage,
        UPSCRIPT=script,
        DOWNSCRIPT=script,
        OPTIONS=f"{QUICK} --shutdown",
    )
    daemon = web01.vipd(files)
    daemon.wait_for("state: MASTER")
    lab.wait_owner(VIP, owner, stable=0.3)
    assert daemon.stop() == 0
    assert lab.owners(VIP) == []


def test_epels_scripts_add_and_remove_the_address(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    dump = capture(web02, "arp")
    write_vip(files, UPSCRIPT=VIP_UP, DOWNSCRIPT=VIP_DOWN, OPTIONS=f"{QUICK} --shutdown")
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    assert complaints(daemon, "downscript") == [], "nothing was there yet: as every backup starts"
    dump.wait_for(rf"who-has {re.escape(VIP)} .* tell {re.escape(VIP)}")
    daemon.signal(SIGUSR2)
    lab.wait_owner(VIP, None)
    lab.wait_owner(VIP, "web01")
    assert daemon.stop() == 0
    assert lab.owners(VIP) == []


def test_a_downscript_that_fails_later_is_a_failure(
    lab: Lab, web01: Host, files: Path, tmp_path: Path
) -> None:
    down = write_script(tmp_path / "down", "exit 2")
    write_vip(files, UPSCRIPT=VIP_UP, DOWNSCRIPT=str(down), OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    daemon.signal(SIGUSR2)
    daemon.wait_for("^<4>001: downscript failed: exit status 2$")
