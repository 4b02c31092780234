"""From the order of the hosts to their advskews."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

WIDEST, LAST = 50, 200
"""The distance of two ranks in 1/256 s, at most, and the advskew of the last rank, at most."""

CLOSEST = 10
"""40 ms: how near two ranks may come for the sake of values that stay."""

HIGHEST = 240


def skews(order: Sequence[str], before: Mapping[str, int]) -> dict[str, int]:
    """The advskew of each host, lowest first. As many as possible of those from `before` stay;
    without any: rank × min(50, 200/(hosts-1))."""
    step = min(WIDEST, LAST / max(1, len(order) - 1))
    kept = _kept(order, before, min(CLOSEST, int(step)))
    values = {rank: float(before[order[rank]]) for rank in kept}
    if 0 not in values:
        values[0] = 0.0
    for one, two in pairwise(sorted(values)):
        for rank in range(one + 1, two):
            part = (rank - one) / (two - one)
            values[rank] = values[one] + part * (values[two] - values[one])
    last = max(values)
    after = len(order) - 1 - last
    if after:
        step = min(step, (HIGHEST - values[last]) / after)
    for rank in range(last + 1, len(order)):
        values[rank] = values[last] + step * (rank - last)
    return {host: int(values[rank]) for rank, host in enumerate(order)}


def _kept(order: Sequence[str], before: Mapping[str, int], gap: int) -> list[int]:
    """The most ranks whose values may stay: they rise, with room for those in between."""
    best: dict[int, list[int]] = {}
    for rank, host in enumerate(order):
        value = before.get(host)
        if value is None or value < gap * rank or value + gap * (len(order) - 1 - rank) > HIGHEST:
            continue
        fits = [
            chain for other, chain in best.items()
            if value - before[order[other]] >= gap * (rank - other)
        ]  # fmt: skip
        best[rank] = [*max(fits, key=len, default=[]), rank]
    return max(best.values(), key=len, default=[])
