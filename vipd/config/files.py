"""Reads files that others wrote: bounded, without blocking, regular files only."""

import errno
import os
import stat
from pathlib import Path

MAX_BYTES = 1_000_000
"""Largest configuration file that is read; a real one has less than a thousand bytes."""

_PART = 65536


class UnreadableError(Exception):
    """The file cannot be read; `message` says what is wrong, `hint` what to do next.

    `absent`: it does not exist. `fault`: it may become readable without a change to it (a disk,
    a network file system, descriptors, permissions that depend on more than its mode). `known`: it
    was read before.
    """

    def __init__(
        self, message: str, hint: str, *, absent: bool = False, fault: bool = False
    ) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint
        self.absent = absent
        self.fault = fault
        self.known = False


def read_regular(path: Path, limit: int = MAX_BYTES) -> bytes:
    """At most `limit` bytes of a regular file.

    Raises UnreadableError for anything else, without blocking (a FIFO would) and without opening
    devices (which can have side effects).
    """
    try:
        _must_be_regular(path.stat().st_mode)
        # It may have become a FIFO since the check: open with O_NONBLOCK and check again.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            _must_be_regular(os.fstat(descriptor).st_mode)
            content = b""
            # In parts: allocating room for the largest file takes longer than reading a usual one.
            while part := os.read(descriptor, min(_PART, limit - len(content))):
                content += part
            return content
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as why:
        raise _explained(path, why) from why


def read_configuration(path: Path) -> bytes:
    """A whole configuration file; raises UnreadableError when it is larger than MAX_BYTES."""
    content = read_regular(path, MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UnreadableError(
            f"the file is larger than {MAX_BYTES} bytes, so this is no configuration",
            "put the right file in its place",
        )
    return content


def is_executable(path: str) -> bool:
    """Whether this is a regular file that may be executed."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode) and os.access(path, os.X_OK)  # noqa: PTH116
    except (OSError, ValueError):
        return False


def _must_be_regular(mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    kinds = (
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    kind = next((name for is_kind, name in kinds if is_kind(mode)), "something else")
    raise UnreadableError(
        f"this is {kind}, not a file", "move it away, or put a regular file in its place"
    )


def _explained(path: Path, why: Exception) -> UnreadableError:
    if isinstance(why, FileNotFoundError) and path.is_symlink():
        return UnreadableError(
            "this symbolic link points to nothing",
            "create what it points to, or remove the link",
            absent=True,
        )
    if isinstance(why, FileNotFoundError | NotADirectoryError):
        return UnreadableError(
            "there is no such file", "create it, or correct its name", absent=True
        )
    if isinstance(why, PermissionError):
        return UnreadableError(
            "no permission to read the file",
            "run as root, or correct its owner and mode",
            fault=True,
        )
    reason = why.strerror if isinstance(why, OSError) and why.strerror else str(why)
    return UnreadableError(
        f"the file cannot be read: {reason}",
        "correct the file, or remove it",
        fault=isinstance(why, OSError) and why.errno != errno.ELOOP,
    )
