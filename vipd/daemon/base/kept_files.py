"""Files that vipd keeps for its next run, in directories that others may write to: after a service
that ran as the user vipd, root may start in that user's directory.

No link is followed, only regular files are read or written, and opening a FIFO never blocks.
"""

import errno
import os
import stat
from pathlib import Path
from typing import TextIO

_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read(file: Path, longest: int) -> bytes:
    """Return the first ``longest`` bytes. Raises OSError."""
    descriptor = os.open(file, os.O_RDONLY | _SAFELY)
    with os.fdopen(descriptor, "rb") as opened:
        _regular(descriptor, file)
        return opened.read(longest)


def replace(file: Path, content: bytes, *, durable: bool = False) -> None:
    """Replace the file atomically. ``durable``: the content is on the disk when this returns; the
    name need not be. Raises OSError."""
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(
        os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY, 0o644), "wb"
    ) as out:
        out.write(content)
        out.flush()
        if durable:
            os.fsync(out.fileno())
    new.replace(file)


def open_to_lock(file: Path) -> TextIO:
    """Open for reading and writing; create the file if it is missing, keep its content otherwise.
    Only we may read it, because any process that can read a file can lock it (flock(2)). Raises
    OSError, also if the file has another hard link: the file may then be another user's."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | _SAFELY, 0o600)
    opened = os.fdopen(descriptor, "r+")
    try:
        if _regular(descriptor, file).st_nlink > 1:
            raise OSError(errno.EMLINK, "it has a second name; remove it", str(file))
        os.fchmod(descriptor, 0o600)
    except OSError:
        opened.close()
        raise
    return opened


def _regular(descriptor: int, file: Path) -> os.stat_result:
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file; remove it", str(file))
    return about
