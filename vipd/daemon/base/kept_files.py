"""Files that vipd keeps for its next life, in directories that others may write to: after a service
that ran as the user vipd, root may start in that user's directory.

No link is followed, nothing but a regular file is read or written, and nobody waits for the other
end of a FIFO.
"""

import errno
import os
import stat
from pathlib import Path
from typing import TextIO

_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read(file: Path, longest: int) -> bytes:
    """The first ``longest`` bytes. Raises OSError."""
    descriptor = os.open(file, os.O_RDONLY | _SAFELY)
    with os.fdopen(descriptor, "rb") as opened:
        _regular(descriptor, file)
        return opened.read(longest)


def replace(file: Path, content: bytes, *, durable: bool = False) -> None:
    """Put a new file in its place, all of it or none; ``durable``: on the disk when it returns,
    except for its name. Raises OSError."""
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
    """For reading and writing, made if it is not there, with its content as it is; only for us,
    because whoever may read a file can lock it (flock(2)). Raises OSError, also if the file has
    another name somewhere, where it may be anybody's."""
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
