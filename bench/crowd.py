"""Many addresses on a host: how soon all listen, and what they cost once all is quiet."""

import re
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.contestants import Contestant, Group
from bench.families import IPV4, Family
from bench.processes import cpu, descendants, memory, named
from vipd.lab import Host, Lab, Process
from vipd.lab.waiting import wait_until

COUNT = 255
SETTLE = 8.0  # seconds; keepalived announces a second time 5 s after it became master
START_WITHIN = 60.0
OWN_WITHIN = 240.0  # a thousand ucarp processes and their scripts take their time

START = "start-up"
MASTER_CPU, BACKUP_CPU = "CPU of the master", "CPU of the backup"
MASTER_PSS, BACKUP_PSS = "PSS of the master", "PSS of the backup"
MASTER_RSS, BACKUP_RSS = "RSS of the master", "RSS of the backup"
GUARD_PSS = "PSS of the guard, as part of the master"


def groups(count: int, interfaces: int = 1, family: Family = IPV4) -> tuple[Group, ...]:
    """``count`` on each interface; every interface has a network of its own, with the same
    addresses."""
    return tuple(
        Group(number, family.crowd.format(number), f"eth{interface}")
        for interface in range(1, interfaces + 1)
        for number in range(1, count + 1)
    )


GROUPS = groups(COUNT)


def start_up(contestant: Contestant) -> float:
    """Milliseconds from exec until all groups listen, on a host of its own."""
    with Lab(history=False) as lab, TemporaryDirectory(prefix="bench-") as directory:
        host = lab.host("web01", "198.51.100.179/24")
        began = time.monotonic()
        process = contestant.start(host, GROUPS, preferred=True, directory=Path(directory))
        wait_listening(process, contestant, COUNT)
        return (time.monotonic() - began) * 1000


def steady(
    contestant: Contestant,
    seconds: float,
    count: int = COUNT,
    interfaces: int = 1,
    family: Family = IPV4,
) -> dict[str, float]:
    """A master and a backup at rest: CPU in % of one core over ``seconds``, memory in MB.

    TimeoutError when not every address is where it belongs, before and after.
    """
    everything = groups(count, interfaces, family)
    with Lab(history=False) as lab, TemporaryDirectory(prefix="bench-") as directory:
        web01 = host_on_all(lab, "web01", 1, interfaces, family)
        web02 = host_on_all(lab, "web02", 2, interfaces, family)
        master = contestant.start(web01, everything, preferred=True, directory=Path(directory))
        wait_owns(web01, len(everything), OWN_WITHIN, family)
        backup = contestant.start(web02, everything, preferred=False, directory=Path(directory))
        wait_listening(backup, contestant, len(everything))
        time.sleep(SETTLE)
        of_master, of_backup = descendants(master.pid), descendants(backup.pid)
        began = time.monotonic()
        before = cpu(of_master), cpu(of_backup)
        time.sleep(seconds)
        after = cpu(of_master), cpu(of_backup)
        percent = 100 / (time.monotonic() - began)
        use = memory(of_master), memory(of_backup)
        guards = named(of_master, "vipd-guard")
        guard = {GUARD_PSS: memory(guards).pss} if guards else {}
        wait_owns(web01, len(everything), 1, family)
        wait_owns(web02, 0, 1, family)
    return {
        MASTER_CPU: (after[0] - before[0]) * percent,
        BACKUP_CPU: (after[1] - before[1]) * percent,
        MASTER_PSS: use[0].pss,
        BACKUP_PSS: use[1].pss,
        MASTER_RSS: use[0].rss,
        BACKUP_RSS: use[1].rss,
        **guard,
    }


def host_on_all(lab: Lab, name: str, number: int, interfaces: int, family: Family) -> Host:
    """A host with so many interfaces, each in a network of its own."""
    devices = range(1, interfaces + 1)
    return lab.host(
        name,
        interfaces={f"eth{n}": [family.host_on(n, number)] for n in devices},
        bridge={f"eth{n}": f"lan{n}" for n in devices},
    )


def wait_listening(process: Process, contestant: Contestant, count: int) -> None:
    """Wait until so many groups have said that they listen."""
    line = re.compile(contestant.listening)
    wait_until(
        lambda: True if len(line.findall(process.log())) >= count else None,
        timeout=START_WITHIN,
        interval=0.005,
        complaint=lambda: f"not all of {process!r} listen in {START_WITHIN:g} s{process.tail()}",
    )


def wait_owns(host: Host, count: int, timeout: float, family: Family = IPV4) -> None:
    """Wait until the host has so many of the floating addresses, over all interfaces."""

    def owned() -> int:
        return host.run(["ip", "-o", "address"]).stdout.count(f" {family.network}")

    wait_until(
        lambda: True if owned() == count else None,
        timeout=timeout,
        interval=0.2,
        complaint=lambda: (
            f"{host.name} should own {count} addresses within {timeout:g} s, and owns {owned()}"
        ),
    )
