"""Serves the metrics over HTTP, in the event loop, without delaying its other work.

Clients may be slow, silent, or many: connections are few and short (see
`vipd.daemon.base.visitors`), and the text is made once a second at most, in small pieces between
which the loop does its other work.
"""

import asyncio
import importlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vipd.config.model import Settings, Tcp, Unix
from vipd.daemon.base import local_socket, tasks
from vipd.daemon.base.local_socket import Identity
from vipd.daemon.base.visitors import BACKLOG, Visitor, Visitors
from vipd.daemon.log.logger import Log

if TYPE_CHECKING:
    from vipd.daemon.metrics.text import Exposition
    from vipd.daemon.metrics.views import DaemonView

#: Seconds between two turns of the loop while the text is made.
SLICE = 0.002
#: Seconds for which a text is used for further requests.
FRESH = 1.0
#: Seconds that a client has for its request, and then for taking the answer.
PATIENCE_TO_ASK, PATIENCE = 3.0, 10.0
#: Longest request, bytes.
REQUEST = 8192
#: Seconds until listening is tried again after it failed.
RETRY = 10.0

#: Modules to import one by one: all at once take a tenth of a second, and would delay
#: advertisements.
_BITS = (
    *("email.message", "email.parser", "html", "http.client", "http.server", "urllib.request"),
    *("wsgiref.simple_server", "gzip", "decimal", "timeit", "prometheus_client"),
    *("vipd.daemon.metrics.families", "vipd.daemon.metrics.text"),
)
_ROOT = b"vipd: the metrics are at /metrics\n"


class Exporter:
    """Serves the metrics that ``look`` returns."""

    def __init__(self, look: "Callable[[], DaemonView]") -> None:
        self._look = look
        self._log = Log()
        self._listen: Tcp | Unix | None = None
        self._visitors: Visitors | None = None
        self._file: Identity | None = None  # of the unix socket that we made
        self._opening: asyncio.Task[None] | None = None
        self._exposition: Exposition | None = None
        self._text: asyncio.Task[bytes] | None = None
        self._made = float("-inf")

    async def configure(self, settings: Settings) -> None:
        """From now on, serve only at METRICS_LISTEN."""
        where = settings.metrics_listen
        if where == self._listen:
            return
        await self.close()
        self._listen = where
        if where:
            self._opening = tasks.start(self._open(where), "opening METRICS_LISTEN")

    async def close(self) -> None:
        """Stop serving, at once."""
        if self._opening:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if isinstance(self._listen, Unix) and self._file:
            local_socket.remove(Path(self._listen.path), self._file)
        if self._visitors:
            await self._visitors.close()
        if self._text:
            self._text.cancel()
            await asyncio.wait([self._text])
        self._listen = self._visitors = self._file = None
        self._opening = self._exposition = self._text = None

    async def _open(self, where: Tcp | Unix) -> None:
        """Start to listen; if that fails, log why, and try again until it works."""
        self._exposition = await _load()
        told = ""
        while self._visitors is None:
            try:
                self._visitors = Visitors(self._bind(where), self._client)
            except OSError as error:
                why = error.strerror or str(error)
                if why != told:
                    self._log.error(
                        "metrics cannot be served on %s: %s; correct METRICS_LISTEN, or make room "
                        "there: it is tried again every %g s",
                        where,
                        why,
                        RETRY,
                        extra={"reason": why},
                    )
                told = why
                await asyncio.sleep(RETRY)
        self._log.info("metrics are served on %s", where)

    def _bind(self, where: Tcp | Unix) -> socket.socket:
        if isinstance(where, Unix):
            # As open as a port of 127.0.0.1: the directory's mode restricts access.
            listening, self._file = local_socket.listen(Path(where.path), 0o666, BACKLOG)
            return listening
        # No name lookup: it is an address already, perhaps with a scope.
        family, *_, address = socket.getaddrinfo(
            str(where.address), where.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )[0]
        listening = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            listening.setblocking(False)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind(address)
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            raise
        return listening

    async def _client(self, visitor: Visitor) -> None:
        reader, writer = await asyncio.open_connection(sock=visitor.socket, limit=REQUEST)
        try:
            async with asyncio.timeout(PATIENCE_TO_ASK):
                request = await reader.readuntil(b"\r\n\r\n")
            visitor.spoke = True
            async with asyncio.timeout(PATIENCE):
                writer.write(await self._answer(request))
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client has gone
        finally:
            writer.transport.abort()

    async def _answer(self, request: bytes) -> bytes:
        method, _, rest = request.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method not in (b"GET", b"HEAD"):
            return _response("405 Method Not Allowed", b"only GET\n")
        if path == b"/":
            return _response("200 OK", _ROOT)
        if path != b"/metrics":
            return _response("404 Not Found", _ROOT)
        try:
            text = await self._fresh()
        except Exception:  # a bug: it is logged, and must not stop the daemon
            return _response("500 Internal Server Error", b"see vipd's log\n")
        from vipd.daemon.metrics.text import CONTENT_TYPE

        return _response("200 OK", text, CONTENT_TYPE, empty=method == b"HEAD")

    async def _fresh(self) -> bytes:
        """The text; clients that ask while it is made, or shortly after, share it."""
        now = asyncio.get_running_loop().time()
        if self._text is None or (self._text.done() and now - self._made > FRESH):
            self._made = now
            self._text = tasks.start(self._write(), "making the text of the metrics")
        return await asyncio.shield(self._text)

    async def _write(self) -> bytes:
        assert self._exposition
        clock = asyncio.get_running_loop().time
        pieces = []
        end = clock() + SLICE
        for piece in self._exposition.pieces(self._look()):
            pieces.append(piece)
            if clock() >= end:
                await asyncio.sleep(0)
                end = clock() + SLICE
        return b"".join(pieces)


async def _load() -> "Exposition":
    for name in _BITS:
        importlib.import_module(name)
        await asyncio.sleep(0)
    from vipd.daemon.metrics.text import Exposition

    return Exposition()


def _response(
    status: str, body: bytes, kind: str = "text/plain; charset=utf-8", *, empty: bool = False
) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if empty else body)
