"""A backup of so many groups that what its master says again and again waits to be read together:
whatever else a host says is heard as with one group."""

import os
import re
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP
from time import sleep

import pytest
from helpers.configured import WEB01, WEB02, write_vip
from helpers.faults import faulty
from helpers.hosts import ip, until

from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

#: More than are read one by one.
VHIDS = range(101, 113)
#: The socket for what is not expected has no room in the kernel.
REFUSED = """
import vipd.linux.wire as wire

def refuse(*_):
    raise OSError(12, "Cannot allocate memory")

wire.remarkable = refuse
"""
DEAF = """
table netdev deaf {
    chain receiving {
        type filter hook ingress device "eth1" priority 0;
        ip protocol 112 drop;
    }
}
"""
PREEMPT = "--preempt --advskew={}"
PATIENCE = 60.0


def write_all(directory: Path, advskew: int, vhids: range = VHIDS) -> Path:
    for vhid in vhids:
        address = f"203.0.113.{vhid}"
        write_vip(directory, str(vhid), VIP_ADDRESS=address, OPTIONS=PREEMPT.format(advskew))
    return directory


def owned(host: Host) -> set[int]:
    return {int(each.split(".")[3]) for each in host.addresses() if each.startswith("203.0.113.")}


def owns(host: Host, vhids: range, complaint: Process) -> None:
    until(lambda: owned(host) == set(vhids), complaint.tail, PATIENCE)


def switched(daemon: Process, since: int = 0) -> list[str]:
    return re.findall(r"Switching to state: (\w+)", daemon.log(since))


def told(daemon: Process, what: str, times: int, since: int = 0) -> None:
    """Wait for as many transitions: addresses are seen before the lines about them."""

    def lines() -> bool:
        return len(re.findall(f"Switching to state: {what}", daemon.log(since))) == times

    until(lines, daemon.tail, PATIENCE)


def sockets(host: Host) -> int:
    """The packet sockets that are bound to eth1."""
    index = host.run(["cat", "/sys/class/net/eth1/ifindex"]).stdout.strip()
    table = host.run(["cat", "/proc/net/packet"]).stdout.splitlines()
    return sum(line.split()[4] == index for line in table)


class Pair:
    def __init__(self, lab: Lab, directory: Path, env: dict[str, str] | None = None) -> None:
        self.web01 = lab.host("web01", f"{WEB01}/24")
        self.web02 = lab.host("web02", f"{WEB02}/24")
        self.files = directory / "web01", directory / "web02"
        self.master = self.web01.vipd(write_all(self.files[0], 0))
        owns(self.web01, VHIDS, self.master)
        self.backup = self.web02.vipd(write_all(self.files[1], 50), env=env)
        until(lambda: switched(self.backup).count("BACKUP") == len(VHIDS), self.backup.tail)

    def wait_told(self) -> None:
        """Until the kernel of the backup knows what is expected: two sockets for CARP, one for
        ARP, and now one more."""
        until(lambda: sockets(self.web02) == 4, self.backup.tail, PATIENCE)


@pytest.fixture
def pair(lab: Lab, tmp_path: Path) -> Pair:
    pair = Pair(lab, tmp_path)
    pair.wait_told()
    return pair


def test_a_bow_out_of_each_group_is_heard(pair: Pair) -> None:
    assert pair.master.stop() == 0
    owns(pair.web02, VHIDS, pair.backup)
    told(pair.backup, r"MASTER \(the master is leaving", len(VHIDS))


def test_a_dead_master_is_replaced(pair: Pair) -> None:
    pair.master.signal(SIGKILL)
    owns(pair.web02, VHIDS, pair.backup)


def test_a_silent_master_is_replaced_when_its_time_is_up(pair: Pair) -> None:
    done = pair.web02.run(["nft", "-f", "-"], text=DEAF)
    assert done.returncode == 0, done.stderr
    owns(pair.web02, VHIDS, pair.backup)
    told(pair.backup, r"MASTER \(nothing heard from a master", len(VHIDS))


def test_a_backup_that_was_stopped_hears_what_waits_first(pair: Pair) -> None:
    mark = pair.backup.mark()
    os.kill(pair.backup.pid, SIGSTOP)
    sleep(5)  # longer than a master may be silent
    os.kill(pair.backup.pid, SIGCONT)
    pair.backup.wait_for("event loop stalled", since=mark)
    sleep(4)
    assert switched(pair.backup, mark) == []
    assert owned(pair.web01) == set(VHIDS)


def test_a_master_that_got_slower_is_preempted_and_the_others_are_not(pair: Pair) -> None:
    slower = range(101, 103)
    write_all(pair.files[0], 100, slower)
    owns(pair.web02, slower, pair.backup)
    owns(pair.web01, range(103, 113), pair.master)
    mark = pair.backup.mark()
    write_all(pair.files[0], 0, slower)
    owns(pair.web01, VHIDS, pair.master)
    told(pair.backup, "BACKUP", len(slower), mark)  # who yields, says so last
    told(pair.master, "MASTER", len(VHIDS) + len(slower))
    marks = pair.backup.mark(), pair.master.mark()
    sleep(4)
    assert switched(pair.backup, marks[0]) + switched(pair.master, marks[1]) == []


def test_an_interface_that_goes_and_comes_back_is_read_again(pair: Pair) -> None:
    ip(pair.web02, "link set eth1 down")
    until(lambda: switched(pair.backup).count("INIT") == len(VHIDS), pair.backup.tail)
    ip(pair.web02, "link set eth1 up")
    until(lambda: switched(pair.backup).count("BACKUP") == 2 * len(VHIDS), pair.backup.tail)
    sleep(4)
    assert "MASTER" not in switched(pair.backup)
    assert pair.master.stop() == 0
    owns(pair.web02, VHIDS, pair.backup)


def test_a_kernel_without_room_for_it_lets_all_packets_be_read_at_once(
    lab: Lab, tmp_path: Path
) -> None:
    pair = Pair(lab, tmp_path, env=faulty(tmp_path / "python", REFUSED))
    sleep(4)
    assert sockets(pair.web02) == 3
    assert switched(pair.backup) == ["BACKUP"] * len(VHIDS)
    assert pair.master.stop() == 0
    owns(pair.web02, VHIDS, pair.backup)
    assert "mistake in vipd" not in pair.backup.log()
