"""The second witness: what the samplers saw, beside the events that the lab records."""

import sys
import time

from chaos import sampler
from chaos.groups import AMONG, APART, APART_IPV6
from vipd.lab import Change, Host, Ownership, Process

_PREFIXES = (APART, AMONG, APART_IPV6)


class Samples:
    """Of all hosts. A sampler runs on each from its `follow` on; a crash of the host ends it."""

    def __init__(self) -> None:
        self._samplers: dict[str, Process] = {}
        self._position: dict[str, int] = {}
        self._there: dict[str, set[str]] = {}
        self._changes: list[tuple[str, Change]] = []
        self._late: list[tuple[str, float, float]] = []

    def follow(self, host: Host) -> None:
        """Start to sample a host."""
        command = [sys.executable, "-I", "-S", sampler.__file__, *_PREFIXES]
        process = host.start(command, name="sampler")
        process.wait_for("^= ")
        self._samplers[host.name] = process
        self._position[host.name] = 0

    def lost_everything(self, host: Host) -> None:
        """The host has crashed, and its addresses are gone with it."""
        self._read(host.name)
        del self._samplers[host.name]
        self._seen(host.name, time.time(), set())

    def ownership(self, address: str) -> Ownership:
        """Who had an address when, to 20 ms."""
        self._read_all()
        changes = [change for where, change in self._changes if where == address]
        changes.sort(key=lambda change: change.time)
        return Ownership(address, tuple(changes), time.time())

    def lateness(self, begin: float, end: float) -> float:
        """How late the machine was in this time with a host's vipd and samples, all in all; of
        the host that it was worst for. Seconds."""
        self._read_all()
        late = dict.fromkeys(self._there, 0.0)
        for host, at, seconds in self._late:
            late[host] += seconds * (begin <= at <= end + seconds)
        return max(late.values())

    def _read_all(self) -> None:
        for name in self._samplers:
            self._read(name)

    def _read(self, name: str) -> None:
        process = self._samplers[name]
        while self._position[name] < process.mark():
            data = process.log_bytes(self._position[name], skip=False)
            complete = data[: data.rfind(b"\n") + 1]
            if not complete:
                return
            self._position[name] += len(complete)
            for kind, at, *rest in map(str.split, complete.decode().splitlines()):
                if kind == "=":
                    self._seen(name, float(at), set(rest))
                elif kind == "!":
                    self._late.append((name, float(at), float(rest[0])))
                else:
                    raise ValueError(f"sampler of {name}: {complete.decode()}")

    def _seen(self, name: str, at: float, now: set[str]) -> None:
        before = self._there.get(name, set())
        self._changes += [(a, Change(at, name, added=False)) for a in sorted(before - now)]
        self._changes += [(a, Change(at, name, added=True)) for a in sorted(now - before)]
        self._there[name] = now
