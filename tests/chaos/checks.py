"""Health checks of the hosts that fail, hang, alternate or flap."""

import random
import time

from chaos import bounds, groups
from chaos.groups import CHECKS, GROUPS, Ailment
from chaos.plan import Fault, Kind
from chaos.record import Condition
from chaos.scene import Act, Players, Scene, Until
from vipd.lab import Host


def drawn(number: int) -> tuple[str, Ailment]:
    """Which check behaves how, by the dice of a fault."""
    dice = random.Random(number)
    return dice.choice(CHECKS), dice.choice(list(Ailment))


class Checks:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.players: Players = {Kind.SICK: self._sick}

    def _sick(self, fault: Fault, host: Host) -> Act:
        if not host.alive:
            return
        check, how = drawn(fault.dice)
        file = f"{groups.CHECK_MODES}/{check}.mode"
        concerned = [group for group in GROUPS if group.check == check]
        conditions = [Condition.UNWELL]
        if how in (Ailment.FAIL, Ailment.HANG):
            conditions.append(Condition.SICK)
        what = f"{host.name} check {check}: {how.value}"
        with self._scene.told(fault, what, f"check {check} good"):
            spans = [
                span
                for group in concerned
                for span in self._scene.begin(host, *conditions, group=group)
            ]
            runs = f"{groups.CHECK_MODES}/{check}.runs"
            self._scene.sh(host, f"rm -f {runs}; echo {how.value} >{file}")
            yield Until.END
            for span in spans:
                span.end = time.time()
            if host.alive:
                self._scene.sh(host, f"rm -f {file}")
        for span in spans:
            if span.condition is Condition.UNWELL:
                span.end = time.time() + bounds.WELL_AFTER
