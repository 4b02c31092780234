"""Verdicts from what is seen of a thing: only what lasts counts."""

import asyncio

from vipd.daemon.health.hold import Hold
from vipd.daemon.health.settings import Times
from vipd.daemon.health.verdict import Changed, Verdict, not_before

#: Seconds of lateness from which on a timer does not decide before the loop has read what waits.
_LATE = 0.1


class Debounced:
    """A tracked thing is well at once when it is seen for the first time and nothing is wrong with
    it; from then on a verdict changes when the opposite has lasted for its time. Until the first
    verdict a thing in trouble has none, so one that is just being started does no harm. One that is
    in trouble again soon after it was well again is held."""

    def __init__(self, loop: asyncio.AbstractEventLoop, times: Times, changed: Changed) -> None:
        self.verdict = Verdict(None, loop.time())
        self._loop = loop
        self._times = times
        self._changed = changed
        self._hold = Hold(times.hold, spares_first=True)
        self._trouble = ""  # as it was seen last
        self._timer: asyncio.TimerHandle | None = None

    def resume(self, before: "Debounced") -> None:
        """Go on with what this one has seen."""
        self._hold.resume(before._hold)
        self.verdict = before.verdict
        self._say(before.verdict.said)

    def see(self, trouble: str) -> None:
        """What is wrong with it now, one line that is safe to print; "": nothing."""
        well = not trouble
        self._trouble = trouble
        first = well and self.verdict.well is None
        if first or (not well and self.verdict.well and not self._times.down):
            self._decide()
        elif well is self.verdict.well:
            self.close()
            if trouble != self.verdict.said:
                self._say(trouble)
        elif self._timer is None:
            if well:
                self._say("in order again, but not for long enough yet")
            now = self._loop.time()
            due = max(now + self._times.up, self._hold.until) if well else now + self._times.down
            self._set(due)

    def unknown(self, why: str) -> None:
        """It cannot be seen: the verdict stays as it is."""
        self.close()
        if why != self.verdict.said:
            self._say(why)

    def close(self) -> None:
        """Wait no more."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _set(self, when: float) -> None:
        self._timer = self._loop.call_at(when, self._due, when)

    def _due(self, when: float) -> None:
        now = self._loop.time()
        if now - when > _LATE:
            # Stopped, or starved: what happened meanwhile is read before anything is decided.
            self._set(now)
        else:
            self._decide()

    def _decide(self) -> None:
        self.close()
        now = self._loop.time()
        if self._trouble:
            self._hold.failed(now)
        elif self.verdict.well is False:
            self._hold.recovered(now)
        self.verdict = Verdict(not self._trouble, now)
        self._say(self._trouble)

    def _say(self, said: str) -> None:
        held = not_before(self._hold.until - self._loop.time())
        ends = f"when that has been over for {self._times.up:g} s (TRACK_UP){held}"
        ends = ends if self.verdict.well is False else ""
        self.verdict = Verdict(self.verdict.well, self.verdict.since, said, ends)
        self._changed()
