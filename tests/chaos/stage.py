"""A scene, everything that can happen on it, and what has to hold inside of each vipd."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from chaos import groups
from chaos.cables import Cables
from chaos.checks import Checks
from chaos.daemons import Daemons
from chaos.files import Files
from chaos.groups import GROUPS
from chaos.guards import Guards
from chaos.kernel import Kernel
from chaos.orders import Orders
from chaos.others import WAITS, Others
from chaos.plan import FILES, Fault
from chaos.record import Record
from chaos.samples import Samples
from chaos.scene import Act, BrokenError, Scene, Until
from chaos.strangers import Strangers
from vipd.lab import Lab, Process


class Stage:
    """Three hosts with vipd, and a stranger on the same network. ``keys``: of all VIPs."""

    def __init__(self, lab: Lab, directory: Path, keys: dict[str, str] | None = None) -> None:
        self._scene = Scene(lab, directory)
        self._files = Files(self._scene, keys or {})
        self._daemons = Daemons(self._scene, self._files)
        self._strangers = Strangers(self._scene)
        self._looked: dict[Process, int] = {}  # how far their logs have been looked at
        self._players = {
            **self._daemons.players,
            **Guards(self._scene).players,
            **Checks(self._scene).players,
            **Cables(self._scene).players,
            **self._files.players,
            **Orders(self._scene).players,
            **Kernel(self._scene, self._files).players,
            **self._strangers.players,
            **Others(self._scene).players,
        }

    @property
    def lab(self) -> Lab:
        return self._scene.lab

    @property
    def samples(self) -> Samples:
        """The second witness."""
        return self._scene.samples

    @property
    def record(self) -> Record:
        """What was done to whom; it may be replaced."""
        return self._scene.record

    @record.setter
    def record(self, record: Record) -> None:
        self._scene.record = record

    def open(self) -> list[Act]:
        """Write the files and start everything; what is resumed until all listen."""
        scene = self._scene
        groups.write_scripts(scene.directory)
        self._strangers.open()
        for host in scene.hosts.values():
            scene.directory.joinpath(host.name).mkdir()
            for group in GROUPS:
                self._files.write(host, group)
            groups.write_crowd(scene.directory, host.name)
            scene.prepare(host)
        return [self._daemons.start(host) for host in scene.hosts.values()]

    def act(self, fault: Fault) -> Act:
        """What happens; nothing before it is first resumed."""
        while fault.kind in FILES and fault.host in self._files.away:
            yield Until.SOON
        yield from self._players[fault.kind](fault, self._scene.hosts[fault.host])

    def look_at_logs(self) -> None:
        """See that nothing went wrong inside of a vipd; forget those that have ended."""
        for name in self._scene.listening:
            if not (vipd := self._scene.vipd[name]).alive:
                raise BrokenError(f"vipd on {name} has ended by itself{vipd.tail()}")
        for process in self._scene.processes:
            begin, self._looked[process] = self._looked.get(process, 0), process.mark()
            for line in process.log(begin).splitlines():
                if not line.startswith("{") or "starts again in" in line or "traceback" in line:
                    raise BrokenError(f"{process!r} says: {line}{process.tail()}")
                if WAITS.search(line) and process not in self._scene.seconds:
                    raise BrokenError(f"{process!r} gives way to a user: {line}")
        self._scene.processes = [process for process in self._scene.processes if process.alive]

    def said(self, since: float) -> Iterator[tuple[Process, dict[str, Any]]]:
        """All lines of all vipds since a time, as objects."""
        for process in self._scene.processes:
            for text in process.log().splitlines():
                line = json.loads(text) if text.startswith("{") else {}
                if line and datetime.fromisoformat(line["time"]).timestamp() >= since:
                    yield process, line

    def owners(self, address: str) -> list[str]:
        """Who has an address now, by the last event."""
        return self._scene.owners(address)
