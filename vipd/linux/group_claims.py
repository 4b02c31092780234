"""One process for each CARP group on an interface of this host.

Two processes on the same host would not receive each other's packets (a host does not receive its
own) and both be master. So each process of ours claims its groups where all others see it. Ordinary
users cannot forge or exhaust claims: a claim is a packet socket, which needs CAP_NET_RAW, just as
CARP itself does. The socket receives nothing. Its filter program has the claim: interface, VHIDs
and process. sock_diag(7) shows the packet sockets of a network namespace with their filters,
whatever directories a process sees. A claim ends with its process.

A socket is not exclusive, so the order of steps has to ensure that: claim first, then look. Of two
processes that claim the same group, the later one sees the other, and withdraws.
"""

import os
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vipd.linux import bpf, processes
from vipd.linux.closing import close_beside
from vipd.linux.names import canonical

Group = tuple[str, int]
"""Interface, by its kernel name, and VHID."""

_MAGIC = int.from_bytes(b"vipd")
_INTERFACE = struct.Struct("=4I")  # IFNAMSIZ, 16 bytes
#: magic, process, its PID namespace, four words of the interface, eight words of VHIDs, return
_LENGTH = 3 + 4 + 8 + 1
_INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST_DUMP = 0x301
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_REQUEST = struct.Struct("=BBHIIII")  # struct packet_diag_req
_ANSWER = struct.Struct("=BBHIII")  # struct packet_diag_msg
_ATTRIBUTE = struct.Struct("=HH")  # struct nlattr
_PACKET_SHOW_FILTER, _PACKET_DIAG_FILTER = 0x20, 7
#: The kernel ends a dump early, without an error, at a filter that does not fit into its buffer.
#: Its buffer is as large as the largest one that a recv(2) has offered before, up to 32 kB.
_BUFFER = 1 << 18
#: How often they are requested at most.
_DUMPS = 10
#: Seconds to wait for an answer, which the kernel sends at once.
_PATIENCE = 1.0


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that runs the group already. ``end``: a pidfd, which becomes readable when the
    process ends; or None: check again from time to time."""

    process: int  # 0: in another PID namespace, where we cannot see it
    end: int | None = None

    @property
    def name(self) -> str:
        """Its name for messages: "ucarp (process 77, ucarp@001.service)"."""
        return processes.name(self.process) if self.process else "a vipd in a container"

    @property
    def unit(self) -> str:
        """The systemd service that it belongs to, or ""."""
        return processes.unit(self.process)

    def close(self) -> None:
        if self.end is not None:
            os.close(self.end)


def watched(process: int) -> Holder | None:
    """The holder for a process that `processes.ucarps` found; None if it has ended."""
    try:
        return Holder(process, os.pidfd_open(process))
    except ProcessLookupError:
        return None


def of_ucarps(group_of: Callable[[Sequence[str]], Group | None]) -> dict[Group, int]:
    """The groups that real ucarps run in our network namespace, and their processes. ``group_of``
    returns interface (by any of its names) and VHID from the arguments of a ucarp."""
    found = {}
    for process, arguments in processes.ucarps():
        if group := group_of(arguments):
            found[canonical(group[0]), group[1]] = process
    return found


class Claims:
    """The claims of this process: a socket for each interface."""

    def __init__(self) -> None:
        self._sockets: dict[str, socket.socket] = {}
        self._vhids: dict[str, set[int]] = {}

    def __contains__(self, group: Group) -> bool:
        return group[1] in self._vhids.get(group[0], ())

    def add(self, group: Group) -> None:
        """Claim a group: others see it from now on. Raises OSError."""
        interface, vhid = group
        claim = self._sockets.get(interface)
        if claim is None:
            claim = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        vhids = {*self._vhids.get(interface, ()), vhid}
        try:
            bpf.attach(claim, _written(interface, vhids))
        except OSError:
            if interface not in self._sockets:
                close_beside((claim,))
            raise
        self._sockets[interface], self._vhids[interface] = claim, vhids

    def drop(self, group: Group) -> None:
        """Withdraw a claim: others do not see it any more. (If the kernel has no memory for the new
        filter, they see it until the next change.)"""
        interface, vhid = group
        if group not in self:
            return
        vhids = self._vhids[interface] = self._vhids[interface] - {vhid}
        with suppress(OSError):
            bpf.attach(self._sockets[interface], _written(interface, vhids))
        if not vhids:
            del self._vhids[interface]
            close_beside((self._sockets.pop(interface),))

    def of_others(self) -> dict[Group, int]:
        """The groups that other processes in this network namespace claim, and the processes (0: in
        another PID namespace). Raises OSError: ENOENT without the kernel module packet_diag, EPERM
        without CAP_NET_ADMIN."""
        ours = {os.fstat(each.fileno()).st_ino for each in self._sockets.values()}
        namespace = _pid_namespace()
        found: dict[Group, int] = {}
        for inode, program in _filters():
            claim = _read(program)
            if claim and inode not in ours:
                interface, vhids, process, its_namespace = claim
                seen = process if its_namespace == namespace else 0
                found.update(dict.fromkeys(((interface, vhid) for vhid in vhids), seen))
        return found


def _written(interface: str, vhids: set[int]) -> list[bpf.Instruction]:
    """A claim as a filter: it loads the claim's words one after the other, then drops the
    packet."""
    bits = sum(1 << vhid for vhid in vhids)
    words = (
        _MAGIC,
        os.getpid(),
        _pid_namespace(),
        *_INTERFACE.unpack(os.fsencode(interface)[:16].ljust(16, b"\0")),
        *(bits >> shift & 0xFFFFFFFF for shift in range(0, 256, 32)),
    )
    return [*((bpf.LD_IMM, 0, 0, word) for word in words), (bpf.RET, 0, 0, 0)]


def _read(program: bytes) -> tuple[str, list[int], int, int] | None:
    """Interface, VHIDs, process and PID namespace of a claim; None for any other filter."""
    if len(program) != _LENGTH * _INSTRUCTION.size:
        return None
    *loads, last = _INSTRUCTION.iter_unpack(program)
    if last != (bpf.RET, 0, 0, 0) or any(load[:3] != (bpf.LD_IMM, 0, 0) for load in loads):
        return None
    magic, process, namespace, *rest = (load[3] for load in loads)
    if magic != _MAGIC:
        return None
    interface = os.fsdecode(_INTERFACE.pack(*rest[:4]).rstrip(b"\0"))
    bits = sum(word << 32 * at for at, word in enumerate(rest[4:]))
    vhids = [vhid for vhid in range(256) if bits >> vhid & 1]
    return interface, vhids, process, namespace


def _pid_namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino & 0xFFFFFFFF


def _filters() -> Iterator[tuple[int, bytes]]:
    """Inode and filter of each packet socket in our network namespace, several times.

    Requested twice: the first answer makes the kernel's buffer large enough for the second. And
    until an answer has all that were in the one before: when sockets are closed during an answer
    (`vipd.linux.closing` closes hundreds), others are missing in it.
    """
    with socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG
    ) as diag:
        diag.settimeout(_PATIENCE)
        before: set[int] | None = None
        for _ in range(_DUMPS):
            answered = set()
            for inode, program in _dump(diag):
                answered.add(inode)
                yield inode, program
            if before is not None and before <= answered:
                return
            before = answered


def _dump(diag: socket.socket) -> Iterator[tuple[int, bytes]]:
    body = _REQUEST.pack(socket.AF_PACKET, 0, 0, 0, _PACKET_SHOW_FILTER, 0, 0)
    length = _HEADER.size + len(body)
    diag.send(_HEADER.pack(length, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST_DUMP, 1, 0) + body)
    while True:
        data = diag.recv(_BUFFER)
        offset = 0
        while offset + _HEADER.size <= len(data):
            length, kind, *_ = _HEADER.unpack_from(data, offset)
            if kind == _NLMSG_DONE:
                return
            if kind == _NLMSG_ERROR:
                (code,) = struct.unpack_from("=i", data, offset + _HEADER.size)
                raise OSError(-code, os.strerror(-code))
            yield from _socket(data[offset + _HEADER.size : offset + length])
            offset += (length + 3) & ~3


def _socket(message: bytes) -> Iterator[tuple[int, bytes]]:
    inode = _ANSWER.unpack_from(message)[3]
    offset = _ANSWER.size
    while offset + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, offset)
        if kind == _PACKET_DIAG_FILTER:
            yield inode, message[offset + _ATTRIBUTE.size : offset + length]
        offset += max(_ATTRIBUTE.size, (length + 3) & ~3)
