"""The published pair of hosts as machines, and a client that pings their addresses."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from time import time

from system.machine import Machine
from vipd.lab import Lab, Observer, Ownership, Process, Watch
from vipd.lab.waiting import wait_until

OWN = {"web01": "198.51.100.179", "web02": "198.51.100.180"}
#: The floating addresses and the machines that are preferred for them.
HOME = {"198.51.100.154": "web01", "198.51.100.155": "web02"}
CLIENT = "198.51.100.10/24"
#: Nothing here takes longer than this many seconds that comes at all (a watchdog's 30 included).
PATIENCE = 60.0

#: Says what time it is, by processes that have to be started for that.
PAUSE = 0.1
CLOCK = f"while :; do date +%s.%N; sleep {PAUSE}; done"


@dataclass(frozen=True, slots=True)
class Sight:
    """What the client and the kernels saw from `start` on."""

    lab: Lab
    watch: Watch
    unmoved: str
    clock: Process
    start: float

    def gap(self, address: str) -> float:
        """Seconds of the longest time without an answer."""
        return self.watch.longest(address, since=self.start)

    @property
    def noise(self) -> float:
        """What is this computer's doing and not ours: the same for an address that never moves, or
        how long it took at worst to start a process (UPSCRIPT is one), if that is longer."""
        times = [float(line) for line in self.clock.log().split("\n")[:-1]]
        starts = (after - before - PAUSE for before, after in pairwise(times))
        return max(self.watch.longest(self.unmoved, since=self.start), *starts)

    def ownership(self, address: str) -> Ownership:
        return self.lab.ownership(address).since(self.start)


@dataclass(slots=True)
class Pair:
    """web01 and web02, and a third host that looks on."""

    lab: Lab
    web01: Machine
    web02: Machine
    #: Each machine's files before vipd was installed.
    before: dict[str, set[str]] = field(default_factory=dict)
    _observer: Observer | None = None

    @property
    def machines(self) -> tuple[Machine, Machine]:
        return self.web01, self.web02

    def at_home(self) -> None:
        """Wait until each address is at home, for half a second at least."""
        for address, name in HOME.items():
            self.lab.wait_owner(address, name, timeout=PATIENCE, stable=0.5)

    def all_at(self, machine: Machine) -> None:
        """Wait until one machine owns both addresses."""
        for address in HOME:
            self.lab.wait_owner(address, machine.name, timeout=PATIENCE)

    def active(self, machine: Machine) -> None:
        """Wait until vipd.service is up (again)."""
        wait_until(
            lambda: True if machine.property("ActiveState") == "active" else None,
            timeout=PATIENCE,
            interval=0.2,
            complaint=lambda: machine.run("systemctl status vipd; journalctl -u vipd", check=False),
        )

    @contextmanager
    def seen(self, unmoved: str = OWN["web02"]) -> Iterator[Sight]:
        """A client pings both floating addresses, and one that never moves, during the block."""
        if self._observer is None:
            self._observer = self.lab.observer(CLIENT)
        # A machine that was off has another hardware address now, and nobody told the client.
        self._observer.host.run(["ip", "neigh", "flush", "all"])
        clock = self._observer.host.start(["sh", "-c", CLOCK])
        try:
            with self._observer.watch(*HOME, unmoved) as watch:
                yield Sight(self.lab, watch, unmoved, clock, time())
        finally:
            clock.kill()
