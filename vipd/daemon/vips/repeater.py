"""Announces the addresses of a master periodically (ANNOUNCE_EVERY)."""

import asyncio
import random
from collections.abc import Callable


class Repeater:
    """``announce(reply)``: announce all addresses, with ARP replies or requests. Some switches and
    hosts accept only one of them."""

    def __init__(self, announce: Callable[[bool], None]) -> None:
        self._announce = announce
        self._every = 0
        self._reply = False
        self._next: asyncio.TimerHandle | None = None

    def start(self, every: int) -> None:
        """Announce every ``every`` seconds from now on; 0: never. The first time is random, so that
        hundreds of VIPs do not announce at once."""
        self.stop()
        if every:
            self._every = every
            self._in(every * random.random())

    def stop(self) -> None:
        """Stop announcing."""
        if self._next:
            self._next.cancel()
            self._next = None

    def _in(self, seconds: float) -> None:
        self._next = asyncio.get_running_loop().call_later(seconds, self._again)

    def _again(self) -> None:
        self._in(self._every)
        reply, self._reply = self._reply, not self._reply
        self._announce(reply)
