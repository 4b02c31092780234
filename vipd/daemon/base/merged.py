"""Merges calls that come close together: signals may come by the thousand."""

import asyncio
from collections.abc import Callable

#: Seconds between two calls.
_APART = 0.25


class Merged:
    """Calls ``act`` at once, and while more calls come, again every `_APART` seconds. The last call
    is never lost."""

    def __init__(self, loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
        self._loop = loop
        self._act = act
        self._resting = False
        self._again = False

    def __call__(self) -> None:
        if self._resting:
            self._again = True
            return
        self._resting = True
        self._loop.call_later(_APART, self._rested)
        self._act()

    def _rested(self) -> None:
        self._resting = False
        if self._again:
            self._again = False
            self()
