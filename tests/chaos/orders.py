"""What an administrator orders: maintenance, SIGUSR2; and scripts that fail."""

import time
from signal import SIGUSR2

from chaos import bounds, groups
from chaos.groups import GROUPS
from chaos.plan import Fault, Kind
from chaos.record import Condition
from chaos.scene import PATIENCE, Act, BrokenError, Players, Scene, Until
from vipd.lab import Host


class Orders:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.players: Players = {
            Kind.SCRIPTS: self._scripts,
            Kind.MAINTENANCE: self._maintenance,
            Kind.STEP_DOWN: self._step_down,
        }

    def _scripts(self, fault: Fault, host: Host) -> Act:
        if not host.alive:
            return
        mode = ("fail", "hang")[fault.dice % 2]
        with self._scene.told(fault, f"{host.name} scripts {mode}", "scripts work"):
            excused = [
                span
                for group in GROUPS
                if group.scripted
                for span in self._scene.begin(host, Condition.EXCUSED, group=group)
            ]
            with self._scene.during(host, Condition.SCRIPTLESS):
                self._scene.sh(host, f"echo {mode} >{groups.SCRIPT_MODE}")
                yield Until.END
                if host.alive:
                    self._scene.sh(host, f"rm -f {groups.SCRIPT_MODE}")
            for span in excused:
                span.end = time.time() + bounds.SCRIPTLESS_HOLD

    def _maintenance(self, fault: Fault, host: Host) -> Act:
        if not self._scene.hears_orders(host):
            return
        group = self._scene.groups[fault.vhid] if fault.dice % 2 else None
        ids = (group.name,) if group else ()
        with self._scene.told(fault, f"{host.name} maintenance {' '.join(ids)}", "ended", group):
            spans = self._scene.begin(host, Condition.EXCUSED, Condition.LEAVING, group=group)
            order = self._scene.vipctl(host, "maintenance", "on", *ids)
            while order.alive:
                yield Until.SOON
            barred = [] if order.wait() else self._scene.begin(host, Condition.BARRED, group=group)
            yield Until.END
            for span in barred:
                span.end = time.time()
            yield from self._end_maintenance(host, ids)
            for span in spans:
                span.end = time.time()

    def _end_maintenance(self, host: Host, ids: tuple[str, ...]) -> Act:
        """Order it again and again: vipd may be dead, frozen, or without the file of this VIP."""
        began = time.time()
        while True:
            if self._scene.hears_orders(host):
                order = self._scene.vipctl(host, "maintenance", "off", *ids)
                while order.alive:
                    yield Until.SOON
                if order.wait() == 0:
                    return
            if time.time() > began + 2 * PATIENCE:
                raise BrokenError(f"maintenance of {host.name} does not end")
            yield Until.SOON

    def _step_down(self, fault: Fault, host: Host) -> Act:
        if self._scene.hears_orders(host):
            self._scene.tell(fault, f"{host.name} SIGUSR2")
            spans = self._scene.begin(host, Condition.EXCUSED, Condition.LEAVING)
            self._scene.vipd[host.name].signal(SIGUSR2)
            for span in spans:
                span.end = time.time() + bounds.HELD
        yield from ()
