"""Daemons that are killed and frozen, and partitions that heal, on a pair that stays up.

What a daemon cannot do any more, it cannot undo either: how long two hosts then own the address is
the kernel's account, and what a client sees comes from pings. A figure that does not end by itself
ends with the time for which we watch, `WATCHED`.
"""

from collections.abc import Iterator, Sequence
from enum import Enum
from signal import SIGCONT, SIGSTOP

from bench.contestants import Contestant, Group, Manner
from bench.crowd import GROUPS as MANY
from bench.fault_pair import GAP, OVERLAP, FaultPair, fault_pair, pause
from bench.pair import GROUPS as ONE
from vipd.lab.waiting import wait_until

#: Seconds, from the fault on.
WATCHED = 5.0
#: For how long we go on to look after only one host owns everything, seconds.
_AFTER = 0.3


class Death(Enum):
    """What is killed, and what else acts then."""

    DAEMON = "killed"
    BOTH = "killed with its guard"
    SYSTEMD = "killed with its guard, under systemd"


def named(situation: str, what: str) -> str:
    """The name of a figure."""
    return f"{situation}: {what}"


def groups(many: bool) -> Sequence[Group]:
    return MANY if many else ONE


def killed(
    kind: Contestant,
    situation: str,
    cycles: int,
    manner: Manner,
    *,
    many: bool = False,
    is_busy: bool = False,
    death: Death = Death.DAEMON,
) -> Iterator[dict[str, float]]:
    """The owner's daemon is killed, and started again; then the other one's."""
    with fault_pair(kind, groups(many), manner, is_busy=is_busy) as pair:
        for _ in range(cycles):
            owner, other = pair.wait_settled()
            pause(0.1 if manner.fast else 1.0)
            seen = pair.seen(lambda: _kill(pair, owner.name, death), other, WATCHED, _AFTER)  # noqa: B023
            yield {named(situation, what): value for what, value in seen.items()}
            pair.start(owner.name)
            pair.wait_listening(owner.name)


def _kill(pair: FaultPair, name: str, death: Death) -> None:
    pair.kill(name, guard=death is not Death.DAEMON)
    if death is Death.SYSTEMD:
        pair.farewell(name)


def frozen(
    kind: Contestant,
    situation: str,
    cycles: int,
    manner: Manner,
    *,
    many: bool = False,
    is_busy: bool = False,
) -> Iterator[dict[str, float]]:
    """The owner's daemon is frozen (SIGSTOP), and thawed when it has lost its addresses, or would
    not lose them."""
    with fault_pair(kind, groups(many), manner, is_busy=is_busy) as pair:
        for _ in range(cycles):
            owner, other = pair.wait_settled()
            pause(0.1 if manner.fast else 1.0)
            seen = pair.seen(lambda: pair.signal(owner.name, SIGSTOP), other, WATCHED, _AFTER)  # noqa: B023
            yield {named(situation, what): value for what, value in seen.items()}
            pair.signal(owner.name, SIGCONT)
            pause(0.2 if manner.fast else 1.0)  # it has to hear the new owner


def healed(kind: Contestant, situation: str, cycles: int) -> Iterator[dict[str, float]]:
    """The hosts do not hear each other until both own the address; then they do again."""
    with fault_pair(kind, ONE, Manner()) as pair:
        for _ in range(cycles):
            pair.lab.wait_owner(pair.last, "web01", timeout=30, stable=0.5)
            web01, _ = pair.wait_settled()
            web01.isolate()
            wait_until(
                lambda: len(pair.lab.ownership(pair.last).owners()) > 1 or None,
                timeout=WATCHED,
                complaint=lambda: f"no second owner{pair.lab.tails()}",
            )
            pause()
            seen = pair.seen(web01.rejoin, web01, WATCHED, _AFTER)
            yield {named(situation, what): seen[what] for what in (OVERLAP, GAP)}
