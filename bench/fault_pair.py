"""Two hosts of one kind that stay up while their daemons are killed, frozen and started again."""

import itertools
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from signal import SIGKILL, Signals
from tempfile import TemporaryDirectory

from bench.contestants import Contestant, Group, Manner
from bench.processes import descendants
from bench.regularity import busy
from vipd.daemon.guard.guard import NAME as GUARD
from vipd.lab import Host, Lab, Process
from vipd.lab.host import RUNTIME_DIR
from vipd.lab.observer import Watch
from vipd.lab.waiting import wait_until

#: Seconds until both hosts have settled after a daemon was started.
_SETTLE = 30.0
_FAREWELL = (sys.executable, "-m", "vipd.daemon.cleanup.farewell", "--runtime-dir", RUNTIME_DIR)
_STARTED = itertools.count()


class FaultPair:
    """Made by `fault_pair`. No host is preferred unless the manner says that they preempt."""

    def __init__(
        self, lab: Lab, kind: Contestant, groups: Sequence[Group], manner: Manner, directory: Path
    ) -> None:
        self.lab = lab
        self.kind = kind
        self.groups = groups
        self.watch: Watch | None = None
        self._manner = manner
        self._directory = directory
        self._hosts = {
            name: lab.host(name, f"198.51.100.{number}/24")
            for name, number in (("web01", 179), ("web02", 180))
        }
        self._daemons: dict[str, Process] = {}

    @property
    def last(self) -> str:
        """The address that is taken over last."""
        return self.groups[-1].address

    def start(self, name: str) -> None:
        """Start the daemon of a host, on a machine where nothing is left of the one before."""
        host, first = self._hosts[name], name == "web01"
        for address in {self.groups[0].address, self.last}:
            network = f"{address}/32" if len(self.groups) == 1 else "203.0.113.0/24"
            host.run(["ip", "address", "flush", "dev", "eth1", "to", network])
        place = self._directory / str(next(_STARTED))
        place.mkdir()
        process = self.kind.start(
            host, self.groups, preferred=first, directory=place, manner=self._manner
        )
        self._daemons[name] = process

    def wait_listening(self, name: str) -> None:
        process, wanted = self._daemons[name], len(self.groups)
        wait_until(
            lambda: process.log().count("BACKUP") >= wanted or None,
            timeout=_SETTLE,
            complaint=lambda: f"{process!r} does not listen{process.tail()}",
        )

    def wait_owner(self, name: str) -> None:
        """Wait until a host owns all addresses, and the other none."""
        for address in (self.groups[0].address, self.last):
            self.lab.wait_owner(address, name, timeout=_SETTLE)

    def wait_settled(self) -> tuple[Host, Host]:
        """The owner and the other one, once there is one owner of the first and the last
        address."""

        def look() -> str | None:
            owners = [
                self.lab.ownership(address).owners()
                for address in (self.groups[0].address, self.last)
            ]
            return owners[0][0] if owners[0] == owners[1] and len(owners[0]) == 1 else None

        owner = wait_until(
            look, timeout=_SETTLE, complaint=lambda: f"no single owner{self.lab.tails()}"
        )
        other = next(name for name in self._hosts if name != owner)
        return self._hosts[owner], self._hosts[other]

    def signal(self, name: str, number: Signals, *, guard: bool = False) -> None:
        """To a daemon as a whole: keepalived is two processes. To vipd's guard, which is there for
        that, only if it is asked for; it then comes first."""
        found = descendants(self._daemons[name].pid)
        for pid in sorted(found, key=lambda pid: not _is_guard(pid)):
            if guard or not _is_guard(pid):
                os.kill(pid, number)

    def farewell(self, name: str) -> None:
        """What systemd does as soon as the daemon has ended (ExecStopPost)."""
        self._daemons[name].wait()
        self._hosts[name].start(_FAREWELL, name="farewell")

    def kill(self, name: str, *, guard: bool = False) -> None:
        """With SIGKILL, what is frozen as well."""
        self.signal(name, SIGKILL, guard=guard)

    def seen(
        self, act: Callable[[], None], successor: Host, most: float, after: float
    ) -> dict[str, float]:
        """What comes of ``act``, in ms: for how long two owners and none were there, of the address
        that it was worst for, and the longest gap that a client saw. Ends ``after`` seconds after
        only ``successor`` owns them, after ``most`` at the latest."""
        since = time.time()
        act()
        while time.time() < since + most:
            if all(
                self.lab.ownership(each).owners() == [successor.name]
                for each in (self.groups[0].address, self.last)
            ):
                break
            time.sleep(0.02)
        time.sleep(after)
        rows = [self.lab.ownership(group.address).since(since) for group in self.groups]
        values = {
            OVERLAP: max(row.longest_overlap() for row in rows) * 1000,
            NONE: max(row.longest_none() for row in rows) * 1000,
        }
        if self.watch:
            values[GAP] = self.watch.longest(since=since) * 1000
        return values


OVERLAP, NONE, GAP = "two owners", "no owner", "client"


def pause(most: float = 1.0) -> None:
    """A while, so that a fault comes at any moment between two advertisements."""
    time.sleep(random.uniform(0.1, 0.1 + most))


@contextmanager
def fault_pair(
    kind: Contestant, groups: Sequence[Group], manner: Manner, *, is_busy: bool = False
) -> Iterator[FaultPair]:
    """Both hosts run and have settled; a client pings the address if there is only one."""
    with ExitStack() as stack:
        lab = stack.enter_context(Lab())
        name = stack.enter_context(TemporaryDirectory(prefix="bench-"))
        pair = FaultPair(lab, kind, groups, manner, Path(name))
        observer = lab.observer("198.51.100.10/24")
        pair.start("web01")
        pair.wait_owner("web01")
        pair.start("web02")
        pair.wait_listening("web02")
        if len(groups) == 1:
            pair.watch = stack.enter_context(observer.watch(pair.last))
        if is_busy:
            stack.enter_context(busy(observer.host))
        yield pair


def _is_guard(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text() == f"{GUARD}\n"
    except OSError:
        return False
