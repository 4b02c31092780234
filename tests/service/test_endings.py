"""VIPs that end while something goes wrong, beside others that do not."""

from pathlib import Path

import pytest
from helpers.asking import Client
from helpers.configured import QUICK, VIP, write_script, write_vip
from helpers.faults import faulty
from helpers.hosts import address_of, until

from vipd.lab import Host, Lab

pytestmark = pytest.mark.lab

SECOND, THIRD = "198.51.100.155", "198.51.100.156"
PATIENCE = 40.0

#: A VIP's alarm cannot be switched off while the file {file} is there.
NO_ALARM = """
import pathlib
import vipd.daemon.vips.timers as timers
from math import inf

right = timers.Alarm.set

def wrong(self, when):
    if when == inf and pathlib.Path({file!r}).exists():
        raise RuntimeError("injected")
    right(self, when)

timers.Alarm.set = wrong
"""

#: What a VIP that stops has to do breaks.
NO_STOP = """
import vipd.carp.machine as machine

def broken(self, now):
    raise RuntimeError("injected")

machine.Machine.stop = broken
"""


def test_a_clean_up_that_raises_takes_the_address_off_and_frees_the_group(
    lab: Lab, web01: Host, files: Path, tmp_path: Path
) -> None:
    fault = tmp_path / "fault"
    write_vip(files, OPTIONS=QUICK)
    env = faulty(tmp_path / "faults", NO_ALARM.format(file=str(fault)))
    daemon = web01.vipd(files, env=env)
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    fault.touch()
    (files / "vip-001.conf").unlink()
    daemon.wait_for("001: could not clean up as it ended: RuntimeError: injected", timeout=PATIENCE)
    until(lambda: address_of(web01, VIP) is None, daemon.tail, PATIENCE)
    fault.unlink()
    write_vip(files, OPTIONS=QUICK)
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    assert "stop one of the two" not in daemon.log()


def test_a_vip_that_breaks_while_it_ends_is_not_waited_for(
    lab: Lab, web01: Host, files: Path, tmp_path: Path
) -> None:
    write_vip(files, OPTIONS=QUICK)
    daemon = web01.vipd(files, env=faulty(tmp_path / "faults", NO_STOP))
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    assert daemon.stop(timeout=PATIENCE) == 0
    assert "starts again in" not in daemon.log()
    assert address_of(web01, VIP) is None


def test_a_downscript_that_takes_its_time_holds_up_nobody_elses_reload(
    lab: Lab, web01: Host, files: Path, tmp_path: Path
) -> None:
    begun, over = tmp_path / "begun", tmp_path / "over"
    down = write_script(
        tmp_path / "down",
        f"""[ "$REASON" = "stopped on request" ] || exit 0
        touch {begun}
        until [ -e {over} ]; do sleep 0.1; done""",
    )
    slow = {"MANAGE_ADDRESS": "yes", "DOWNSCRIPT": str(down)}
    write_vip(files, OPTIONS=f"{QUICK} --shutdown", **slow)
    write_vip(files, "002", VIP_ADDRESS=SECOND, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    for address in (VIP, SECOND):
        lab.wait_owner(address, "web01", timeout=PATIENCE)
    with Client(daemon) as client:
        assert client.vips().keys() == {"001", "002"}
        daemon.freeze()  # else it may read the files by itself, before it is asked to
        (files / "vip-001.conf").unlink()
        write_vip(files, "002", VIP_ADDRESS=SECOND, OPTIONS=f"{QUICK} --advskew=10")
        write_vip(files, "003", VIP_ADDRESS=THIRD, OPTIONS=QUICK)
        client.send("Reload")
        daemon.thaw()
        answer = client.answer()["parameters"]
    outcomes = {each["id"]: each["result"] for each in answer["outcomes"]}
    assert outcomes == {"001": "STOPPED", "002": "CHANGED", "003": "STARTED"}
    until(begun.exists, daemon.tail, PATIENCE)
    lab.wait_owner(THIRD, "web01", timeout=PATIENCE)
    assert not over.exists()
    over.touch()
