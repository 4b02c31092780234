"""Hosts that share an address, a client that pings it, and what was seen of both."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import time

from helpers.configured import VIP, write_vip

from vipd.lab import Host, Lab, Ownership, Process, Watch
from vipd.lab.observer import INTERVAL, NOTICEABLE
from vipd.lab.waiting import wait_until

ADDRESSES = {
    "web01": "198.51.100.179/24",
    "web02": "198.51.100.180/24",
    "web03": "198.51.100.181/24",
    "client": "198.51.100.10/24",
}
#: The same by IPv6. Its shared address is VIP_IPV6.
IPV6 = {name: f"2001:db8::{number}/64" for number, name in enumerate(ADDRESSES, 1)}
VIP_IPV6 = "2001:db8::154"
#: Nothing here is late that comes within this time, seconds.
PATIENCE = 60.0
#: Options of the second and third host: behind the first, by less than the kernel is late with the
#: end of a lease.
SECOND = "--advskew=10"
THIRD = "--advskew=20"

#: Bounds in seconds, wide enough for a machine that is shared; the figures themselves are printed.
OVERLAP = 1.0  # 0.3 is asked for; the kernel alone may be 0.8 late with the end of a lease
GAP = 0.5  # 0.02 is asked for, and measured by the bench

#: What happens this long before or after a hand-over may have to do with it, seconds.
NEAR = 0.1

Report = Callable[..., None]


@dataclass(slots=True)
class Sight:
    """What happened to the address since `start` (seconds since the epoch)."""

    lab: Lab
    watch: Watch
    start: float
    vip: str
    unmoved: str

    @property
    def ownership(self) -> Ownership:
        return self.lab.ownership(self.vip).since(self.start)

    @property
    def overlap(self) -> float:
        """Seconds of the longest time with two owners."""
        return self.ownership.longest_overlap()

    @property
    def none(self) -> float:
        """Seconds of the longest time without an owner."""
        return self.ownership.longest_none()

    @property
    def gap(self) -> float:
        """Seconds of the longest time without an answer, the usual 5 ms included."""
        return self.watch.longest(self.vip, since=self.start)

    @property
    def noise(self) -> float:
        """The same for an address that never moves: what the machine, and not a hand-over, has to
        answer for."""
        return self.watch.longest(self.unmoved, since=self.start)

    @property
    def total_gap(self) -> float:
        """Seconds of all the times together that a client could notice, around hand-overs."""
        return self._total(self.vip)

    @property
    def total_noise(self) -> float:
        """The same for an address that never moves."""
        return self._total(self.unmoved)

    def _total(self, address: str) -> float:
        moments = [change.time for change in self.ownership.changes[1:]]
        return sum(
            gap.seconds - INTERVAL
            for gap in self.watch.gaps(address, over=NOTICEABLE, since=self.start)
            if any(gap.start - NEAR < t < gap.start + gap.seconds + NEAR for t in moments)
        )

    @property
    def changes(self) -> list[tuple[str, bool]]:
        """(host, whether it got the address or let go), the owner at the start included. Sorted by
        host: what happens on two hosts within a millisecond has no order."""
        changes = ((change.host, change.added) for change in self.ownership.changes)
        return sorted(changes, key=lambda change: change[0])


@dataclass(slots=True)
class Group:
    """web01, web02 and web03, each made when it is first named. ``addresses``: what each host and
    the client have of their own, for each family that is used; ``vip``: what is looked at."""

    lab: Lab
    directory: Path
    arguments: tuple[str, ...] = ()  # of every vipd
    addresses: tuple[Mapping[str, str], ...] = (ADDRESSES,)
    vip: str = VIP
    shared: str = ""  # VIP_ADDRESS, if it is more than `vip`
    processes: list[Process] = field(default_factory=list)

    def host(self, name: str) -> Host:
        return self.lab.hosts.get(name) or self.lab.host(name, *self._own(name))

    def _own(self, name: str) -> list[str]:
        return [family[name] for family in self.addresses]

    def vipd(self, name: str, *options: str, **keys: str) -> Process:
        """Start vipd on a host with these OPTIONS and other keys; it listens then."""
        files = self.directory / name
        write_vip(
            files, **{"VIP_ADDRESS": self.shared or self.vip, "OPTIONS": " ".join(options), **keys}
        )
        return self._listening(self.host(name).vipd(files, *self.arguments))

    def ucarp(self, name: str, *options: str) -> Process:
        """Start ucarp on a host; it listens then."""
        return self._listening(self.host(name).ucarp(vhid=1, address=VIP, options=options))

    def pair(self, *common: str, **keys: str) -> tuple[Process, Process]:
        """vipd on web01, the master, and on web02, with these OPTIONS and keys for both."""
        first = self.vipd("web01", *common, **keys)
        second = self.vipd("web02", SECOND, *common, **keys)
        self.belongs_to("web01")
        first.wait_for("state: MASTER", timeout=PATIENCE)  # which it says last
        return first, second

    def belongs_to(self, name: str, *, lasting: float = 0.0) -> None:
        """Exactly this host owns the address, for this many seconds at least."""
        self.lab.wait_owner(self.vip, name, timeout=PATIENCE + lasting, stable=lasting)

    def owner(self) -> str:
        """Wait until just one host owns the address: that one."""

        def look() -> str | None:
            owners = self.lab.owners(self.vip)
            return owners[0] if len(owners) == 1 else None

        return wait_until(
            look, timeout=PATIENCE, complaint=lambda: f"not one owner{self.lab.tails()}"
        )

    @contextmanager
    def seen(self) -> Iterator[Sight]:
        """A client pings the address, if anybody has it, until the end of the block."""
        observer = self.lab.observer(*self._own("client"))
        owned = bool(self.lab.owners(self.vip))
        (of_its_family,) = (
            each for each in self._own("web02") if (":" in each) == (":" in self.vip)
        )
        unmoved = of_its_family.partition("/")[0]
        with observer.watch(self.vip, unmoved, answer_within=5 if owned else None) as watch:
            yield Sight(self.lab, watch, time(), self.vip, unmoved)

    def _listening(self, process: Process) -> Process:
        self.processes.append(process)
        process.wait_for("Switching to state: BACKUP", timeout=PATIENCE)
        return process

    def transitions(self, state: str) -> int:
        """How often a daemon has come to this state, on all hosts together."""
        return sum(process.log().count(f"state: {state}") for process in self.processes)
