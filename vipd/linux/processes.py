"""Other processes of this host: their names, and which of them are a real ucarp."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_CAP_NET_RAW = 13
_DELETED = " (deleted)"  # the kernel's mark for a program that an upgrade has replaced


def name(process: int) -> str:
    """Its name for messages: "ucarp (process 77, ucarp@001.service)"."""
    service = unit(process)
    return f"{_command(process)} (process {process}{f', {service}' if service else ''})"


def unit(process: int) -> str:
    """The systemd service that it belongs to, or ""."""
    try:
        groups = (_PROC / str(process) / "cgroup").read_text()
    except OSError:
        return ""
    parts = (part.strip() for part in groups.split("/"))
    return next((part for part in parts if part.endswith(".service")), "")


def ucarps() -> Iterator[tuple[int, tuple[str, ...]]]:
    """Process and arguments of every ucarp in our network namespace, as far as we may read them.

    Any user can start a program under this name. Only a process that can send CARP here counts:
    root's, or one that has CAP_NET_RAW in our user namespace (any user has it in a user namespace
    of their own, but it permits nothing here).
    """
    network, user = _namespace(_PROC / "self", "net"), _namespace(_PROC / "self", "user")
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError, ValueError, StopIteration):  # it has ended
            if not _is_ucarp((entry / "comm").read_text().strip()):
                continue
            # Check this first: other users' command lines may be megabytes long, or hang.
            if not _may_speak(entry, user) or _namespace(entry, "net") not in (network, None):
                continue
            words = (entry / "cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
            if _runs_ucarp(entry, words[0]):
                yield int(entry.name), tuple(words[1:-1])


def _runs_ucarp(entry: Path, called: str) -> bool:
    """Whether the program is ucarp. vipd-ucarp may have this name, too, but it is a Python program;
    and a link with this name can lead to any program of root's (sudo, su)."""
    try:
        program = os.readlink(entry / "exe")  # noqa: PTH115 (a path may be gone)
    except PermissionError:  # we are not root: use the name it was called by
        return _is_ucarp(Path(called).name)
    return _is_ucarp(Path(program.removesuffix(_DELETED)).name)


def _is_ucarp(program: str) -> bool:
    return program in ("ucarp", "ucarp.distrib")  # its name if it is one of two alternatives


def _may_speak(entry: Path, our_users: int | None) -> bool:
    lines = (entry / "status").read_text().splitlines()
    fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    effective_user = int(fields["Uid"].split()[1])
    capable = int(fields["CapEff"], 16) >> _CAP_NET_RAW & 1
    return effective_user == 0 or bool(capable and _namespace(entry, "user") == our_users)


def _namespace(entry: Path, kind: str) -> int | None:
    """The inode of a namespace of the process; None if we may not read it."""
    try:
        return (entry / "ns" / kind).stat().st_ino
    except PermissionError:
        return None


def _command(process: int) -> str:
    try:
        return (_PROC / str(process) / "comm").read_text().strip()
    except OSError:
        return "a program"
