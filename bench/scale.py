"""A thousand addresses and more: what they cost, and how soon all of them are taken over."""

import re
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.announcements import Announcements
from bench.contestants import Contestant, Group, Manner
from bench.crowd import host_on_all, wait_listening
from bench.families import IPV4
from bench.pair import ADDRESS
from bench.pair import GROUPS as ONE
from bench.processes import cpu, descendants, memory
from vipd.lab import Host, Lab, Process
from vipd.lab.waiting import wait_until

#: Seconds until a host owns all addresses; after that until nothing happens any more; and for which
#: announcements are awaited.
_WITHIN, _SETTLE, _ANNOUNCED = 120.0, 6.0, 2.0
#: Hosts of one group, and by how much their advskews differ.
HOSTS, _STEP = 32, 7

START = "start-up"
MASTER_CPU, BACKUP_CPU, PSS = "CPU of the master", "CPU of the backup", "PSS of the master"
ADDED, ANNOUNCED = "first address to last address", "first address to last announcement"
GAP, OVERLAP, CROWD_CPU = "client", "two owners", "CPU of all backups"

_ADDED = re.compile(r"^\[([0-9T:.-]+)\] (?!Deleted)\d+: \S+\s+inet6? ([0-9a-f.:]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Shape:
    """``groups`` on each of ``interfaces``, each with so many addresses of each family."""

    groups: int
    interfaces: int = 1
    ipv4: int = 1
    ipv6: int = 0

    def __str__(self) -> str:
        text = f"{self.addresses} addresses"
        if self.addresses != self.groups * self.interfaces:
            text += f" in {self.groups * self.interfaces} groups"
        return text + (f" on {self.interfaces} interfaces" if self.interfaces > 1 else "")

    @property
    def addresses(self) -> int:
        return self.groups * self.interfaces * (self.ipv4 + self.ipv6)

    def all_groups(self) -> tuple[Group, ...]:
        """No address is there twice: for a monitor of addresses that would be one."""
        return tuple(
            self._group(number, interface)
            for interface in range(1, self.interfaces + 1)
            for number in range(1, self.groups + 1)
        )

    def _group(self, number: int, interface: int) -> Group:
        first, *more = (
            *(f"10.{128 + interface}.{number}.{n}" for n in range(1, self.ipv4 + 1)),
            *(f"2001:db8:{interface:x}:{number:x}::{n:x}" for n in range(1, self.ipv6 + 1)),
        )
        return Group(number, first, f"eth{interface}", tuple(more))


def measured(kind: Contestant, shape: Shape, seconds: float) -> dict[str, float]:
    """A pair at rest over so many seconds, then without its master: CPU in % of one core, memory in
    MB, all else in ms. TimeoutError when addresses are not where they belong."""
    groups = shape.all_groups()
    wanted = {address for group in groups for address in group.addresses}
    with Lab(history=False) as lab, TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        web01, web02 = (
            host_on_all(lab, f"web0{number}", number, shape.interfaces, IPV4) for number in (1, 2)
        )
        master = kind.start(web01, groups, preferred=True, directory=directory)
        _wait_owns(web01, wanted)
        began = time.monotonic()
        backup = kind.start(web02, groups, preferred=False, directory=directory)
        wait_listening(backup, kind, len(groups))
        values = {START: (time.monotonic() - began) * 1000}
        time.sleep(_SETTLE)
        of_master, of_backup = descendants(master.pid), descendants(backup.pid)
        began = time.monotonic()
        before = cpu(of_master), cpu(of_backup)
        time.sleep(seconds)
        share = 100 / (time.monotonic() - began)
        values[MASTER_CPU] = (cpu(of_master) - before[0]) * share
        values[BACKUP_CPU] = (cpu(of_backup) - before[1]) * share
        values[PSS] = memory(of_master).pss
        _wait_owns(web01, wanted)
        _wait_owns(web02, set())
        return values | _taken_over(web01, web02, wanted, directory)


def _taken_over(master: Host, backup: Host, wanted: set[str], directory: Path) -> dict[str, float]:
    """The master has no power any more."""
    announcements = Announcements(backup, directory / "packets")
    monitor = backup.start(
        ["ip", "-ts", "-o", "monitor", "address"], name="monitor", env={"TZ": "UTC"}
    )
    time.sleep(0.5)  # it says nothing until something happens
    master.crash()
    _wait_owns(backup, wanted)
    time.sleep(_ANNOUNCED)
    told = announcements.stop()
    added = _added(monitor)
    if not wanted <= added.keys():
        unseen = len(wanted - added.keys())
        raise TimeoutError(f"the monitor did not see {unseen} of {len(wanted)} addresses")
    first = min(added[each] for each in wanted)
    values = {ADDED: (max(added[each] for each in wanted) - first) * 1000}
    if missing := wanted - told.keys():
        raise TimeoutError(f"{len(missing)} of {len(wanted)} addresses were not announced")
    values[ANNOUNCED] = (max(told[each] for each in wanted) - first) * 1000
    return values


def _added(monitor: Process) -> dict[str, float]:
    """When each address was first seen; what follows are renewals."""
    text, position = "", 0
    while position < monitor.mark():
        data = monitor.log_bytes(position, skip=False)
        position += len(data)
        text += data.decode(errors="replace")
    first: dict[str, float] = {}
    for at, address in _ADDED.findall(text):
        moment = datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()
        first.setdefault(address, moment)
    return first


def _wait_owns(host: Host, wanted: set[str]) -> None:
    """Wait until a host owns these addresses of the groups, and no other one."""

    def look() -> bool | None:
        own = {cable.addresses[0].split("/")[0] for cable in host.cables}
        there = {a for a in host.addresses() if not a.startswith("fe80:")} - own
        return True if there == wanted else None

    wait_until(
        look,
        timeout=_WITHIN,
        interval=0.25,
        complaint=lambda: f"{host.name} should own {len(wanted)} addresses, and does not",
    )


def many_hosts(kind: Contestant, seconds: float) -> dict[str, float]:
    """One address, and as many hosts as `HOSTS`; the master loses its power."""
    with Lab() as lab, TemporaryDirectory(prefix="bench-") as name:
        observer = lab.observer("198.51.100.10/24")
        daemons: list[Process] = []
        for number in range(HOSTS):
            host = lab.host(f"web{number + 1:02}", f"198.51.100.{200 + number}/24")
            manner = Manner(skew=_STEP * number)
            preferred = number == 0
            daemons.append(
                kind.start(host, ONE, preferred=preferred, directory=Path(name), manner=manner)
            )
            if preferred:
                lab.wait_owner(ADDRESS, host.name)
        for process in daemons[1:]:
            wait_listening(process, kind, 1)
        lab.wait_owner(ADDRESS, "web01", timeout=30, stable=2)
        with observer.watch(ADDRESS) as watch:
            pids = [pid for process in daemons[1:] for pid in descendants(process.pid)]
            before = cpu(pids)
            time.sleep(seconds)
            used = (cpu(pids) - before) / seconds * 100
            since = time.time()
            lab.hosts["web01"].crash()
            with suppress(TimeoutError):  # then both are the figures
                lab.wait_owner(ADDRESS, "web02", timeout=8, stable=1)
            return {
                CROWD_CPU: used,
                GAP: watch.longest(since=since) * 1000,
                OVERLAP: lab.ownership(ADDRESS).since(since).longest_overlap() * 1000,
            }
