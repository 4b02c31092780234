"""The guard is frozen or killed, whatever else befalls its vipd."""

import os
import time
from collections import Counter
from contextlib import suppress
from signal import SIGCONT, SIGKILL, SIGSTOP

from helpers.guarding import guard_of

from chaos import bounds
from chaos.plan import Fault, Kind
from chaos.record import Condition
from chaos.scene import PATIENCE, Act, BrokenError, Players, Scene, Until
from vipd.lab import Host, Process

#: How often the guard of one vipd is killed: each time vipd waits for twice as long until it starts
#: another.
_KILLS = 3


class Guards:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._kills: Counter[Process] = Counter()
        self.players: Players = {
            Kind.GUARD_FREEZE: self._freeze,
            Kind.GUARD_KILL: self._kill,
        }

    def _freeze(self, fault: Fault, host: Host) -> Act:
        guard = self._guard(host)
        if not guard:
            return
        with (
            self._scene.told(fault, f"{host.name} guard frozen", "guard thawed"),
            self._scene.during(host, Condition.UNGUARDED),
            suppress(ProcessLookupError),  # it ended meanwhile
        ):
            os.kill(guard, SIGSTOP)
            yield Until.END
            os.kill(guard, SIGCONT)

    def _kill(self, fault: Fault, host: Host) -> Act:
        vipd, guard = self._scene.vipd.get(host.name), self._guard(host)
        if vipd is None or not guard or self._kills[vipd] == _KILLS:
            return
        self._kills[vipd] += 1
        with self._scene.told(fault, f"{host.name} guard killed", "another guard"):
            spans = self._scene.begin(host, Condition.UNGUARDED)
            with suppress(ProcessLookupError):
                os.kill(guard, SIGKILL)
            began = time.time()
            while self._guard(host) in (None, guard):  # a frozen vipd starts none
                if time.time() > began + 2 * PATIENCE:
                    raise BrokenError(f"{host.name} does not get another guard{vipd.tail()}")
                yield Until.SOON
            for span in spans:
                span.end = time.time() + bounds.GUARD_READY

    def _guard(self, host: Host) -> int | None:
        vipd = self._scene.vipd.get(host.name)
        return guard_of(vipd) if vipd else None
