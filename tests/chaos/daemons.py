"""Faults of the process: vipd is frozen, killed or stopped, or its host without power."""

import json
import re
import time
from signal import SIGTERM

from chaos import bounds
from chaos.files import Files
from chaos.groups import GROUPS
from chaos.plan import Fault, Kind
from chaos.record import Condition
from chaos.scene import PATIENCE, Act, BrokenError, Players, Scene, Until
from vipd.lab import Host, Process

#: What a VIP says first: that it listens, or what it lacks on this host; another process is no
#: reason to wait, because there is none but a user's.
_LISTENING = re.compile(r"Switching to state: BACKUP|waiting: (?!.*\(process )")


class Daemons:
    """The vipds of the hosts."""

    def __init__(self, scene: Scene, files: Files) -> None:
        self._scene = scene
        self._files = files
        self.players: Players = {
            Kind.FREEZE: self._freeze,
            Kind.KILL: self._kill,
            Kind.STOP: self._stop,
            Kind.CRASH: self._crash,
        }

    def start(self, host: Host) -> Act:
        began = time.time()
        for hindrance in self._files.hindrances:
            if hindrance.host == host.name:
                hindrance.excuses += self._scene.record.begin(
                    began, host.name, Condition.EXCUSED, vhid=hindrance.vhid
                )
        vipd = host.vipd(self._scene.directory / host.name, "--log-format", "json")
        self._scene.vipd[host.name] = vipd
        self._scene.processes.append(vipd)
        unknown = self._scene.unwell(host)  # no check has a verdict
        with self._scene.during(host, Condition.EXCUSED):
            while not self._all_listen(host, vipd):
                if self._scene.vipd.get(host.name) is not vipd:
                    return  # killed before it could
                if not vipd.alive or time.time() > began + PATIENCE:
                    raise BrokenError(f"{vipd!r} does not listen{vipd.tail()}")
                yield Until.SOON
        for span in unknown:
            span.end = time.time() + bounds.WELL_AFTER
        self._scene.listening.add(host.name)
        self._files.reads_again(host, began)
        self._scene.record.tell(time.time(), f"{host.name} listens")

    def _freeze(self, fault: Fault, host: Host) -> Act:
        vipd = self._scene.vipd.get(host.name)
        if vipd is None:
            return
        frozen = time.time()
        with (
            self._scene.told(fault, f"{host.name} frozen", "thawed"),
            self._scene.during(host, Condition.EXCUSED, Condition.IMPAIRED),
        ):
            self._scene.frozen.add(host.name)
            vipd.freeze()
            yield Until.END
            vipd.thaw()
            self._scene.frozen.discard(host.name)
        self._files.reads_again(host, frozen)

    def _kill(self, fault: Fault, host: Host) -> Act:
        if host.name not in self._scene.vipd:
            return
        with self._scene.during(host, Condition.EXCUSED, Condition.IMPAIRED, Condition.DEAD):
            with self._scene.told(fault, f"{host.name} killed", "starts vipd"):
                self._gone(host).kill()
                yield Until.END
            yield from self.start(host)

    def _stop(self, fault: Fault, host: Host) -> Act:
        if host.name not in self._scene.listening:  # it would not know the signal yet
            return
        with self._scene.during(host, Condition.EXCUSED, Condition.LEAVING):
            with self._scene.told(fault, f"{host.name} stopped", "starts vipd"):
                vipd = self._gone(host)
                vipd.signal(SIGTERM)
                asked = time.time()
                yield Until.END
                while vipd.alive:
                    if time.time() > asked + bounds.STOPPED + PATIENCE:
                        raise BrokenError(f"{vipd!r} does not end{vipd.tail()}")
                    yield Until.SOON
            if status := vipd.wait():
                raise BrokenError(f"{vipd!r} ended with status {status}{vipd.tail()}")
            yield from self.start(host)

    def _crash(self, fault: Fault, host: Host) -> Act:
        if host.name not in self._scene.vipd:
            return
        with self._scene.during(host, Condition.EXCUSED):
            with (
                self._scene.told(fault, f"{host.name} without power", "boots"),
                self._scene.during(host, Condition.APART, Condition.ADDRESSLESS),
            ):
                self._gone(host)
                host.crash()
                self._scene.samples.lost_everything(host)
                yield Until.END
                host.boot()
                self._scene.prepare(host)
            yield from self.start(host)

    def _all_listen(self, host: Host, vipd: Process) -> bool:
        """Whether every VIP of a host listens, or waits for its interface; but for those whose
        files it cannot read now."""
        hindered = {h.vhid for h in self._files.hindrances if h.host == host.name}
        if None in hindered:
            hindered |= {group.vhid for group in GROUPS}
        lines = [line for line in vipd.log().splitlines() if _LISTENING.search(line)]
        there = {json.loads(line).get("id") for line in lines}
        wanted = {group.name for group in GROUPS if group.vhid not in hindered}
        return wanted <= there and "files read" in vipd.log()

    def _gone(self, host: Host) -> Process:
        """The vipd of a host, which is not to be counted on any more."""
        self._scene.listening.discard(host.name)
        return self._scene.vipd.pop(host.name)
