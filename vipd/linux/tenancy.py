"""One process for each CARP group on an interface of this host.

Two on the same host would not hear each other (nobody hears its own host's packets) and both be
master. So each of our processes holds a name in the kernel, an abstract socket, which belongs to
the network namespace as interfaces do and goes with its process, however that ends. A real ucarp
holds no such name and is found among the processes.
"""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_CREDENTIALS = struct.Struct("=iII")  # struct ucred: process, user, group
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Tenant:
    """A process that runs the group already. ``end`` becomes readable when it does not any more."""

    process: int
    end: socket.socket | int

    @property
    def name(self) -> str:
        """What to call it: "ucarp (process 77, ucarp@001.service)"."""
        where = f", {self.unit}" if self.unit else ""
        return f"{_command(self.process)} (process {self.process}{where})"

    @property
    def unit(self) -> str:
        """The systemd service it belongs to, "" if it is none's."""
        try:
            groups = (_PROC / str(self.process) / "cgroup").read_text()
        except OSError:
            return ""
        parts = (part.strip() for part in groups.split("/"))
        return next((part for part in parts if part.endswith(".service")), "")

    def close(self) -> None:
        if isinstance(self.end, int):
            os.close(self.end)
        else:
            self.end.close()


class Tenancy:
    """The name of one group, held until `close`. Raises OSError, EADDRINUSE if it is taken."""

    def __init__(self, interface: str, vhid: int) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.bind(_name(interface, vhid))
            self._socket.listen(16)  # whoever waits is connected, and hears when we close
        except OSError:
            self._socket.close()
            raise

    def close(self) -> None:
        self._socket.close()


def tenant(interface: str, vhid: int) -> Tenant | None:
    """The process of ours that holds the name. None if there is none, or a user's who has no
    business here: he must not keep us from running."""
    other = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    other.setblocking(False)
    try:
        other.connect(_name(interface, vhid))
        credentials = other.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:  # it is gone by now
        other.close()
        return None
    process, user, _ = _CREDENTIALS.unpack(credentials)
    if user not in (0, os.geteuid()):
        other.close()
        return None
    return Tenant(process, other)


def ucarps() -> Iterator[tuple[int, tuple[str, ...]]]:
    """Process and arguments of every ucarp in our network namespace, as far as we may look."""
    ours = (_PROC / "self/ns/net").stat().st_ino
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):  # it has ended
            if not _is_ucarp((entry / "comm").read_text().strip()):
                continue
            words = (entry / "cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
            # vipd-ucarp may go by this name, too; but that is a Python program.
            if _is_ucarp(Path(words[0]).name) and _network(entry) in (ours, None):
                yield int(entry.name), tuple(words[1:-1])


def watched(process: int) -> Tenant | None:
    """A process found by `ucarps` as a tenant; None if it has ended."""
    try:
        return Tenant(process, os.pidfd_open(process))
    except ProcessLookupError:
        return None


def _name(interface: str, vhid: int) -> str:
    return f"\0vipd/{interface}/{vhid}"


def _is_ucarp(program: str) -> bool:
    return program in ("ucarp", "ucarp.distrib")  # so called where it is one of two alternatives


def _network(entry: Path) -> int | None:
    try:
        return (entry / "ns/net").stat().st_ino
    except PermissionError:
        return None


def _command(process: int) -> str:
    try:
        return (_PROC / str(process) / "comm").read_text().strip()
    except OSError:
        return "a program"
