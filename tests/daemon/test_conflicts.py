"""When a master speaks of a second one."""

from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any, cast

from vipd.carp.effects import Transition
from vipd.carp.packet import Advertisement
from vipd.carp.states import Reason, State
from vipd.daemon.diagnosis.conflicts import ConflictDetector

ANOTHER = Advertisement(
    IPv4Address("198.51.100.180"), IPv4Address("224.0.0.18"), 1, 1, 10, 0, 1, bytes(20)
)
MASTER = Transition(State.BACKUP, State.MASTER, Reason.PREEMPTION)


class Master:
    """It has just become one; ``told`` is what it has said."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told: list[str] = []
        complaints = SimpleNamespace(
            say=lambda kind, _words, **_: self.told.append(kind), forget=lambda _kind: None
        )
        machine = SimpleNamespace(state=State.MASTER)
        self.detector = ConflictDetector(
            cast(Any, machine),
            cast(Any, None),
            cast(Any, None),
            cast(Any, complaints),
            self.clock,
            lambda: None,
        )
        self.detector.changed(MASTER)

    def clock(self) -> float:
        return self.now

    def hears(self, times: int, every: float) -> None:
        for _ in range(times):
            self.now += every
            self.detector.heard(ANOTHER)


def test_advertisements_that_have_waited_in_the_socket_are_no_second_master() -> None:
    """A host that starts, or was stopped, takes over at the first one and reads the others."""
    master = Master()
    master.hears(20, every=0.001)
    assert master.told == []
    master.hears(2, every=1.04)  # it may not have heard the first one of ours
    assert master.told == []


def test_a_host_that_goes_on_advertising_is_one() -> None:
    master = Master()
    master.hears(3, every=1.04)
    assert master.told == ["second master"]
