"""Connections to the control socket: varlink over a unix socket, for clients that are not trusted.

asyncvarlink's own server reads for as long as a client writes, and keeps messages and unfetched
answers of any length: a client could stop the daemon. So only its interfaces, types and errors are
used here. The number of connections, the length of messages, the size of unfetched answers and the
time for each are limited. Each turn of the event loop does one piece of work for all clients
together, so that an advertisement waits for one piece at most.
"""

import asyncio
import json
import select
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncvarlink import (
    AnnotatedResult,
    TypedVarlinkErrorReply,
    VarlinkErrorReply,
    VarlinkInterface,
    VarlinkInterfaceRegistry,
    VarlinkMethodCall,
    VarlinkMethodReply,
    VarlinkMethodSignature,
)
from asyncvarlink.conversion import ConversionError
from asyncvarlink.serviceerrors import InvalidParameter

from vipd.api.io_vipd import Busy, plain
from vipd.daemon.base import local_socket, tasks

#: Connections at the same time, of root and of all others together: others cannot lock root out.
CONNECTIONS = 32
#: Longest message from a client, bytes; 255 IDs are 2 kB.
LONGEST = 65536
#: Seconds for a client to complete a message, and to fetch an answer.
PATIENCE = 30.0
#: Seconds between two checks whether the client of a stream of answers is still connected.
_LOOK = 5.0
_BACKLOG = 64
#: Seconds until connections are accepted again when descriptors ran out.
_NO_ROOM = 1.0
_SO_PEERGROUPS = 59


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end, with its user and groups at the time when it connected, as the
    kernel reports them."""

    pid: int
    uid: int
    groups: frozenset[int]

    @classmethod
    def of(cls, connection: socket.socket) -> "Peer":
        """Raises OSError."""
        size = struct.calcsize("3i")
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        pid, uid, gid = struct.unpack("3i", credentials)
        # Python asks for 1024 bytes at most: OSError for a user in more than 256 groups.
        others = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, 1024)
        groups = struct.unpack(f"{len(others) // 4}i", others)
        return cls(pid, uid, frozenset((gid, *groups)))

    def __str__(self) -> str:
        return f"uid {self.uid}, process {self.pid}"


class Turns:
    """Allows one piece of work in each turn of the event loop, however many clients wait."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self._lock:
            try:
                yield
            finally:
                await asyncio.sleep(0)


Interfaces = Callable[[Peer], Sequence[VarlinkInterface]]
Admit = Callable[[Peer], TypedVarlinkErrorReply | None]


class Connections:
    """Listens on a unix socket. ``interfaces`` makes the interfaces that a client may call;
    ``admit`` returns the error for a client that may call nothing."""

    def __init__(self, interfaces: Interfaces, admit: Admit, turns: Turns) -> None:
        self._interfaces = interfaces
        self._admit = admit
        self._turns = turns
        self._loop = asyncio.get_running_loop()
        self._path = Path()
        self._socket: socket.socket | None = None
        self._file = (0, 0)
        self._later: asyncio.TimerHandle | None = None
        self._tasks: dict[asyncio.Task[None], Peer] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def listen(self, path: Path, group: int | None) -> None:
        """Listen at ``path``, for root and, if it is not None, the members of ``group``. Raises
        OSError."""
        mode = 0o600 if group is None else 0o660
        self._socket, self._file = local_socket.listen(path, mode, _BACKLOG, group)
        self._path = path
        self._accept_again()

    async def close(self) -> None:
        """Stop listening, and end every connection."""
        if self._socket:
            self._loop.remove_reader(self._socket)
            if self._later:
                self._later.cancel()
            self._socket.close()
            local_socket.remove(self._path, self._file)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accept_again(self) -> None:
        if self._socket:
            self._loop.add_reader(self._socket, self._accept, self._socket)

    def _accept(self, listening: socket.socket) -> None:
        """Accept one connection in each turn of the loop."""
        try:
            connection, _ = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):  # it has disconnected
            return
        except OSError:  # no descriptors left: the socket would stay readable, so pause
            self._loop.remove_reader(listening)
            self._later = self._loop.call_later(_NO_ROOM, self._accept_again)
            return
        try:
            peer = Peer.of(connection)
        except OSError:
            connection.close()
            return
        connection.setblocking(False)
        refusal = self._full(peer) or self._admit(peer)
        if refusal:
            with suppress(OSError):
                connection.send(_encoded(refusal.toreply()))
            connection.close()
            return
        serving = _Connection(connection, self._turns).serve(self._interfaces(peer))
        task = tasks.start(serving, "a control connection")
        self._tasks[task] = peer
        task.add_done_callback(self._ended)

    def _full(self, peer: Peer) -> Busy | None:
        of_root = peer.uid == 0
        if sum((other.uid == 0) == of_root for other in self._tasks.values()) < CONNECTIONS:
            return None
        whose = "root" if of_root else "users other than root"
        return Busy(text=f"{CONNECTIONS} connections of {whose} are open; close some")

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]


class _Connection:
    """One client: its calls are carried out one after the other, in order."""

    def __init__(self, connection: socket.socket, turns: Turns) -> None:
        self._socket = connection
        self._turns = turns

    async def serve(self, interfaces: Sequence[VarlinkInterface]) -> None:
        """Serve calls until the client closes its end or exceeds a limit."""
        registry = VarlinkInterfaceRegistry()
        for interface in interfaces:
            registry.register_interface(interface)
        self._reader, self._writer = await asyncio.open_unix_connection(
            sock=self._socket, limit=LONGEST
        )
        try:
            with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                while await self._call(registry):
                    pass
        finally:
            # Not close(): that would wait for a client that does not fetch its answers.
            if self._writer.transport.get_write_buffer_size():
                self._writer.transport.abort()
            self._writer.close()

    async def _call(self, registry: VarlinkInterfaceRegistry) -> bool:
        """Carry out the next call; return whether to read another."""
        try:
            async with asyncio.timeout(PATIENCE):
                message = await self._reader.readuntil(b"\0")
        except asyncio.LimitOverrunError:
            refusal = Busy(text=f"a message is {LONGEST} bytes long at most")
            await self._write(_encoded(refusal.toreply()))
            return False
        async with self._turns.turn():
            call = _decoded(message)
        if call is None:
            return False  # where the next message begins is unknown
        try:
            method, signature = registry.lookup_method(call)
            answers = method(**_parameters(signature, call))
            if signature.more:
                return await self._stream(answers)
            result = await answers if signature.asynchronous else answers
            return call.oneway or await self._answer(result)
        except VarlinkErrorReply as error:
            return call.oneway or await self._write(_encoded(error.toreply()))

    async def _stream(self, answers: AsyncGenerator[AnnotatedResult]) -> bool:
        """Send many answers, for as long as the client is connected."""
        async with aclosing(answers):
            while True:
                following = asyncio.ensure_future(anext(answers, None))
                try:
                    while not following.done():
                        await asyncio.wait({following}, timeout=_LOOK)
                        if self._hung_up():
                            return False
                finally:
                    following.cancel()
                    await asyncio.wait({following})
                result = following.result()
                if result is None:
                    return True
                await self._answer(result)

    async def _answer(self, result: AnnotatedResult) -> bool:
        async with self._turns.turn():
            reply = _encoded(VarlinkMethodReply(dict(result.parameters), result.continues))
        return await self._write(reply)

    async def _write(self, data: bytes) -> bool:
        self._writer.write(data)
        async with asyncio.timeout(PATIENCE):
            await self._writer.drain()
        return True

    def _hung_up(self) -> bool:
        """Whether the client has closed its socket; shutting down only its sending side is no."""
        poll = select.poll()
        poll.register(self._socket.fileno(), 0)
        return bool(poll.poll(0))


def _decoded(message: bytes) -> VarlinkMethodCall | None:
    """The call, or None if the message is not one."""
    try:
        return VarlinkMethodCall.fromjson(json.loads(message[:-1]))
    except (ValueError, TypeError, RecursionError):
        return None


def _parameters(signature: VarlinkMethodSignature, call: VarlinkMethodCall) -> dict[str, Any]:
    try:
        parameters = signature.parameter_type.fromjson(call.parameters)
    except ConversionError as error:
        raise InvalidParameter(parameter=str(next(iter(error.location), ""))) from None
    assert isinstance(parameters, dict)
    return parameters


def _encoded(reply: VarlinkMethodReply) -> bytes:
    text = json.dumps(reply.tojson(), default=plain, separators=(",", ":"))
    return text.encode() + b"\0"
