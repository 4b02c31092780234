"""Faults of the network: cables that are cut, or carry nothing."""

from chaos.groups import HERE
from chaos.plan import Fault, Kind
from chaos.record import Condition
from chaos.scene import Act, Players, Scene, Until
from vipd.lab import Host


class Cables:
    """Those of the hosts."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.players: Players = {Kind.CUT: self._cut, Kind.PARTITION: self._partition}

    @staticmethod
    def _which(fault: Fault) -> tuple[str | None, str]:
        """All of a host, or that of the groups alone; and what to call it."""
        return (HERE, f"cable of {HERE}") if fault.dice % 2 else (None, "all cables")

    def _cut(self, fault: Fault, host: Host) -> Act:
        interface, cable = self._which(fault)
        with (
            self._scene.told(fault, f"{host.name} {cable} cut", f"{cable} joined"),
            self._scene.during(host, Condition.EXCUSED, Condition.APART, Condition.NO_CARRIER),
        ):
            host.cut(interface)
            yield Until.END
            host.join(interface)

    def _partition(self, fault: Fault, host: Host) -> Act:
        interface, cable = self._which(fault)
        with (
            self._scene.told(fault, f"{host.name} apart, {cable}", "back"),
            self._scene.during(host, Condition.APART),
        ):
            host.isolate(interface)
            yield Until.END
            host.rejoin(interface)
