"""What hundreds of masters say in one turn leaves together, and not if others may own by then."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from time import sleep
from typing import Any

from vipd.daemon.vips.outbox import Outbox
from vipd.daemon.vips.timers import Timers
from vipd.linux.departures import AT_ONCE

Ring = Callable[[int, Outbox], None]


class Scene:
    """VIPs that each post one frame when their alarm rings; what happens is told in order."""

    def __init__(self, refused: dict[int, int] | None = None, late: float = 5.0) -> None:
        """``late``: what counts as a stop, seconds; this machine may make some of its own."""
        self.late = late
        self.told: list[str] = []
        self.refused = refused or {}
        self.fates: dict[int, tuple[int | None, Collection[int]]] = {}

    def send_all(self, frames: Sequence[bytes], _by: object) -> dict[int, int]:
        self.told.append(f"sends {len(frames)}")
        return self.refused

    def play(self, number: int, ring: Ring = lambda _vip, _outbox: None) -> None:
        asyncio.run(asyncio.wait_for(self._play(number, ring), timeout=60))

    async def _play(self, number: int, ring: Ring) -> None:
        loop = asyncio.get_running_loop()
        timers = Timers(loop)
        timers.LATE = self.late
        outbox = Outbox(timers, loop.time)
        timers.catch_up = lambda _late: self.told.append("hears")
        done = asyncio.Event()
        wire: Any = self

        def departed(vip: int, left: int | None, errors: Collection[int], at: float) -> None:
            assert began <= at <= loop.time()
            self.told.append(f"{vip} departed")
            self.fates[vip] = left, errors
            if len(self.fates) == number:
                done.set()

        def rings(vip: int) -> None:
            self.told.append(f"{vip} rings")
            outbox.post(wire, [b"frame"] * (1 + vip % 2), lambda *fate: departed(vip, *fate))
            ring(vip, outbox)

        began = loop.time()
        for vip in range(number):
            timers.alarm(lambda _now, vip=vip: rings(vip)).set(began)  # type: ignore[misc]
        await done.wait()


def test_all_leave_when_the_last_has_decided() -> None:
    scene = Scene()
    scene.play(4)
    order = [f"{vip} rings" for vip in range(4)], [f"{vip} departed" for vip in range(4)]
    assert scene.told[-9:] == [*order[0], "sends 6", *order[1]]
    assert scene.fates == {vip: (1 + vip % 2, []) for vip in range(4)}


def test_each_learns_what_became_of_its_own() -> None:
    scene = Scene(refused={0: 100, 2: 105, 5: 11})
    scene.play(4)
    assert scene.fates == {0: (0, [100]), 1: (1, [105]), 2: (1, []), 3: (1, [11])}


def test_who_was_stopped_since_it_decided_listens_and_sends_nothing() -> None:
    """The guard, or another host, may have spoken meanwhile."""
    scene = Scene(late=0.5)
    scene.play(3, lambda vip, _: sleep(0.8) if vip == 1 else None)
    at = scene.told.index("0 departed")
    assert scene.told[at - 3 : at + 2] == [
        *("0 rings", "1 rings", "hears"),
        *("0 departed", "1 departed"),
    ]
    assert scene.fates == {0: (None, ()), 1: (None, ()), 2: (1, [])}
    assert scene.told.index("2 rings") > at  # its turn is the next


def test_thousands_leave_in_parts() -> None:
    scene = Scene()
    scene.play(2 * AT_ONCE + 1)
    assert len(scene.fates) == 2 * AT_ONCE + 1
    assert all(left for left, _ in scene.fates.values())
    assert scene.told.index(f"{AT_ONCE - 1} departed") < scene.told.index(f"{AT_ONCE} rings")


def test_what_is_said_at_once_comes_after_what_waits() -> None:
    scene = Scene()

    def ring(vip: int, outbox: Outbox) -> None:
        if vip == 1:
            outbox.flush()
            scene.told.append("1 acts")

    scene.play(3, ring)
    at = scene.told.index("1 acts")
    assert scene.told[at - 3 : at] == ["sends 3", "0 departed", "1 departed"]


def test_a_vip_that_acts_after_a_stop_hears_nothing_in_between() -> None:
    """What it is just doing was decided before that."""
    scene = Scene(late=0.5)

    def ring(vip: int, outbox: Outbox) -> None:
        if vip == 1:
            sleep(0.8)
            outbox.flush()
            scene.told.append("1 acts")

    scene.play(2, ring)
    at = scene.told.index("1 acts")
    assert scene.told[at - 1 : at + 4] == [
        *("1 rings", "1 acts", "hears"),
        *("0 departed", "1 departed"),
    ]
