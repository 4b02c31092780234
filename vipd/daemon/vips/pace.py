"""Spreads the repeated announcements of all VIPs of a host over time."""

from collections.abc import Callable

#: Frames a second, all VIPs together, on average.
PER_SECOND = 50.0


class Pace:
    """``clock``: the loop's."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._free_at = 0.0

    def reserve(self, frames: int) -> float:
        """When to send so many frames: now, or when those that were reserved before are over."""
        at = max(self._clock(), self._free_at)
        self._free_at = at + frames / PER_SECOND
        return at
