"""Announces the addresses of a master again and again (ANNOUNCE_EVERY)."""

import asyncio
import random
from collections.abc import Callable

from vipd.daemon.vips.pace import Pace


class Repeater:
    """``announce(reply)``: announce all addresses, as ARP replies or requests. Some switches and
    hosts believe only one of them. ``pace``: shared by all VIPs; when they have more to announce
    than it lets pass, each is announced less often than every so many seconds."""

    def __init__(self, announce: Callable[[bool], None], pace: Pace) -> None:
        self._announce = announce
        self._pace = pace
        self._every = 0
        self._frames = 0
        self._reply = False
        self._next: asyncio.TimerHandle | None = None

    def start(self, every: int, frames: int) -> None:
        """Announce every so many seconds from now on, which takes this many frames; 0: never. The
        first time comes at random, so that hundreds of VIPs are spread out."""
        self.stop()
        if every:
            self._every, self._frames = every, frames
            self._in(every * random.random())

    def stop(self) -> None:
        """Announce no more."""
        if self._next:
            self._next.cancel()
            self._next = None

    def _in(self, seconds: float) -> None:
        self._next = asyncio.get_running_loop().call_later(seconds, self._when_there_is_room)

    def _when_there_is_room(self) -> None:
        at = self._pace.reserve(self._frames)
        self._next = asyncio.get_running_loop().call_at(at, self._again)

    def _again(self) -> None:
        self._in(self._every)
        reply, self._reply = self._reply, not self._reply
        self._announce(reply)
