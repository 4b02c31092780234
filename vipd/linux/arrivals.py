"""Frames that wait in a socket: many with one system call, each with the time when it came.

recvmmsg(2) costs 1.0 µs a frame, where recvmsg(2), which gives the time as well, costs 3.3 µs from
Python, and recv(2) 1.1 µs. A ring (PACKET_RX_RING) would cost 0.6 µs. But a ring has its memory
from the beginning, for each socket, and a timer in the kernel that runs even when nothing comes.
"""

import ctypes
import errno
import os
import socket
import struct
import time

#: Frames for one system call.
AT_ONCE = 32
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python has no name for it
_HEAD = socket.CMSG_LEN(0)
_CONTROL = socket.CMSG_SPACE(struct.calcsize("@ll"))
#: The time (struct timespec) in a control message that has it and nothing else.
_TIME = struct.Struct(f"@{_HEAD}xll{_CONTROL - _HEAD - struct.calcsize('@ll')}x")
_IOVEC = struct.Struct("@PN")
#: struct mmsghdr: no name; one iovec; control; flags; bytes received.
_MESSAGE = struct.Struct("@PI0PPNPNi0NI0P")
#: What is of interest in it afterwards: the length of control, and the bytes received.
_RESULT = struct.Struct(f"@{struct.calcsize('@PI0PPNP')}xNi0NI0P")

_libc = ctypes.CDLL(None, use_errno=True)

#: A frame, and when it came (CLOCK_MONOTONIC, s); 0: the kernel did not say.
Arrival = tuple[bytes, float]


def note_times(sock: socket.socket) -> None:
    """Let the kernel note when each frame comes."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


class Arrivals:
    """Reads frames from any socket. What is longer than ``longest`` bytes is not read to its
    end."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._frames = ctypes.create_string_buffer(AT_ONCE * longest)
        self._control = ctypes.create_string_buffer(AT_ONCE * _CONTROL)
        self._iovecs = ctypes.create_string_buffer(AT_ONCE * _IOVEC.size)
        self._messages = ctypes.create_string_buffer(AT_ONCE * _MESSAGE.size)
        frames, control, iovecs = map(ctypes.addressof, (self._frames, self._control, self._iovecs))
        fresh = bytearray(AT_ONCE * _MESSAGE.size)
        for n in range(AT_ONCE):
            _IOVEC.pack_into(self._iovecs, n * _IOVEC.size, frames + n * longest, longest)
            where = iovecs + n * _IOVEC.size, 1, control + n * _CONTROL, _CONTROL
            _MESSAGE.pack_into(fresh, n * _MESSAGE.size, 0, 0, *where, 0, 0)
        #: The messages before a call, which writes into them.
        self._fresh = bytes(fresh)

    def read(self, sock: socket.socket) -> list[Arrival]:
        """Those that wait, oldest first, `AT_ONCE` at most. Raises OSError."""
        messages = memoryview(self._messages).cast("B")
        messages[:] = self._fresh
        number = _libc.recvmmsg(sock.fileno(), self._messages, AT_ONCE, socket.MSG_DONTWAIT, None)
        if number < 0:
            code = ctypes.get_errno()
            if code == errno.EAGAIN:
                return []
            raise OSError(code, os.strerror(code))
        ahead = time.monotonic() - time.time()
        results = _RESULT.iter_unpack(messages[: number * _MESSAGE.size])
        frames = memoryview(self._frames).cast("B")
        begins = range(0, number * self._longest, self._longest)
        return [
            (bytes(frames[at : at + size]), seconds + ahead + nanoseconds * 1e-9 if told else 0.0)
            for at, (told, _, size), (seconds, nanoseconds) in zip(
                begins, results, _TIME.iter_unpack(self._control), strict=False
            )
        ]
