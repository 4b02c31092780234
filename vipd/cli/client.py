"""The daemon as commands see it: its varlink interface, typed, and why it cannot be reached.

Each command makes one connection: ``run(settings, act)`` calls ``act(daemon)`` with it.
"""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import click
from asyncvarlink import VarlinkClientProtocol, VarlinkErrorReply, VarlinkTransport
from asyncvarlink.conversion import ConversionError

from vipd.api.events import Event
from vipd.api.io_vipd import (
    SOCKET,
    Busy,
    Daemon,
    Handover,
    LogLevel,
    NotKept,
    NotPermitted,
    NotRead,
    OutOfRange,
    Problem,
    Reloaded,
    UnknownVip,
    VipdInterface,
    VipStatus,
)
from vipd.cli.paths import RUNTIME_DIR, Settings
from vipd.cli.text import safe

#: Exit statuses of all commands that ask the daemon.
FINE, ATTENTION, UNREACHABLE = 0, 1, 2
PATIENCE = 5.0
"""Seconds in which a running daemon answers anything except a hand-over or a reload."""
LONG_PATIENCE = 60.0
"""Seconds for a reload or a hand-over, which waits for scripts and successors."""
_AGAIN = 0.02
"""Seconds until the next try when too many others are connecting."""

_Result = TypeVar("_Result")


class CommandError(Exception):
    """The command cannot be carried out: what is wrong, what to do about it, the exit status."""

    def __init__(self, message: str, hint: str, status: int = ATTENTION) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint
        self.status = status


class Client:
    """The methods of io.vipd. They raise CommandError."""

    def __init__(self, protocol: VarlinkClientProtocol, patience: float = PATIENCE) -> None:
        self._proxy = protocol.make_proxy(VipdInterface)
        self._patience = patience

    async def vips(self, ids: list[str] | None = None) -> list[VipStatus]:
        """The VIPs of these IDs, or all, by ID."""
        vips: list[VipStatus] = []
        async with asyncio.timeout(self._patience):
            async for some in self._proxy.List(ids=ids):
                vips += some["vips"]
        return vips

    async def vip(self, identifier: str) -> VipStatus:
        """One VIP."""
        (vip,) = await self.vips([identifier])
        return vip

    async def history(self, ids: list[str] | None, limit: int | None = None) -> list[Event]:
        """The last `limit` events that are known, oldest first; of these VIPs, or all."""
        events: list[Event] = []
        async with asyncio.timeout(self._patience):
            async for some in self._proxy.History(ids=ids, limit=limit):
                events += some["events"]
        return events

    async def events(self, ids: list[str] | None, after: int) -> AsyncIterator[list[Event]]:
        """Events with a number above `after`, as they happen."""
        async for some in self._proxy.Monitor(ids=ids, after=after):
            yield some["events"]

    async def problems(self) -> list[Problem]:
        """Everything that is wrong now."""
        async with asyncio.timeout(self._patience):
            return list((await self._proxy.Problems())["problems"])

    async def describe(self) -> Daemon:
        """The daemon itself."""
        async with asyncio.timeout(self._patience):
            daemon: Daemon = await self._proxy.Describe()
        return daemon

    async def reload(self) -> Reloaded:
        """Read the files again; returns when that is done."""
        async with asyncio.timeout(LONG_PATIENCE):
            reloaded: Reloaded = await self._proxy.Reload()
        return reloaded

    async def demote(self, ids: list[str] | None, hold: float) -> list[Handover]:
        """Hand over, and stay backup for `hold` seconds."""
        async with asyncio.timeout(LONG_PATIENCE):
            return list((await self._proxy.Demote(ids=ids, hold=hold))["handovers"])

    async def maintenance(self, ids: list[str] | None, on: bool) -> list[Handover]:
        """Switch maintenance on or off."""
        async with asyncio.timeout(LONG_PATIENCE):
            return list((await self._proxy.Maintenance(ids=ids, on=on))["handovers"])

    async def set_log_level(self, level: LogLevel) -> LogLevel:
        """Returns the level before."""
        async with asyncio.timeout(self._patience):
            before: LogLevel = (await self._proxy.SetLogLevel(level=level))["before"]
        return before


def ask(
    settings: Settings,
    act: Callable[[Client], Awaitable[_Result]],
    patience: float = PATIENCE,
) -> _Result:
    """`act` with a connection to the daemon. Raises CommandError, also when no answer comes in
    `patience` seconds."""
    return asyncio.run(connected(settings, act, patience))


def run(settings: Settings, act: Callable[[Client], Awaitable[_Result]]) -> _Result:
    """The same for a command: a CommandError is printed on stderr and ends the command."""
    try:
        return ask(settings, act)
    except CommandError as error:
        click.echo(f"vipctl: {error.message}\n    {error.hint}", err=True)
        sys.exit(error.status)
    except KeyboardInterrupt:
        sys.exit(130)


async def connected(
    settings: Settings, act: Callable[[Client], Awaitable[_Result]], patience: float
) -> _Result:
    """`ask`, for a caller whose event loop already runs."""
    path = settings.runtime_dir / SOCKET
    shown = safe(str(path))
    try:
        async with asyncio.timeout(patience):
            connection = await _connection(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        raise CommandError(
            f"vipd does not run: nobody listens on {shown}",
            f"start it (systemctl start vipd){_elsewhere(settings)}",
            UNREACHABLE,
        ) from None
    except PermissionError:
        raise CommandError(
            f"no permission to use {shown}",
            "run this as root, or as a member of the group vipd (usermod -aG vipd USER)",
            UNREACHABLE,
        ) from None
    except TimeoutError:
        raise _silent() from None
    except OSError as error:
        raise CommandError(
            f"{shown} cannot be used: {error.strerror or error}",
            "look at that file, or name another directory with --runtime-dir",
            UNREACHABLE,
        ) from None
    protocol = VarlinkClientProtocol()
    transport = VarlinkTransport(asyncio.get_running_loop(), connection, connection, protocol)
    try:
        await asyncio.sleep(0)  # lets the transport call connection_made of the protocol
        return await act(Client(protocol, patience))
    except VarlinkErrorReply as error:
        raise _refused(error) from None
    except TimeoutError:
        raise _silent() from None
    except OSError:
        raise CommandError(
            "vipd closed the connection",
            "it may have been stopped meanwhile: try again, or look at its log",
            UNREACHABLE,
        ) from None
    except ConversionError as error:
        raise CommandError(
            f"vipd speaks another version of the interface: {safe(str(error.message))}",
            "restart vipd after an upgrade, so that both are of the same version",
            UNREACHABLE,
        ) from None
    finally:
        transport.close()
        # Shielded, because the transport itself must be able to end it.
        await asyncio.shield(transport.closed_future)


async def _connection(path: str) -> socket.socket:
    """Raises OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        connection.setblocking(False)
        while True:
            try:
                connection.connect(path)
            except BlockingIOError:  # too many are waiting; asyncio takes this for connected
                await asyncio.sleep(_AGAIN)
            else:
                return connection
    except BaseException:
        connection.close()
        raise


def _silent() -> CommandError:
    return CommandError(
        "vipd does not answer",
        "see whether it is stopped or starved (systemctl status vipd; ps -C vipd), and its log",
        UNREACHABLE,
    )


def _elsewhere(settings: Settings) -> str:
    """Another possible cause, if no directory was given."""
    if settings.runtime_dir != RUNTIME_DIR:
        return ""
    return ", or say where it listens with --runtime-dir"


def _refused(error: VarlinkErrorReply) -> CommandError:
    """The daemon's refusal as an error for the user."""
    match error:
        case UnknownVip():
            hint = "vipctl status lists those that run, vipctl check what the files say"
            return CommandError(f"there is no VIP {safe(error.p_id)}", hint)
        case NotPermitted():
            return CommandError("not permitted", safe(error.p_text))
        case OutOfRange():
            return CommandError(f"{safe(error.p_parameter)} is out of range", safe(error.p_text))
        case NotKept():
            hint = "make that directory writable for vipd (--state-dir names it)"
            return CommandError(f"nothing was changed: {safe(error.p_text)}", hint)
        case NotRead():
            hint = (
                "vipd goes on as it was and tries again by itself; see vipctl doctor, and its log"
            )
            return CommandError(f"the files are not applied: {safe(error.p_text)}", hint)
        case Busy():
            hint = "end clients that you do not need, and try again"
            return CommandError(f"vipd is busy: {safe(error.p_text)}", hint, UNREACHABLE)
    return CommandError(
        f"vipd answered {safe(str(error))}", "compare the versions with: vipctl version"
    )
