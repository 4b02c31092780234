"""One rtnetlink socket: requests answered while we wait, dumps, and the kernel's notices.

Messages are built and read with pyroute2's classes. The socket is a plain one because every request
of a daemon that moves addresses should take microseconds and need no event loop: the kernel
carries a request out inside ``send`` and its answer is there when ``send`` returns.
"""

import errno
import os
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Any

from vipd.linux import bpf
from vipd.linux.buffers import make_room
from vipd.linux.messages import MarshalRtnl

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP = 0x300
_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_SOL_NETLINK = 270
_NETLINK_EXT_ACK = 11
_NETLINK_GET_STRICT_CHK = 12
_HEADER = struct.Struct("=IHHII")
_ERROR = struct.Struct("=i")
_BUFFER = 1 << 18


class NetlinkError(OSError):
    """The kernel refused a request; ``errno`` says why."""


def encode(message: Any, kind: int, flags: int) -> bytearray:
    """The bytes of a pyroute2 message, ready for `Netlink.request` (which numbers it)."""
    message["header"]["type"] = kind
    message["header"]["flags"] = flags | NLM_F_REQUEST
    message["header"]["sequence_number"] = 0
    message.encode()
    return bytearray(message.data)


class Netlink:
    """A request socket. Not for several threads at once."""

    def __init__(self) -> None:
        self._socket = _open()
        self._socket.bind((0, 0))
        # Dumps can then ask for one interface instead of all.
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        self._sequence = 0
        self._marshal = MarshalRtnl()

    def request(self, message: bytearray) -> None:
        """Have ``message`` (made by `encode` with NLM_F_ACK) carried out. Raises NetlinkError."""
        self._send(message)
        for _ in self._replies():
            pass

    def post(self, messages: bytes) -> set[int]:
        """Have many messages (without NLM_F_ACK) carried out at once; what failed, as errno."""
        self._socket.send(messages)
        failed: set[int] = set()
        while True:
            try:
                data = self._socket.recv(_BUFFER, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return failed
            offset = 0
            while offset + _HEADER.size + _ERROR.size <= len(data):
                length, kind, *_ = _HEADER.unpack_from(data, offset)
                if kind == _NLMSG_ERROR:
                    failed.add(-_ERROR.unpack_from(data, offset + _HEADER.size)[0])
                offset += (length + 3) & ~3

    @property
    def port(self) -> int:
        """Our netlink address; notices of what we did carry it."""
        port: int = self._socket.getsockname()[0]
        return port

    def dump(self, message: bytearray) -> Iterator[Any]:
        """The messages that answer a dump request. Raises NetlinkError."""
        self._send(message)
        for data, offset, length in self._replies():
            yield from self._marshal.parse(data[offset : offset + length])

    def close(self) -> None:
        self._socket.close()

    def _send(self, message: bytearray) -> None:
        self._sequence = self._sequence % 0xFFFFFFFF + 1
        message[8:12] = self._sequence.to_bytes(4, sys.byteorder)
        self._socket.send(message)

    def _replies(self) -> Iterator[tuple[bytes, int, int]]:
        """Data messages of our last request, as (buffer, offset, length), until it is done."""
        while True:
            data = self._socket.recv(_BUFFER)
            offset = 0
            while offset + _HEADER.size <= len(data):
                length, kind, _, sequence, _ = _HEADER.unpack_from(data, offset)
                if sequence == self._sequence:
                    if kind in (_NLMSG_ERROR, _NLMSG_DONE):
                        (code,) = _ERROR.unpack_from(data, offset + _HEADER.size)
                        if code:
                            raise NetlinkError(-code, os.strerror(-code))
                        return
                    yield data, offset, length
                offset += (length + 3) & ~3


class Monitor:
    """What the kernel tells everybody who listens; ``groups`` is a mask of RTMGRP bits.

    Notices of what ``silent`` did are dropped in the kernel: a master renews every address every
    second, and need not be told about it.
    """

    def __init__(self, groups: int, silent: Netlink) -> None:
        self._socket = _open()
        # struct nlmsghdr has the port at byte 12; BPF loads words in network byte order.
        port = int.from_bytes(struct.pack("=I", silent.port), "big")
        bpf.attach(
            self._socket,
            [
                (bpf.LD_W_ABS, 0, 0, 12),
                (bpf.JEQ, 0, 1, port),
                (bpf.RET, 0, 0, 0),
                (bpf.RET, 0, 0, bpf.WHOLE),
            ],
        )
        self._socket.bind((0, groups))
        self._socket.setblocking(False)
        self._marshal = MarshalRtnl()

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> list[Any] | None:
        """The notices that wait, or None when some were lost and everything must be read anew."""
        messages: list[Any] = []
        while True:
            try:
                messages.extend(self._marshal.parse(self._socket.recv(_BUFFER)))
            except BlockingIOError:
                return messages
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                return None

    def close(self) -> None:
        self._socket.close()


def _open() -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    sock.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
    # Room for the notices of a few hundred addresses that change at once.
    make_room(sock, 4 << 20)
    return sock
