"""Keeps what fails again and again from moving the address each time."""

from math import inf

#: Seconds: who fails again within the first after a recovery is held for twice as long as last
#: time, up to the second.
_SOON, _LONGEST = 300.0, 600.0


class Hold:
    """How long something that has failed stays so at least: ``seconds`` (0: it is never held), and
    longer each time if it fails again soon after a recovery. ``spares_first``: only who fails again
    soon is held at all. ``until``: it does not recover before this time of the clock."""

    def __init__(self, seconds: float, *, spares_first: bool = False) -> None:
        self._failed = -inf
        self._seconds = seconds
        self._spares_first = spares_first
        self._held = 0.0
        self._recovered = -inf

    @property
    def until(self) -> float:
        return self._failed + self._held

    def resume(self, before: "Hold") -> None:
        """Go on as this one would have. Fewer seconds than it had count at once, more from the next
        failure on."""
        self._failed, self._recovered = before._failed, before._recovered
        same = self._seconds == before._seconds
        self._held = before._held if same else min(before._held, self._seconds)

    def failed(self, now: float) -> None:
        """It has failed."""
        if now - self._recovered < _SOON:
            self._held = max(self._seconds, min(2 * self._held, _LONGEST))
        else:
            self._held = 0.0 if self._spares_first else self._seconds
        self._failed = now

    def recovered(self, now: float) -> None:
        """It is well again."""
        self._recovered = now
