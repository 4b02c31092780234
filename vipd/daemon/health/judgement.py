"""From single runs of a check to its verdict: how many count, and how long one stands."""

from vipd.config.health_fields import Check
from vipd.daemon.health.hold import Hold


class Judgement:
    """The verdict of one check. ``well``: None before the first one; the first good run is one, so
    that a host that starts healthy need not wait. ``since``: when it became so."""

    def __init__(self, check: Check, now: float) -> None:
        self.well: bool | None = None
        self.since = now
        #: Runs one after the other that say the other thing than ``well``.
        self.against = 0
        self._check = check
        self._hold = Hold(check.hold)

    @property
    def held_until(self) -> float:
        """A failed check does not recover before."""
        return self._hold.until

    @property
    def needed(self) -> int:
        """How many more runs that say the other thing change the verdict; bad ones, if there is
        none."""
        enough = self._check.rise if self.well is False else self._check.fall
        return max(0, enough - self.against)

    def resume(self, before: "Judgement") -> None:
        """Go on with what this one has found."""
        self.well, self.since, self.against = before.well, before.since, before.against
        self._hold.resume(before._hold)

    def add(self, good: bool, now: float) -> bool:
        """Count a run that has ended now; whether the verdict is another."""
        if good is self.well:
            self.against = 0
            return False
        self.against += 1
        if self.well is None and good:
            enough = True
        elif good:
            enough = self.against >= self._check.rise and now >= self.held_until
        else:
            enough = self.against >= self._check.fall
        return enough and self._become(good, now)

    def _become(self, well: bool, now: float) -> bool:
        if not well:
            self._hold.failed(now)
        elif self.well is False:
            self._hold.recovered(now)
        self.well, self.since, self.against = well, now, 0
        return True
