"""A unix socket at a path, in a directory that others may write to.

bind(2) follows no link in the last part of a path, and fails where something exists. So an existing
entry is removed only if it is a socket of ours that no process listens on, and mode and group are
changed without following a link.
"""

import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

Identity = tuple[int, int]
"""Device and inode."""


def listen(
    path: Path, mode: int, backlog: int, group: int | None = None
) -> tuple[socket.socket, Identity]:
    """Listen there. Only clients that ``mode`` and ``group`` (None: ours) permit can connect, from
    the beginning. Raises OSError: EEXIST if something else is there, EADDRINUSE if a process
    listens."""
    _make_way(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listening.setblocking(False)
        os.fchmod(listening.fileno(), 0o600)  # bind(2) gives the file this mode
        listening.bind(str(path))
        identity = _open_up(path, mode, group)
        listening.listen(backlog)
    except OSError:
        listening.close()
        raise
    return listening, identity


def remove(path: Path, identity: Identity) -> None:
    """Remove the socket, if it is still the one that `listen` made."""
    with suppress(OSError):
        about = path.lstat()
        if (about.st_dev, about.st_ino) == identity:
            path.unlink()


def _make_way(path: Path) -> None:
    try:
        about = path.lstat()
    except FileNotFoundError:
        return
    ours = (0, os.geteuid(), path.parent.stat().st_uid)
    if not stat.S_ISSOCK(about.st_mode) or about.st_uid not in ours:
        raise OSError(errno.EEXIST, "something that is no socket of vipd's is there; remove it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as other:
        other.setblocking(False)
        try:
            other.connect(str(path))
        except ConnectionRefusedError:  # of an earlier run
            path.unlink(missing_ok=True)
            return
        except FileNotFoundError:
            return
        except OSError:  # for instance EAGAIN: its queue of connections is full
            pass
    raise OSError(errno.EADDRINUSE, "another program listens there")


def _open_up(path: Path, mode: int, group: int | None) -> Identity:
    file = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        about = os.fstat(file)
        # A second hard link: another socket of ours was put in its place.
        if not stat.S_ISSOCK(about.st_mode) or about.st_uid != os.geteuid() or about.st_nlink != 1:
            raise OSError(
                errno.EEXIST, "somebody else replaces our socket there: take another path"
            )
        ours = f"/proc/self/fd/{file}"
        if group not in (None, about.st_gid):  # the user vipd may not change it, and need not
            os.chown(ours, -1, group)
        os.chmod(ours, mode)  # noqa: PTH101 (a descriptor, not a path)
        return about.st_dev, about.st_ino
    finally:
        os.close(file)
