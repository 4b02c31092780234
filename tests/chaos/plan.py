"""What will go wrong, when, and for how long: drawn from a seed, before anything happens."""

import random
from collections.abc import Iterator, Mapping, Sequence
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
    GUARD_FREEZE = "guard frozen"
    GUARD_KILL = "guard killed"
    SICK = "checks fail, hang, alternate or flap"
    RELOAD = "SIGHUP"
    EDIT = "file edited in place"
    BREAK = "file broken, corrected later"
    REMOVE = "file removed, restored later"
    MOVE = "SOURCE_ADDRESS set or not: the VIP is restarted"
    SWAP = "directory away for a second at most"
    BLINK = "file removed and there again within half a second"
    UNREADABLE = "directory or file that cannot be read for a while"
    SCRIPTS = "scripts fail or hang"
    MAINTENANCE = "in maintenance for a while"
    STEP_DOWN = "SIGUSR2"
    DELETE = "address deleted on its owner"
    FLUSH = "all addresses of a host deleted"
    RENUMBER = "own address of a host taken away and put back"
    PROMOTE = "promote_secondaries switched over"
    ARP = "a stranger claims an address by ARP"
    FORGED = "forged, damaged and foreign packets"
    BURST = "burst of forged frames over all VHIDs"
    FLOOD = "flood of ARP for all addresses"
    LOOP = "a loop in the network"
    RIVAL = "a second vipd, while a user fills the sockets' queues"
    DESCRIPTORS = "no descriptor left for a while"


_PROCESS = {Kind.FREEZE: 5, Kind.KILL: 3, Kind.STOP: 3, Kind.CRASH: 1}
_GUARD = {Kind.GUARD_FREEZE: 2, Kind.GUARD_KILL: 1}
_CHECKS = {Kind.SICK: 1}
_NETWORK = {Kind.CUT: 3, Kind.PARTITION: 3}
_FILES = {
    Kind.RELOAD: 3,
    Kind.EDIT: 4,
    Kind.BREAK: 2,
    Kind.REMOVE: 1,
    Kind.MOVE: 1,
    Kind.SWAP: 2,
    Kind.BLINK: 2,
    Kind.UNREADABLE: 1,
}
_NOISE = {
    Kind.STEP_DOWN: 1,
    Kind.DELETE: 4,
    Kind.FLUSH: 1,
    Kind.RENUMBER: 2,
    Kind.PROMOTE: 2,
    Kind.ARP: 2,
    Kind.FORGED: 3,
    Kind.BURST: 2,
    Kind.FLOOD: 1,
    Kind.LOOP: 1,
}

_ORDERS = {Kind.SCRIPTS: 1, Kind.MAINTENANCE: 2}

# What must not move an address: of the network, of each host's files, and of each host.
_STRANGERS = {Kind.BURST: 4, Kind.FLOOD: 3, Kind.FORGED: 1, Kind.ARP: 1, Kind.LOOP: 1}
_HARMLESS_FILES = {
    Kind.SWAP: 4,
    Kind.UNREADABLE: 2,
    Kind.BLINK: 2,
    Kind.RELOAD: 1,
    Kind.EDIT: 1,
    Kind.BREAK: 1,
}
_USERS = {Kind.RIVAL: 1, Kind.DESCRIPTORS: 1, Kind.PROMOTE: 1, **_GUARD}

#: Kinds of faults that must not move an address, whatever they meet among themselves.
HARMLESS = frozenset({*_STRANGERS, *_HARMLESS_FILES, *_USERS})

#: Faults that concern a host's files: while its directory is away, the next one waits.
FILES = frozenset({*_FILES})

#: The others are over as soon as they have begun.
LASTING = {
    *_PROCESS,
    *_NETWORK,
    *_ORDERS,
    Kind.GUARD_FREEZE,
    Kind.SICK,
    Kind.BREAK,
    Kind.REMOVE,
    Kind.SWAP,
    Kind.BLINK,
    Kind.UNREADABLE,
    Kind.RENUMBER,
    Kind.LOOP,
    Kind.RIVAL,
    Kind.DESCRIPTORS,
}

#: The longest that these last, seconds. A file that is away for longer is meant to be.
_BRIEF = {Kind.SWAP: 1.0, Kind.BLINK: 0.5, Kind.RENUMBER: 1.0}

#: Mean time in seconds between two faults of one lane.
_PAUSES = (4.0, 5.0, 3.0, 1.5, 6.0)
_GUARD_PAUSE, _SICK_PAUSE = 4.0, 8.0
_SIEGE_PAUSES = (0.5, 1.0, 2.0)
#: The same where nothing happens but checks that fail.
_SICKNESS_PAUSE = 3.0


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

    Each host has five lanes: its process, its guard, its checks, its cable, its files. In each lane
    one fault follows the other, and the lanes know nothing of each other, but that a host without
    power has no cable and no guard, and forgets what it was told. Noise and orders (scripts,
    maintenance) are lanes of all together.
    """
    dice = random.Random(seed)
    faults: list[Fault] = []
    for host in hosts:
        faults += _lane(dice, _PROCESS, _PAUSES[0], length, [host], vhids)
    dark = [fault for fault in faults if fault.kind is Kind.CRASH]
    others = list(_lane(dice, _ORDERS, _PAUSES[4], length, hosts, vhids))
    for host in hosts:
        others += _lane(dice, _NETWORK, _PAUSES[1], length, [host], vhids)
        others += _lane(dice, _GUARD, _GUARD_PAUSE, length, [host], vhids)
        others += _lane(dice, _CHECKS, _SICK_PAUSE, length, [host], vhids)
    faults += (fault for fault in others if not any(map(fault.meets, dark)))
    for host in hosts:
        faults += _lane(dice, _FILES, _PAUSES[2], length, [host], vhids)
    faults += _lane(dice, _NOISE, _PAUSES[3], length, hosts, vhids)
    return sorted(faults, key=lambda fault: fault.begin)


def siege(seed: str, length: float, hosts: Sequence[str], vhids: Sequence[int]) -> list[Fault]:
    """Faults for ``length`` seconds of which none may move an address, as those of `plan`."""
    dice = random.Random(f"siege {seed}")
    network, files, users = _SIEGE_PAUSES
    faults = list(_lane(dice, _STRANGERS, network, length, hosts, vhids))
    for host in hosts:
        faults += _lane(dice, _HARMLESS_FILES, files, length, [host], vhids)
        faults += _lane(dice, _USERS, users, length, [host], vhids)
    return sorted(faults, key=lambda fault: fault.begin)


def sickness(seed: str, length: float, hosts: Sequence[str], vhids: Sequence[int]) -> list[Fault]:
    """Checks that fail for ``length`` seconds, and nothing else, as those of `plan`."""
    dice = random.Random(f"sickness {seed}")
    faults: list[Fault] = []
    for host in hosts:
        faults += _lane(dice, _CHECKS, _SICKNESS_PAUSE, length, [host], vhids)
    return sorted(faults, key=lambda fault: fault.begin)


def _lane(
    dice: random.Random,
    kinds: Mapping[Kind, int],
    pause: float,
    length: float,
    hosts: Sequence[str],
    vhids: Sequence[int],
) -> Iterator[Fault]:
    at = dice.expovariate(1 / pause)
    while at < length:
        kind = dice.choices(list(kinds), list(kinds.values()))[0]
        end = min(at + _duration(dice, kind), length) if kind in LASTING else at
        yield Fault(kind, dice.choice(hosts), dice.choice(vhids), at, end, dice.getrandbits(32))
        at = end + dice.expovariate(1 / pause)


def _duration(dice: random.Random, kind: Kind) -> float:
    """Blinks, times about as long as a lease, and long ones."""
    if kind in _BRIEF:
        return dice.uniform(0.02, _BRIEF[kind])
    return dice.choice(
        (
            dice.uniform(0.02, 0.5),
            dice.uniform(0.5, 2.5),
            dice.uniform(2.5, 3.6),
            dice.uniform(4, 8),
        )
    )
