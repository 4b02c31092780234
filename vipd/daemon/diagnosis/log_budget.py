"""A limit on the problems that are logged: one budget for the whole host."""

import asyncio

from vipd.api.events import Kind
from vipd.daemon.events.hub import DAEMON, Hub


class LogBudget:
    """A token bucket for all VIPs and interfaces together: under 100 lines in any minute, however
    many frames are forged. `vipctl doctor` still shows the problems that are not logged, and one
    line a minute gives their number. Only for the loop's thread."""

    BURST = 40.0  # lines
    PER_SECOND = 0.5
    #: Lines that are reserved for problems that cannot be forged: a problem that any host in the
    #: network segment can cause is logged only while more than these are left.
    RESERVE = 15.0
    #: Seconds from the first problem that was not logged to the line with their number, and the
    #: least time between two of these lines.
    SUMMARY_AFTER = 5.0
    SUMMARY_EVERY = 60.0

    def __init__(self, loop: asyncio.AbstractEventLoop, hub: Hub) -> None:
        self._loop = loop
        self._hub = hub
        self._left = self.BURST
        self._at = loop.time()
        #: Problems that were not logged, since the start.
        self.unlogged = 0
        self._untold = 0
        self._summary: asyncio.TimerHandle | None = None
        self._summarised = self._at - self.SUMMARY_EVERY

    def take(self, forgeable: bool) -> bool:
        """Whether a problem may be logged now; it is counted either way."""
        now = self._loop.time()
        self._left = min(self.BURST, self._left + (now - self._at) * self.PER_SECOND)
        self._at = now
        if self._left >= 1 + (self.RESERVE if forgeable else 0):
            self._left -= 1
            return True
        self.unlogged += 1
        self._untold += 1
        if self._summary is None:
            at = max(now + self.SUMMARY_AFTER, self._summarised + self.SUMMARY_EVERY)
            self._summary = self._loop.call_at(at, self._summarise)
        return False

    def _summarise(self) -> None:
        self._summary, self._summarised = None, self._loop.time()
        count, self._untold = self._untold, 0
        self._hub.publish(
            DAEMON,
            Kind.PROBLEM,
            f"{count} more problems were not logged, because there are too many at once: run "
            "`vipctl doctor`, which shows all of them",
            code="unlogged",
        )
