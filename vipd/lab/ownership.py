"""The owners of an address over time: from the kernel's notices, without polling.

`ip -ts -o monitor address` runs on every host and logs each address that is added or deleted.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from vipd.lab.errors import LabError
from vipd.lab.process import Process
from vipd.lab.waiting import wait_until

MONITOR = ("ip", "-ts", "-o", "monitor", "address")
MONITOR_ENV = {"TZ": "UTC"}

NETLINK_ROUTE = "0"  # linux/netlink.h
RTMGRP_IPV4_IFADDR = 0x10  # linux/rtnetlink.h

_LINE = re.compile(
    rb"^\[(?P<time>[0-9T:.-]+)\] (?P<deleted>Deleted )?\d+: (?P<interface>\S+)\s+"
    rb"inet6? (?P<address>[0-9a-f.:]+)"
)


@dataclass(frozen=True, slots=True)
class Change:
    """An address was added to a host, or deleted; `time` in seconds since the epoch."""

    time: float
    host: str
    added: bool

    def __str__(self) -> str:
        clock = datetime.fromtimestamp(self.time, UTC).strftime("%H:%M:%S.%f")
        return f"{clock} {self.host} {'has it' if self.added else 'let go'}"


class History:
    """All addresses of one host over time, read incrementally from its monitor's log."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._changes: dict[str, list[Change]] = {}
        self._monitor: Process | None = None
        self._position = 0

    def follow(self, monitor: Process) -> None:
        """Read this monitor from now on (the host was started, or restarted).

        Returns when the monitor listens, so that no notice is missed.
        """
        monitor.hurry()
        _wait_for_monitor(monitor, lambda: bool(_unread(monitor.pid)))
        self._monitor = monitor
        self._position = 0

    def lost_everything(self, time: float) -> None:
        """The host crashed: its addresses are gone, and no monitor could report that."""
        self._read()
        self._monitor = None
        for address in self._changes:
            self._note(address, Change(time, self._host, added=False))

    def changes(self, address: str) -> tuple[Change, ...]:
        """The changes of an address on this host, oldest first; renewals are not changes."""
        self._read()
        return tuple(self._changes.get(str(ip_address(address)), ()))

    def _read(self) -> None:
        if self._monitor is not None and self._monitor.alive:
            monitor = self._monitor
            _wait_for_monitor(monitor, lambda: _has_written_everything(monitor.pid))
        while self._monitor is not None and self._position < self._monitor.mark():
            data = self._monitor.log_bytes(self._position, skip=False)
            complete = data[: data.rfind(b"\n") + 1]
            if not complete:
                return
            self._position += len(complete)
            for line in complete.splitlines():
                if found := _LINE.match(line):
                    moment = datetime.fromisoformat(found["time"].decode()).replace(tzinfo=UTC)
                    change = Change(moment.timestamp(), self._host, added=not found["deleted"])
                    self._note(str(ip_address(found["address"].decode())), change)

    def _note(self, address: str, change: Change) -> None:
        seen = self._changes.setdefault(address, [])
        if change.added != (seen[-1].added if seen else False):
            seen.append(change)


@dataclass(frozen=True, slots=True)
class Ownership:
    """The timeline of one address over all hosts, up to `until` (seconds since the epoch)."""

    address: str
    changes: tuple[Change, ...]
    until: float

    def __str__(self) -> str:
        return f"{self.address}:\n" + "\n".join(f"  {change}" for change in self.changes)

    def since(self, time: float) -> "Ownership":
        """The timeline from `time` on; for the owners at that time it begins with an addition."""
        owners = _owners(change for change in self.changes if change.time < time)
        held = tuple(Change(time, host, added=True) for host in owners)
        later = tuple(change for change in self.changes if change.time >= time)
        return Ownership(self.address, held + later, self.until)

    def owners(self) -> list[str]:
        """The owners at the end."""
        return _owners(self.changes)

    def longest_overlap(self) -> float:
        """Seconds of the longest time with two owners or more; 0.0 if there was none."""
        return max((end - start for start, end, count in self._spans() if count > 1), default=0.0)

    def longest_none(self) -> float:
        """Seconds of the longest time without an owner, after the first owner."""
        return max((end - start for start, end, count in self._spans() if count == 0), default=0.0)

    def _spans(self) -> list[tuple[float, float, int]]:
        """(start, end, number of owners); adjacent spans of one kind (0, 1, more) are merged."""
        spans: list[tuple[float, float, int]] = []
        owners: set[str] = set()
        ends: Sequence[float] = [*(change.time for change in self.changes[1:]), self.until]
        for change, end in zip(self.changes, ends, strict=False):
            (owners.add if change.added else owners.discard)(change.host)
            kind = min(len(owners), 2)
            if spans and spans[-1][2] == kind:
                spans[-1] = (spans[-1][0], end, kind)
            else:
                spans.append((change.time, end, kind))
        return spans


def timeline(address: str, histories: Iterable[History], until: float) -> Ownership:
    """Merge the hosts' histories of one address."""
    changes = [change for history in histories for change in history.changes(address)]
    changes.sort(key=lambda change: change.time)
    return Ownership(str(ip_address(address)), tuple(changes), until)


def _wait_for_monitor(monitor: Process, ready: Callable[[], bool]) -> None:
    def look() -> bool | None:
        if not monitor.alive:
            raise LabError(f"{monitor!r}: the lab cannot follow addresses{monitor.tail()}")
        try:
            return ready() or None
        except OSError:
            return None  # its /proc entries change while it starts or ends

    wait_until(
        look,
        timeout=5,
        interval=0.001,
        complaint=lambda: f"{monitor!r} does not keep up: machine overloaded?{monitor.tail()}",
    )


def _has_written_everything(pid: int) -> bool:
    """Whether a monitor has logged all that happened before this call.

    If its queue is empty and it sleeps after that, it waits for the next notice.
    """
    empty = not any(_unread(pid))
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return empty and state == "S"


def _unread(pid: int) -> list[int]:
    """Bytes that wait in each socket through which this process gets notices of addresses."""
    process = Path("/proc", str(pid))
    # The table has all sockets of its network namespace: a daemon may get such notices, too.
    own = {str(fd.readlink()) for fd in process.joinpath("fd").iterdir()}
    rows = process.joinpath("net/netlink").read_text().splitlines()[1:]
    fields = [row.split() for row in rows]  # sk, protocol, port, groups, bytes unread, … inode
    return [
        int(row[4])
        for row in fields
        if f"socket:[{row[-1]}]" in own
        and row[1] == NETLINK_ROUTE
        and int(row[3], 16) & RTMGRP_IPV4_IFADDR
    ]


def _owners(changes: Iterable[Change]) -> list[str]:
    owners: dict[str, None] = {}
    for change in changes:
        if change.added:
            owners[change.host] = None
        else:
            owners.pop(change.host, None)
    return sorted(owners)
