"""The machine stood still, and no timer of its own tells: the clocks do."""

import time
from pathlib import Path

import pytest
from helpers.configured import VIP, write_vip
from helpers.faults import faulty
from helpers.hosts import transitions, until

from vipd.lab import Host, Lab
from vipd.linux.clock import ClockChanges, ahead, suspended

pytestmark = pytest.mark.lab

#: The clocks jump when the file {file} appears, by as many seconds as it holds: no test may suspend
#: this machine, or set its clock.
JUMP = """
import pathlib

import vipd.linux.clock as clock

true = clock.{which}

def jumped():
    file = pathlib.Path({file!r})
    return true() + (float(file.read_text()) if file.exists() else 0)

clock.{which} = jumped
"""


def jump(file: Path, seconds: float) -> None:
    whole = file.with_suffix(".new")
    whole.write_text(str(seconds))
    whole.rename(file)


@pytest.mark.parametrize("seconds", [2, 3600])
def test_a_suspended_machine_gives_up_what_others_may_have(
    lab: Lab, web01: Host, files: Path, tmp_path: Path, seconds: float
) -> None:
    file = tmp_path / "slept"
    write_vip(files, OPTIONS="--preempt")
    env = faulty(tmp_path / "faults", JUMP.format(which="suspended", file=str(file)))
    daemon = web01.vipd(files, env=env)
    lab.wait_owner(VIP, "web01")
    jump(file, seconds)
    daemon.wait_for(f"suspended for {seconds} s")
    if seconds > 3:
        until(lambda: transitions(daemon) == ["BACKUP", "MASTER", "BACKUP", "MASTER"], daemon.tail)
    lab.wait_owner(VIP, "web01", stable=2)
    assert len(transitions(daemon)) == (4 if seconds > 3 else 2)


def test_a_clock_that_is_set_moves_nothing_and_makes_the_master_speak(
    lab: Lab, web01: Host, web02: Host, files: Path, tmp_path: Path
) -> None:
    file = tmp_path / "set"
    write_vip(files, OPTIONS="--advbase=20 --deadratio=1")
    write_vip(files, "002", VIP_ADDRESS="198.51.100.155", OPTIONS="--deadratio=1")
    capture = web02.capture("proto", "112")
    env = faulty(tmp_path / "faults", JUMP.format(which="ahead", file=str(file)))
    daemon = web01.vipd(files, env=env)
    lab.wait_owner(VIP, "web01", timeout=120)
    until(lambda: capture.log().count("vrid 1,") == 1, capture.tail)
    jump(file, 3600)
    until(lambda: capture.log().count("vrid 1,") == 2, capture.tail, timeout=15)
    assert transitions(daemon) == ["BACKUP", "MASTER"]


def test_the_kernel_is_asked_to_tell_of_jumps() -> None:
    """That it does when the clock is set or the machine resumes cannot be tried on this machine."""
    changes = ClockChanges()
    changes.read()
    assert changes.fileno() >= 0
    changes.close()
    assert suspended() > -1
    assert abs(ahead() - (time.time() - time.monotonic())) < 1
