"""What waits until every group has its addresses: events, and files that are written."""

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf

Work = Callable[[], None]


class Afterwards:
    """Work that is done when no alarm is due any more, in order: at once, as a rule. When hundreds
    of groups take over at the same moment, nobody waits for it as for their addresses. ``due``:
    whether an alarm is due."""

    #: It waits no longer than the first, and then holds up the loop no longer than the second,
    #: seconds.
    PATIENCE, SLICE = 1.0, 0.01

    def __init__(self, loop: asyncio.AbstractEventLoop, due: Callable[[], bool]) -> None:
        self._loop = loop
        self._due = due
        self._waiting: deque[Work] = deque()
        self._busy_since = inf  # the alarms have been busy since then
        self._coming = False  # `rest` will be called

    def __call__(self, work: Work) -> None:
        """Do this."""
        if self._busy_since == inf and not self._waiting:
            work()
        else:
            self._waiting.append(work)

    def begin(self) -> None:
        """Alarms have their turn now."""
        self._busy_since = min(self._busy_since, self._loop.time())

    def rest(self) -> None:
        """They had it: do what waits, unless others are due."""
        self._coming = False
        now = self._loop.time()
        if not self._due():
            self._busy_since = inf
        elif now - self._busy_since < self.PATIENCE:
            return  # this is called after their turn, too
        while self._waiting and self._loop.time() - now < self.SLICE:
            try:
                self._waiting.popleft()()
            except Exception as error:  # the others are done all the same
                about = {"message": "what waited for the alarms", "exception": error}
                self._loop.call_exception_handler(about)
        if self._waiting and not self._coming:
            self._coming = True
            self._loop.call_soon(self.rest)
