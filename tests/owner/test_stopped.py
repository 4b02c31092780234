"""A master that is stopped between its decision to advertise and the sending of it."""

import signal
from pathlib import Path

import pytest
from helpers.configured import QUICK, VIP, WEB01, write_vip
from helpers.faults import faulty
from helpers.hosts import address_of, until

from vipd.lab import Lab

pytestmark = pytest.mark.lab

PATIENCE = 60.0

#: While the file is there, the daemon stops when it has decided to advertise, and not sent it yet.
STOPS = """
import os, pathlib, signal

import vipd.daemon.vips.outbox as outbox

file = pathlib.Path({file!r})
flush = outbox.Outbox.flush

def stop(self):
    if self._waiting and file.exists():
        file.unlink()
        os.kill(os.getpid(), signal.SIGSTOP)
    flush(self)

outbox.Outbox.flush = stop
"""


def test_what_was_decided_before_a_stop_is_not_said_after_it(lab: Lab, tmp_path: Path) -> None:
    """Clients and switches would believe the old master again."""
    web01 = lab.host("web01", f"{WEB01}/24")
    web02 = lab.host("web02", "198.51.100.180/24")
    file = tmp_path / "stop"
    env = faulty(tmp_path / "faults", STOPS.format(file=str(file)))
    for host in (web01, web02):
        write_vip(tmp_path / host.name, OPTIONS=QUICK)
    first = web01.vipd(tmp_path / "web01", env=env)
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    second = web02.vipd(tmp_path / "web02")
    second.wait_for("Switching to state: BACKUP", timeout=PATIENCE)
    file.touch()
    second.wait_for("Switching to state: MASTER", timeout=PATIENCE)
    assert not file.exists()
    until(lambda: address_of(web01, VIP) is None, first.tail, PATIENCE)  # its lease has ended
    dump = web02.capture("proto", "112", "and", "src", WEB01)
    mark = first.mark()
    first.signal(signal.SIGCONT)
    until(lambda: "Switching to state: BACKUP" in first.log(mark), first.tail, PATIENCE)
    assert address_of(web01, VIP) is None
    assert WEB01 not in dump.log().partition("listening")[2]
    assert address_of(web02, VIP)
