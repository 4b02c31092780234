"""The hosts that everything happens to, their vipds, and how it is written down."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Protocol

from helpers import users

from chaos.groups import ELSEWHERE, GROUPS, HERE, HOSTS, HOSTS_IPV6, Group
from chaos.plan import Fault, Kind
from chaos.record import Condition, Record, Span
from chaos.samples import Samples
from vipd.lab import Host, Lab, Process

#: What a busy machine may add to the start and the end of a process, seconds.
PATIENCE = 30.0
_FORGER = "198.51.100.66"


class Until(Enum):
    """When an act is to be resumed."""

    END = "at the end that its fault has in the plan"
    SOON = "in a moment: it waits for something"


#: A fault that goes on, and says when it wants to be resumed.
Act = Iterator[Until]


class Player(Protocol):
    """Starts an act of its kind. Nothing happens before the act is first resumed."""

    def __call__(self, fault: Fault, host: Host, /) -> Act: ...


#: What a room of the stage can do.
Players = Mapping[Kind, Player]


class BrokenError(AssertionError):
    """Something that has to hold does not."""


class Scene:
    """Three hosts, and a stranger on the same network. ``record`` may be replaced."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.directory = directory
        self.record = Record()
        self.samples = Samples()
        self.groups = {group.vhid: group for group in GROUPS}
        self.hosts = {
            name: self._cabled(name, f"{address}/24", f"{HOSTS_IPV6[name]}/64")
            for name, address in HOSTS.items()
        }
        self.forger = self._cabled("forger", f"{_FORGER}/24")
        self.processes: list[Process] = []  # all vipds there ever were
        self.vipd: dict[str, Process] = {}  # those that run, frozen ones included
        self.listening: set[str] = set()
        self.frozen: set[str] = set()
        self.seconds: list[Process] = []  # those that somebody started beside the first
        self.promotes = dict.fromkeys(HOSTS, False)

    def _cabled(self, name: str, *own: str) -> Host:
        return self.lab.host(
            name,
            interfaces={HERE: own, ELSEWHERE: ()},
            bridge={ELSEWHERE: ELSEWHERE},
        )

    def prepare(self, host: Host) -> None:
        """What a host has besides vipd from its start on: a user who pretends to run ucarps."""
        self.set_promotes(host)
        own = f"{HOSTS[host.name]}/24 dev eth1"
        # The events begin after the host has got its address: let them tell of it.
        done = host.run(["ip", "-batch", "-"], text=f"addr del {own}\naddr add {own}\n")
        assert done.returncode == 0, done.stderr
        users.named_ucarps(host, [group.vhid for group in GROUPS]).wait_for("here")
        self.samples.follow(host)

    def owners(self, address: str) -> list[str]:
        """Who has an address now, by the last event."""
        return [
            host.name
            for host in self.hosts.values()
            if (changes := host.history.changes(address)) and changes[-1].added
        ]

    # What is done to a host

    def sh(self, host: Host, command: str) -> None:
        """What may fail: somebody else may have been faster."""
        host.run(["sh", "-c", command])

    def hears_orders(self, host: Host) -> bool:
        return host.name in self.listening and host.name not in self.frozen

    def vipctl(self, host: Host, *words: str) -> Process:
        return host.start([sys.executable, "-m", "vipd.cli.main", *words], name="vipctl")

    def set_promotes(self, host: Host) -> None:
        values = {"all": False, "eth1": self.promotes[host.name]}
        for name, value in values.items():
            self.sh(host, f"echo {value:d} >/proc/sys/net/ipv4/conf/{name}/promote_secondaries")

    # The record

    def begin(self, host: Host, *conditions: Condition, group: Group | None = None) -> list[Span]:
        vhid = group.vhid if group else None
        return self.record.begin(time.time(), host.name, *conditions, vhid=vhid)

    def unwell(self, host: Host) -> list[Span]:
        """Its checks may have failed, of all groups that have some."""
        return [
            span
            for group in GROUPS
            if group.check
            for span in self.begin(host, Condition.UNWELL, group=group)
        ]

    @contextmanager
    def during(self, host: Host, *conditions: Condition) -> Iterator[None]:
        """The conditions last as long as the block."""
        spans = self.begin(host, *conditions)
        yield
        for span in spans:
            span.end = time.time()

    def tell(self, fault: Fault, what: str, group: Group | None = None) -> None:
        self.record.faults[fault.kind.value] += 1
        self.record.tell(time.time(), what, group.vhid if group else None)

    @contextmanager
    def told(
        self, fault: Fault, begun: str, ended: str, group: Group | None = None
    ) -> Iterator[None]:
        self.tell(fault, begun, group)
        yield
        self.record.tell(time.time(), f"{fault.host}: {ended}", group.vhid if group else None)
