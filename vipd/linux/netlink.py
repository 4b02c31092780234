"""rtnetlink sockets: synchronous requests, dumps, and the kernel's notices.

Messages are built with pyroute2's classes. The socket is a plain one, because a request of a daemon
that moves addresses should take microseconds and need no event loop: the kernel carries it out
inside ``send``, and its answer is there when ``send`` returns.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from ipaddress import IPv6Interface
from typing import Any

from vipd.linux import bpf
from vipd.linux.buffers import make_room

RTM_NEWADDR = 20
NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP = 0x300
_NLM_F_DUMP_INTR = 0x10
_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_SOL_NETLINK = 270
_NETLINK_EXT_ACK = 11
_NETLINK_GET_STRICT_CHK = 12
_HEADER = struct.Struct("=IHHII")
_SEQUENCE = struct.Struct("=I")
_SEQUENCE_AT = 8
_LAST_SEQUENCE = 0xFFFFFFFF
# A notice about an address: the family in struct ifaddrmsg, the attributes, and in the attribute of
# struct ifa_cacheinfo when the address was created and last changed, in hundredths of a second.
_FAMILY, _ATTRIBUTES, _IFA_CACHEINFO, _CREATED, _CHANGED = 16, 24, 6, 12, 16
_ERROR = struct.Struct("=i")
#: More than the kernel puts into one answer (32 KiB). The buffer is reused: to allocate it for each
#: answer takes longer than the rest of a request.
_BUFFER = 1 << 16
#: Most bytes in one send(2) of many messages: 450 renewals. The kernel refuses one that is longer
#: than SO_SNDBUF allows (EMSGSIZE), which is 208 KiB by default (net.core.wmem_default).
_SLICE = 1 << 15
#: How often a dump is requested again because something changed while the kernel wrote it. On a
#: machine where addresses change all the time, the last answer is used.
_DUMPS = 8


class NetlinkError(OSError):
    """The kernel refused a request; ``errno`` says why."""


def encode(message: Any, kind: int, flags: int) -> bytearray:
    """The bytes of a pyroute2 message for `Netlink.request` (which sets its sequence number)."""
    message["header"]["type"] = kind
    message["header"]["flags"] = flags | NLM_F_REQUEST
    message["header"]["sequence_number"] = 0
    message.encode()
    return bytearray(message.data)


class Netlink:
    """A socket for requests. Not for use in several threads at once."""

    def __init__(self) -> None:
        self._socket = _open()
        self._socket.bind((0, 0))
        # With this, a dump can be limited to one interface.
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        self._sequence = 0
        #: IPv6 addresses that were added, by interface (its index): the notices do not tell.
        self.added: set[tuple[int, IPv6Interface]] = set()
        self._buffer = bytearray(_BUFFER)

    def request(self, message: bytearray) -> None:
        """Send ``message`` (made by `encode` with NLM_F_ACK). Raises NetlinkError if it fails."""
        self._send(message)
        for _ in self._replies():
            pass

    def post(self, messages: Sequence[bytes]) -> dict[int, int]:
        """Send many messages (without NLM_F_ACK) at once; return those that failed, by their
        position in ``messages``, with the errno. Never raises OSError: a message that could not be
        sent counts as failed."""
        failed: dict[int, int] = {}
        room = min(_SLICE, self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 2)
        begin = 0
        while begin < len(messages):
            end, size = begin + 1, len(messages[begin])
            while end < len(messages) and size + len(messages[end]) <= room:
                size += len(messages[end])
                end += 1
            failed |= self._post(messages[begin:end], begin)
            begin = end
        return failed

    def _post(self, messages: Sequence[bytes], number: int) -> dict[int, int]:
        """As `post`, in one system call; the first message has position ``number``."""
        first, offset = self._sequence + 1, 0
        batch = bytearray().join(messages)
        for message in messages:
            self._sequence = self._sequence % _LAST_SEQUENCE + 1
            _SEQUENCE.pack_into(batch, offset + _SEQUENCE_AT, self._sequence)
            offset += len(message)
        try:
            self._socket.send(batch)
            refused = dict(self._refused())
        except OSError as error:
            return dict.fromkeys(range(number, number + len(messages)), error.errno or errno.EIO)
        return {
            number + (sequence - first) % _LAST_SEQUENCE: code for sequence, code in refused.items()
        }

    def _refused(self) -> Iterator[tuple[int, int]]:
        """Sequence number and errno of the messages of the last batch that failed. Raises OSError
        if the kernel had no memory to report them (ENOBUFS)."""
        while True:
            try:
                size = self._socket.recv_into(self._buffer, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            offset = 0
            while offset + _HEADER.size + _ERROR.size <= size:
                length, kind, _, sequence, _ = _HEADER.unpack_from(self._buffer, offset)
                if kind == _NLMSG_ERROR:
                    yield sequence, -_ERROR.unpack_from(self._buffer, offset + _HEADER.size)[0]
                offset += (length + 3) & ~3

    @property
    def port(self) -> int:
        """Our netlink address; notices of our own changes have it."""
        port: int = self._socket.getsockname()[0]
        return port

    def ask(self, message: bytearray) -> bytes:
        """The answer, undecoded, to a request (made by `encode` with NLM_F_ACK) for one object.
        Raises NetlinkError."""
        self._send(message)
        return b"".join(answer for answer, _ in self._replies())

    def dump(self, message: bytearray) -> list[bytes]:
        """The messages that answer a dump request. If something changed while the kernel wrote them
        (NLM_F_DUMP_INTR), the dump is requested again. Raises NetlinkError."""
        for _ in range(_DUMPS):
            self._send(message)
            found: list[bytes] = []
            interrupted = 0
            for answer, flags in self._replies():
                if answer:
                    found.append(answer)
                interrupted |= flags & _NLM_F_DUMP_INTR
            if not interrupted:
                break
        return found

    def close(self) -> None:
        self._socket.close()

    def _send(self, message: bytearray) -> None:
        self._sequence = self._sequence % _LAST_SEQUENCE + 1
        _SEQUENCE.pack_into(message, _SEQUENCE_AT, self._sequence)
        self._socket.send(message)

    def _replies(self) -> Iterator[tuple[bytes, int]]:
        """The messages that answer our last request, with their flags; the last one is empty."""
        while True:
            size = self._socket.recv_into(self._buffer)
            data = self._buffer[:size]  # the next request overwrites it
            offset = 0
            while offset + _HEADER.size <= size:
                length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
                if sequence == self._sequence:
                    if kind in (_NLMSG_ERROR, _NLMSG_DONE):
                        (code,) = _ERROR.unpack_from(data, offset + _HEADER.size)
                        if code:
                            raise NetlinkError(-code, os.strerror(-code))
                        yield b"", flags
                        return
                    yield bytes(data[offset : offset + length]), flags
                offset += (length + 3) & ~3


class Monitor:
    """Receives the kernel's notices; ``groups`` is a mask of RTMGRP bits.

    Notices of addresses that ``silent`` added are dropped in the kernel: a master renews every
    address every second, and needs no notice of that. For an IPv6 address the kernel does not say
    who caused a notice (inet6_ifa_notify in net/ipv6/addrconf.c): it drops those of a change of an
    address, and those of a new one pass (`Netlink.added` has ours). Notices of deleted addresses
    pass, whatever the cause: the kernel may delete an address of another VIP together with one that
    we delete.
    """

    def __init__(self, groups: int, silent: Netlink) -> None:
        self._socket = _open()
        # struct nlmsghdr has the type at byte 4 and the port at byte 12, in this machine's byte
        # order; BPF loads them in network byte order.
        kind = int.from_bytes(struct.pack("=H", RTM_NEWADDR), "big")
        port = int.from_bytes(struct.pack("=I", silent.port), "big")
        bpf.attach(
            self._socket,
            [
                (bpf.LD_H_ABS, 0, 0, 4),
                (bpf.JEQ, 0, 14, kind),
                (bpf.LD_W_ABS, 0, 0, 12),
                (bpf.JEQ, 13, 0, port),
                (bpf.LD_B_ABS, 0, 0, _FAMILY),
                (bpf.JEQ, 0, 10, socket.AF_INET6),
                (bpf.LDX_IMM, 0, 0, _IFA_CACHEINFO),
                (bpf.LD_IMM, 0, 0, _ATTRIBUTES),
                (bpf.LD_W_ABS, 0, 0, bpf.ATTRIBUTE),
                (bpf.JEQ, 6, 0, 0),
                (bpf.TAX, 0, 0, 0),
                (bpf.LD_W_IND, 0, 0, _CREATED),
                (bpf.ST, 0, 0, 0),
                (bpf.LD_W_IND, 0, 0, _CHANGED),
                (bpf.LDX_MEM, 0, 0, 0),
                (bpf.JEQ_X, 0, 1, 0),
                (bpf.RET, 0, 0, bpf.WHOLE),
                (bpf.RET, 0, 0, 0),
            ],
        )
        self._buffer = bytearray(_BUFFER)
        self._socket.bind((0, groups))
        self._socket.setblocking(False)

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> list[bytes] | None:
        """The queued notices, or None if some were lost and everything must be read again."""
        messages: list[bytes] = []
        while True:
            try:
                size = self._socket.recv_into(self._buffer)
                messages.append(bytes(self._buffer[:size]))  # the kernel sends them one by one
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
    # Room for the notices when a few hundred addresses change at once.
    make_room(sock, 4 << 20)
    return sock
