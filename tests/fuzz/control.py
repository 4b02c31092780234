"""What a client of the control socket may send: every call gets its answers, nothing else happens.

A real connection to the daemon's own server; what stands behind it
(`vipd.daemon.control.server.Session`) is replaced by somebody who has an answer or a
declared error for everything.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

from asyncvarlink import VarlinkInterfaceRegistry
from asyncvarlink.serviceinterface import VarlinkServiceInterface

from vipd.api.events import Event
from vipd.api.io_vipd import (
    INTERFACE,
    Daemon,
    Handover,
    LogLevel,
    NotPermitted,
    OutOfRange,
    Problem,
    Reloaded,
    UnknownVip,
    VipdInterface,
    VipStatus,
)
from vipd.carp.states import State
from vipd.daemon.control.connections import Connections, Turns

#: Errors that an answer may have.
DECLARED = {f"{INTERFACE}.{error.__name__}" for error in VipdInterface.errors} | {
    f"org.varlink.service.{name}"
    for name in (
        "InterfaceNotFound",
        "MethodNotFound",
        "MethodNotImplemented",
        "InvalidParameter",
        "PermissionDenied",
        "ExpectedMore",
    )
}


GREETING = b'{"method":"org.varlink.service.GetInfo"}\0'


def check(data: bytes) -> None:
    runner, server = _server()
    answers = runner.run(server.asked(GREETING + data))
    assert not server.broken, server.broken
    if answers is None:
        return
    greeted, *replies, rest = answers.split(b"\0")
    assert json.loads(greeted)["parameters"]["product"] == "vipd"
    assert len(replies) <= 2 * data.count(b"\0")  # a stream has two
    assert not rest
    for answer in replies:
        reply = json.loads(answer)
        assert reply.keys() <= {"parameters", "continues", "error"}
        assert isinstance(reply.get("parameters", {}), dict)
        assert reply.get("error") in DECLARED | {None}, reply


class Clerk:
    """Has an answer to whatever is asked properly; knows the VIP 001 only."""

    def _look_up(self, ids: list[str] | None) -> None:
        for wanted in ids or ():
            assert isinstance(wanted, str)
            if wanted != "001":
                raise UnknownVip(id=wanted)

    async def vips(self, ids: list[str] | None) -> AsyncIterator[list[VipStatus]]:
        self._look_up(ids)
        yield []
        yield []

    async def monitor(self, ids: list[str] | None, after: int | None) -> AsyncIterator[list[Event]]:
        self._look_up(ids)
        assert after is None or isinstance(after, int)
        yield []
        yield []

    async def history(self, ids: list[str] | None, limit: int | None) -> AsyncIterator[list[Event]]:
        self._look_up(ids)
        if limit is not None and limit < 0:
            raise OutOfRange(parameter="limit", text="0 or more")
        yield []

    async def problems(self) -> list[Problem]:
        return []

    async def describe(self) -> Daemon:
        raise NotPermitted(text="not today")

    async def reload(self) -> Reloaded:
        return {"outcomes": [], "problems": []}

    async def demote(self, ids: list[str] | None, hold: float) -> list[Handover]:
        self._look_up(ids)
        if not 0 <= hold <= 86400:
            raise OutOfRange(parameter="hold", text="0 to 86400 seconds")
        return [Handover("001", State.MASTER, State.BACKUP, None, hold)]

    async def maintenance(self, ids: list[str] | None, on: bool) -> list[Handover]:
        self._look_up(ids)
        assert isinstance(on, bool)
        return []

    async def set_log_level(self, level: LogLevel) -> LogLevel:
        assert level in ("debug", "info", "warning", "error")
        return level


class Server:
    """The daemon's control socket, with a clerk behind it; `broken` is what went wrong in it."""

    def __init__(self) -> None:
        self.broken: list[Any] = []
        self._directory = tempfile.TemporaryDirectory()
        self._path = Path(self._directory.name) / "socket"
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: self.broken.append(context)
        )
        registry = VarlinkInterfaceRegistry()
        clerk = VipdInterface(Clerk())
        about = VarlinkServiceInterface("vipd", "vipd", "0", "", registry)
        registry.register_interface(clerk)
        registry.register_interface(about)
        self._connections = Connections(lambda _: (clerk, about), lambda _: None, Turns())
        self._connections._ended = self._ended  # type: ignore[method-assign]
        self._connections.listen(self._path, None)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._connections._tasks[task]
        if error := task.exception():
            self.broken.append(error)

    async def asked(self, data: bytes) -> bytes | None:
        """Everything that is answered to a client that says this and no more. None when the server
        had enough before it had read all, which takes the answers before with it."""
        reader, writer = await asyncio.open_unix_connection(self._path)
        answers = bytearray()
        try:
            writer.write(data)
            writer.write_eof()
            async with asyncio.timeout(60):
                while part := await reader.read(65536):
                    answers += part
                await writer.drain()
        except (BrokenPipeError, ConnectionResetError):
            return None
        finally:
            writer.close()
            async with asyncio.timeout(60):
                while len(self._connections):
                    await asyncio.sleep(0)
        return bytes(answers)


@cache
def _server() -> tuple[asyncio.Runner, Server]:
    runner = asyncio.Runner()

    async def start() -> Server:
        return Server()

    return runner, runner.run(start())
