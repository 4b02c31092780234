"""Connections from any client: few at a time, and still every client gets a turn.

A client that connects and sends nothing, even repeatedly, must not keep others out. So when all
places are taken, one connection is closed: of the host that holds most places, the one that has
been silent for longest. Each connection may stay for a minimum time; until then the others wait in
the kernel's queue, in the order in which they came.
"""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from vipd.daemon.base import tasks

#: Connections at a time.
PLACES = 16
#: Seconds that each may stay at least: one that has sent nothing, and one that has sent a request.
STAY_SILENT, STAY = 0.1, 0.5
#: Seconds between two accepted connections, so that a flood takes little of a processor.
PAUSE = 0.005
#: The same when descriptors or memory are short.
_NO_ROOM = 1.0
#: Connections that wait in the kernel's queue.
BACKLOG = 128


class Visitor:
    """One connection; ``host`` is the host it comes from, or its user."""

    def __init__(self, connection: socket.socket, host: object, since: float) -> None:
        self.socket = connection
        self.host = host
        self.since = since
        self.spoke = False  # it has sent its request
        self.task: asyncio.Task[None] | None = None


Serve = Callable[[Visitor], Awaitable[None]]


class Visitors:
    """Accepts connections on a listening socket, which it owns; ``serve`` closes each of them."""

    def __init__(self, listening: socket.socket, serve: Serve) -> None:
        self._listening = listening
        self._serve = serve
        self._loop = asyncio.get_running_loop()
        self._visitors: set[Visitor] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._later: asyncio.TimerHandle | None = None
        self._listen()

    async def close(self) -> None:
        """Stop listening, and end all connections."""
        self._loop.remove_reader(self._listening)
        if self._later:
            self._later.cancel()
        self._listening.close()
        for visitor in list(self._visitors):
            self._dismiss(visitor)
        if self._leaving:
            await asyncio.wait(self._leaving)

    def _listen(self) -> None:
        self._loop.add_reader(self._listening, self._take_in)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listening)
        self._later = self._loop.call_later(seconds, self._listen)

    def _take_in(self) -> None:
        self._pause(PAUSE)
        if len(self._visitors) >= PLACES and not self._make_room():
            return
        try:
            connection, address = self._listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):  # it has gone
            return
        except OSError:
            if self._later:
                self._later.cancel()
            self._pause(_NO_ROOM)
            return
        connection.setblocking(False)
        visitor = Visitor(connection, _host(connection, address), self._loop.time())
        self._visitors.add(visitor)
        visitor.task = tasks.start(self._stay(visitor), "a connection to METRICS_LISTEN")
        visitor.task.add_done_callback(lambda _: self._visitors.discard(visitor))

    async def _stay(self, visitor: Visitor) -> None:
        try:
            await self._serve(visitor)
        finally:
            visitor.socket.close()

    def _make_room(self) -> bool:
        """Whether a connection had to be closed."""
        places = Counter(visitor.host for visitor in self._visitors)
        most, now = max(places.values()), self._loop.time()
        those = [
            visitor
            for visitor in self._visitors
            if places[visitor.host] == most
            and now - visitor.since >= (STAY if visitor.spoke else STAY_SILENT)
        ]
        if not those:
            return False
        self._dismiss(min(those, key=lambda visitor: (visitor.spoke, visitor.since)))
        return True

    def _dismiss(self, visitor: Visitor) -> None:
        self._visitors.discard(visitor)
        if task := visitor.task:
            task.cancel()
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)


def _host(connection: socket.socket, address: object) -> object:
    """The key for counting places: an IPv4 address, an IPv6 /64 network, or a user."""
    if connection.family == socket.AF_UNIX:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return struct.unpack("3i", credentials)[1]
    assert isinstance(address, tuple)
    host = ip_address(address[0].partition("%")[0])
    return host if host.version == 4 else int(host) >> 64
