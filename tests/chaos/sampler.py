"""Ask the kernel every 20 ms which addresses there are; a script of its own, one a host.

    python sampler.py NETWORK-PREFIX…         (203.0.113. for instance)

Prints a line when the answer is another than before, and one when the machine was late with us. So
that it is late with us when it is late with vipd, which changes addresses, it is asked each time to
delete one that is not there: all changes of all networks of a machine stand in one queue (its
rtnetlink lock), and what takes a network down may hold it for seconds. And it tells how long the
vipd of this host waited for a processor, which the kernel counts.

    = TIME ADDRESS…
    ! TIME SECONDS-LATE
"""

import contextlib
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

INTERVAL = 0.02  # seconds
LATE = 0.1  # seconds, from which on it is worth a line
STARVED_EVERY, STARVED = 0.25, 0.02  # how often to look (seconds), and what is worth a line then

_RTM_NEWADDR, _RTM_DELADDR, _RTM_GETADDR, _NLMSG_ERROR, _NLMSG_DONE = 20, 21, 22, 2, 3
_NLM_F_REQUEST_DUMP, _NLM_F_REQUEST = 0x301, 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_HEADER = struct.Struct("=IHHII")
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, interface
_REQUEST = _HEADER.pack(24, _RTM_GETADDR, _NLM_F_REQUEST_DUMP, 0, 0) + _ADDRESS.pack(
    socket.AF_UNSPEC, 0, 0, 0, 0
)
_NOBODY = socket.inet_aton("203.0.113.255")
_PROBE = (
    _HEADER.pack(32, _RTM_DELADDR, _NLM_F_REQUEST, 0, 0)
    + _ADDRESS.pack(socket.AF_INET, 32, 0, 0, 1)
    + struct.pack("=HH4s", 8, _IFA_LOCAL, _NOBODY)
)


def addresses(netlink: socket.socket) -> Iterator[str]:
    """All addresses of this host, of both families, in one dump."""
    netlink.send(_REQUEST)
    while True:
        data = netlink.recv(1 << 16)
        at = 0
        while at < len(data):
            length, kind, *_ = _HEADER.unpack_from(data, at)
            if kind == _NLMSG_DONE:
                return
            if kind == _RTM_NEWADDR:
                yield from _local(data[at + 16], data[at + 24 : at + length])
            at += (length + 3) & ~3


def _local(family: int, attributes: bytes) -> Iterator[str]:
    # An IPv4 address has both attributes, and IFA_ADDRESS may be that of a peer.
    wanted, length_of_it = (_IFA_LOCAL, 4) if family == socket.AF_INET else (_IFA_ADDRESS, 16)
    at = 0
    while at + 4 <= len(attributes):
        length, kind = struct.unpack_from("=HH", attributes, at)
        if kind == wanted:
            yield socket.inet_ntop(family, attributes[at + 4 : at + 4 + length_of_it])
        at += (length + 3) & ~3


def wait_in_line(netlink: socket.socket) -> None:
    """Have a change refused, when all changes before it have been made."""
    netlink.send(_PROBE)
    _, kind, *_ = _HEADER.unpack_from(netlink.recv(1 << 16))
    if kind != _NLMSG_ERROR:
        raise OSError(f"asked to delete an address, the kernel answers with {kind}")


class Waiting:
    """For how long the vipds of this host, and their guards, could have run and were not let."""

    def __init__(self) -> None:
        self._before: dict[str, float] = {}

    def more(self) -> float:
        """Seconds since the last call."""
        now = {}
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                words = (process / "cmdline").read_bytes()
                if b"\0vipd.daemon\0" in words or b"vipd.daemon.guard" in words:
                    waited = int((process / "schedstat").read_text().split()[1])
                    now[process.name] = waited / 1e9
        more = sum(seconds - self._before.get(pid, 0.0) for pid, seconds in now.items())
        self._before = now
        return more


def main() -> None:
    prefixes = tuple(sys.argv[1:])
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    before: list[str] | None = None
    waiting = Waiting()
    due = look = time.monotonic()
    while True:
        wait_in_line(netlink)
        now = sorted(a for a in addresses(netlink) if a.startswith(prefixes))
        if now != before:
            before = now
            say("=", *now)
        if due >= look:
            look += STARVED_EVERY
            starved = waiting.more()
            if starved > STARVED:
                say("!", f"{starved:.4f}")
        due += INTERVAL
        late = time.monotonic() - due
        if late > LATE:
            say("!", f"{late:.4f}")
        if late > 0:
            due = time.monotonic()
        else:
            time.sleep(-late)


def say(kind: str, *words: str) -> None:
    """Write a line, at once."""
    os.write(1, f"{' '.join((kind, f'{time.time():.4f}', *words))}\n".encode())


if __name__ == "__main__":
    main()
