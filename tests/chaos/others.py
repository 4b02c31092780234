"""What other users of a host do: a second vipd, and no descriptor left."""

import json
import re
import resource
import time
from signal import SIGHUP, SIGTERM

from helpers import users

from chaos import bounds
from chaos.groups import GROUPS
from chaos.plan import Fault, Kind
from chaos.record import Condition
from chaos.scene import PATIENCE, Act, BrokenError, Players, Scene, Until
from vipd.lab import Host, Process

#: What a VIP says that gives way to another process.
WAITS = re.compile(r"waiting: .*\(process ")
#: Where a second vipd has its sockets and its state.
_SECOND = "/run/second"


class Others:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.players: Players = {Kind.RIVAL: self._rival, Kind.DESCRIPTORS: self._descriptors}

    def _rival(self, fault: Fault, host: Host) -> Act:
        """Somebody starts vipd a second time, beside the first; and waits with another try until
        that one has ended."""
        if any(second.alive for second in self._scene.seconds if second in host.processes):
            return
        with self._scene.told(fault, f"{host.name}: a second vipd", "the second vipd is stopped"):
            filler = users.fill_queues(host, [group.vhid for group in GROUPS])
            while "full" not in filler.log():
                yield Until.SOON
            own = ("--runtime-dir", _SECOND, "--state-dir", _SECOND, "--log-format", "json")
            second = host.vipd(self._scene.directory / host.name, *own)
            self._scene.seconds.append(second)
            self._scene.processes.append(second)
            began = time.time()
            while not self._waits(second):
                if not second.alive or time.time() > began + PATIENCE:
                    raise BrokenError(f"{second!r} does not wait for the first{second.tail()}")
                yield Until.SOON
            yield Until.END
            second.signal(SIGTERM)
            while second.alive:
                yield Until.SOON
            filler.kill()

    def _waits(self, second: Process) -> bool:
        lines = [line for line in second.log().splitlines() if WAITS.search(line)]
        return {group.name for group in GROUPS} <= {json.loads(line).get("id") for line in lines}

    def _descriptors(self, fault: Fault, host: Host) -> Act:
        """All that may be open is open: nothing can be read. And vipd is asked to."""
        vipd = self._scene.vipd.get(host.name)
        if vipd is None:
            return
        with self._scene.told(fault, f"{host.name}: no descriptor left", "descriptors again"):
            unwell = self._scene.unwell(host)  # a check that cannot be started has failed
            scripts = [
                span
                for group in GROUPS
                if group.scripted
                for span in self._scene.begin(host, Condition.SCRIPTLESS, group=group)
            ]
            before = resource.prlimit(vipd.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(vipd.pid, resource.RLIMIT_NOFILE, (0, before[1]))
            vipd.signal(SIGHUP)
            yield Until.END
            resource.prlimit(vipd.pid, resource.RLIMIT_NOFILE, before)
            for span in scripts:
                span.end = time.time()
            for span in unwell:
                span.end = time.time() + bounds.WELL_AFTER
