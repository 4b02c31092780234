"""255 addresses on one interface: how soon all listen, and what they cost once all is quiet."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.contestants import Contestant, Group
from bench.processes import cpu, family, memory
from vipd.lab import Host, Lab, Process
from vipd.lab.waiting import wait_until

COUNT = 255
GROUPS = tuple(Group(number, f"203.0.113.{number}") for number in range(1, COUNT + 1))
SETTLE = 8.0  # seconds; keepalived announces a second time 5 s after it became master
START_WITHIN = 60.0
OWN_WITHIN = 90.0  # 255 ucarp processes and their scripts take their time

START = "start-up"
MASTER_CPU, BACKUP_CPU = "CPU of the master", "CPU of the backup"
MASTER_PSS, BACKUP_PSS = "PSS of the master", "PSS of the backup"
MASTER_RSS, BACKUP_RSS = "RSS of the master", "RSS of the backup"


def start_up(contestant: Contestant) -> float:
    """Milliseconds from exec until all groups listen, on a host of its own."""
    with Lab(history=False) as lab, TemporaryDirectory(prefix="bench-") as directory:
        host = lab.host("web01", "198.51.100.179/24")
        began = time.monotonic()
        process = contestant.start(host, GROUPS, preferred=True, directory=Path(directory))
        _wait_listening(process, contestant)
        return (time.monotonic() - began) * 1000


def steady(contestant: Contestant, seconds: float) -> dict[str, float]:
    """A master and a backup at rest: CPU in % of one core over ``seconds``, memory in MB.

    TimeoutError when not every address is where it belongs, before and after.
    """
    with Lab(history=False) as lab, TemporaryDirectory(prefix="bench-") as directory:
        web01 = lab.host("web01", "198.51.100.179/24")
        web02 = lab.host("web02", "198.51.100.180/24")
        master = contestant.start(web01, GROUPS, preferred=True, directory=Path(directory))
        _wait_owns(web01, GROUPS, OWN_WITHIN)
        backup = contestant.start(web02, GROUPS, preferred=False, directory=Path(directory))
        _wait_listening(backup, contestant)
        time.sleep(SETTLE)
        of_master, of_backup = family(master.pid), family(backup.pid)
        began = time.monotonic()
        before = cpu(of_master), cpu(of_backup)
        time.sleep(seconds)
        after = cpu(of_master), cpu(of_backup)
        percent = 100 / (time.monotonic() - began)
        use = memory(of_master), memory(of_backup)
        _wait_owns(web01, GROUPS, 1)
        _wait_owns(web02, (), 1)
    return {
        MASTER_CPU: (after[0] - before[0]) * percent,
        BACKUP_CPU: (after[1] - before[1]) * percent,
        MASTER_PSS: use[0].pss,
        BACKUP_PSS: use[1].pss,
        MASTER_RSS: use[0].rss,
        BACKUP_RSS: use[1].rss,
    }


def _wait_listening(process: Process, contestant: Contestant) -> None:
    line = re.compile(contestant.listening)
    wait_until(
        lambda: True if len(line.findall(process.log())) >= COUNT else None,
        timeout=START_WITHIN,
        interval=0.005,
        complaint=lambda: f"not all of {process!r} listen in {START_WITHIN:g} s{process.tail()}",
    )


def _wait_owns(host: Host, groups: Sequence[Group], timeout: float) -> None:
    """Wait until the host has these of our addresses and no other."""
    ours = {group.address for group in GROUPS}
    wanted = {group.address for group in groups}
    wait_until(
        lambda: True if host.addresses() & ours == wanted else None,
        timeout=timeout,
        interval=0.2,
        complaint=lambda: (
            f"{host.name} should own {len(wanted)} addresses within {timeout:g} s, and owns "
            f"{len(host.addresses() & ours)}"
        ),
    )
