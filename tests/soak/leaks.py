"""What is left over: memory, descriptors, threads, children, tasks."""

from collections.abc import Mapping, Sequence
from statistics import median

from soak.gauge import Reading
from soak.soaking import Rest

#: The most that it may grow by after warming up, MB (10⁶ bytes).
GROWTH = 1.0
#: Readings at the beginning and at the end that are compared, by their medians: this part of all.
COMPARED = 0.2


def private(readings: Sequence[Reading]) -> tuple[float, float]:
    """MB of memory at the beginning and at the end of these."""
    size = max(1, int(len(readings) * COMPARED))
    first, last = readings[:size], readings[-size:]
    return median(r.private for r in first), median(r.private for r in last)


def leaks(readings: Sequence[Reading], first: Rest, last: Rest) -> list[str]:
    """What there is at the end and was not when it was warm, beyond what may be. ``readings`` are
    those under load, in between."""
    found = []
    start, end = private(readings)
    for when, more in (
        ("under load", end - start),
        ("at rest", last.reading.private - first.reading.private),
    ):
        if more > GROWTH:
            types = _grown(first.inside["types"], last.inside["types"])
            lines = _grown(first.inside.get("lines", {}), last.inside.get("lines", {}))
            hint = lines or f"{types}; --trace names the lines"
            found.append(f"memory {when} grew by {more:.2f} MB: {hint}")
    for what in ("descriptors", "threads", "children"):
        more = getattr(last.reading, what) - getattr(first.reading, what)
        if more > 0:
            found.append(f"{more} {what} left over; threads: {last.inside['threads']}")
    if left := _grown(first.inside["tasks"], last.inside["tasks"]):
        found.append(f"tasks left over: {left}")
    return found


def _grown(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """What there is more of, the most first."""
    more = {name: count - before.get(name, 0) for name, count in after.items()}
    return {n: c for n, c in sorted(more.items(), key=lambda item: -item[1]) if c > 0}
