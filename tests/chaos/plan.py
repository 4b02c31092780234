"""What will go wrong, when, and for how long: drawn from a seed, before anything happens."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """A kind of fault, and its name for people."""

    FREEZE = "vipd frozen"
    KILL = "vipd killed, started again later"
    STOP = "vipd stopped, started again later"
    CRASH = "host without power"
    CUT = "cable cut"
    PARTITION = "partition"
    RELOAD = "SIGHUP"
    EDIT = "file edited in place"
    BREAK = "file broken, mended later"
    REMOVE = "file removed, restored later"
    MOVE = "SOURCE_ADDRESS set or not: the VIP starts anew"
    SCRIPTS = "scripts fail or hang"
    MAINTENANCE = "in maintenance for a while"
    STEP_DOWN = "SIGUSR2"
    DELETE = "address deleted on its owner"
    FLUSH = "all addresses of a host deleted"
    ARP = "a stranger claims an address by ARP"
    FORGED = "forged, damaged and foreign packets"
    LOOP = "a loop in the network"


_PROCESS = {Kind.FREEZE: 5, Kind.KILL: 3, Kind.STOP: 3, Kind.CRASH: 1}
_NETWORK = {Kind.CUT: 3, Kind.PARTITION: 3}
_FILES = {Kind.RELOAD: 3, Kind.EDIT: 4, Kind.BREAK: 2, Kind.REMOVE: 1, Kind.MOVE: 1}
_NOISE = {
    Kind.STEP_DOWN: 1,
    Kind.DELETE: 4,
    Kind.FLUSH: 1,
    Kind.ARP: 2,
    Kind.FORGED: 3,
    Kind.LOOP: 1,
}

_ORDERS = {Kind.SCRIPTS: 1, Kind.MAINTENANCE: 2}

#: The others are over as soon as they have begun.
LASTING = {*_PROCESS, *_NETWORK, Kind.BREAK, Kind.REMOVE, Kind.LOOP, *_ORDERS}

#: Mean time in seconds between two faults of one lane.
_PAUSES = (4.0, 5.0, 3.0, 1.5, 6.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """``begin`` and ``end`` are seconds from the start of the round. ``vhid``: the group that it
    concerns, if it concerns one; ``dice`` is for details."""

    kind: Kind
    host: str
    vhid: int
    begin: float
    end: float
    dice: int

    def meets(self, other: "Fault") -> bool:
        """Whether both befall the same host at the same time."""
        return self.host == other.host and self.begin <= other.end and self.end >= other.begin


def plan(seed: str, length: float, hosts: Sequence[str], vhids: Sequence[int]) -> list[Fault]:
    """The faults of one round of ``length`` seconds, by their begin; all end within it.

    Each host has three lanes: its process, its cable, its files. In each lane one fault follows the
    other, and the lanes know nothing of each other, but that a host without power has no cable, and
    forgets what it was told. Noise and orders (scripts, maintenance) are lanes of all together.
    """
    dice = random.Random(seed)
    faults: list[Fault] = []
    for host in hosts:
        faults += _lane(dice, _PROCESS, _PAUSES[0], length, [host], vhids)
    dark = [fault for fault in faults if fault.kind is Kind.CRASH]
    others = list(_lane(dice, _ORDERS, _PAUSES[4], length, hosts, vhids))
    for host in hosts:
        others += _lane(dice, _NETWORK, _PAUSES[1], length, [host], vhids)
    faults += (fault for fault in others if not any(map(fault.meets, dark)))
    for host in hosts:
        faults += _lane(dice, _FILES, _PAUSES[2], length, [host], vhids)
    faults += _lane(dice, _NOISE, _PAUSES[3], length, hosts, vhids)
    return sorted(faults, key=lambda fault: fault.begin)


def _lane(
    dice: random.Random,
    kinds: dict[Kind, int],
    pause: float,
    length: float,
    hosts: Sequence[str],
    vhids: Sequence[int],
) -> Iterator[Fault]:
    at = dice.expovariate(1 / pause)
    while at < length:
        kind = dice.choices(list(kinds), list(kinds.values()))[0]
        end = min(at + _duration(dice), length) if kind in LASTING else at
        yield Fault(kind, dice.choice(hosts), dice.choice(vhids), at, end, dice.getrandbits(32))
        at = end + dice.expovariate(1 / pause)


def _duration(dice: random.Random) -> float:
    """Blinks, times about as long as a lease, and long ones."""
    return dice.choice(
        (
            dice.uniform(0.02, 0.5),
            dice.uniform(0.5, 2.5),
            dice.uniform(2.5, 3.6),
            dice.uniform(4, 8),
        )
    )
