"""Keeps the switches of a segment aware of where this host is."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from vipd.linux.wire import Wire

#: Seconds between two frames. Switches forget a MAC address after 300 s (IEEE 802.1Q, 8.8.3), some
#: after 60 s if their table is full.
EVERY = 45.0
_LOOPBACK = 0x9000  # EtherType of the Configuration Testing Protocol
_FRAME = 60  # bytes, the shortest that Ethernet has


class SwitchMemory:
    """A backup says nothing by itself. Where advertisements are unicast, a switch that has
    forgotten its MAC address floods every one of them to all ports. So this host sends a frame to
    itself now and then: the switch learns the port, and passes it on to nobody."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wire: Callable[[], Wire | None]) -> None:
        self._loop = loop
        self._wire = wire
        self._timer: asyncio.TimerHandle | None = None

    def follow(self, wanted: bool) -> None:
        """Begin, go on, or end."""
        if wanted and self._timer is None:
            self._send()
        elif not wanted:
            self.close()

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _send(self) -> None:
        self._timer = self._loop.call_later(EVERY, self._send)
        if wire := self._wire():
            frame = wire.mac + wire.mac + _LOOPBACK.to_bytes(2, "big")
            with suppress(OSError):  # advertisements, which matter, report it
                wire.send_frame(frame.ljust(_FRAME, b"\0"))
