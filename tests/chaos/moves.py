"""Addresses that move although no verdict of a check asks for it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chaos.groups import HOSTS
from vipd.lab import Ownership

_SICK = re.compile("^sick: ")
_WELL = re.compile("^well again: ")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a host's vipd said about its health for one VIP, in its log."""

    time: float
    host: str
    sick: bool


def verdict(time: float, host: str, message: str) -> Verdict | None:
    """The verdict that a line of the log tells of, if it does."""
    if _SICK.search(message):
        return Verdict(time, host, sick=True)
    return Verdict(time, host, sick=False) if _WELL.search(message) else None


def too_many(
    ownership: Ownership, verdicts: Sequence[Verdict], hand_over: float
) -> tuple[float, str] | None:
    """When and how an address moved that nothing but verdicts could move: more often than there
    were verdicts, or while all hosts were sick. ``hand_over``: for how long after a verdict it may
    move, seconds."""
    begin = ownership.changes[0].time if ownership.changes else 0.0
    moves = [c for c in ownership.changes if c.added and c.time > begin]
    if len(moves) > len(verdicts):
        return moves[-1].time, f"moved {len(moves)} times for {len(verdicts)} verdicts"
    sick: set[str] = set()
    ordered = sorted(verdicts, key=lambda each: each.time)
    ends = [*(each.time for each in ordered[1:]), ownership.until]
    for each, end in zip(ordered, ends, strict=False):
        (sick.add if each.sick else sick.discard)(each.host)
        if sick == set(HOSTS):
            for move in moves:
                if each.time + hand_over < move.time < end:
                    return move.time, f"moved to {move.host} while all hosts were sick"
    return None
