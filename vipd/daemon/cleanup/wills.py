"""What is to be done for a master that dies without warning: written down while it lives.

As long as a VIP is master, RUNTIME_DIR/farewell/vip-ID says how to take its addresses off, and
holds the frame that bows out for it. `vipd.daemon.cleanup.farewell` reads it when the daemon is
gone. The frame is a signed packet like those on the wire: no password is in there. Only root may
look all the same, because who sends that frame deposes us.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from errno import EPERM
from pathlib import Path

from vipd.daemon.cleanup.farewell import DELETE, INTERFACE, PREPARE, SEND, trusted, wills_in
from vipd.daemon.log.logger import log

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class CrashCleanup:
    """The wills of one daemon's VIPs. ``counter`` is for the advertisements in them: it must be
    larger than that of all others in this life, and smaller than those of the next.

    A directory that cannot be written to is told once, until it can be: the next host then takes
    over when the lease ends, as without a will.
    """

    def __init__(self, runtime_dir: Path, counter: int) -> None:
        self.counter = counter
        self._directory = Path(wills_in(str(runtime_dir)))
        self._silent = False

    def leave(
        self,
        vip: str,
        interface: str,
        requests: Iterable[tuple[bytes, bool]],
        frames: Iterable[bytes],
    ) -> None:
        """``requests``: netlink requests, to be acknowledged, that take the addresses off (True),
        or come before (False); ``frames``: what to send on ``interface`` then. Replaces this VIP's
        earlier will."""
        lines = [
            f"{INTERFACE} {interface}",
            *(f"{DELETE if deletes else PREPARE} {each.hex()}" for each, deletes in requests),
            *(f"{SEND} {frame.hex()}" for frame in frames),
            "",
        ]
        try:
            self._write(vip, "\n".join(lines))
        except OSError as error:
            if not self._silent:
                log.warning(
                    "cannot write %s: %s; if vipd is killed, the next host waits for its lease",
                    self._directory,
                    error,
                )
            self._silent = True
        else:
            self._silent = False  # the next time that it fails is news again

    def _write(self, vip: str, text: str) -> None:
        """Raises OSError. No link is followed, and no file kept that others may have made."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        directory = os.open(self._directory, _DIRECTORY)
        try:
            if not trusted(os.fstat(directory)):
                raise PermissionError(EPERM, "others may write there: remove it, and restart vipd")
            name = self._file(vip).name
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
            file = os.open(name, _NEW, 0o600, dir_fd=directory)
            try:
                _write_all(file, text.encode())
            except OSError:  # a full disk: half a will is none
                os.unlink(name, dir_fd=directory)
                raise
            finally:
                os.close(file)
        finally:
            os.close(directory)

    def revoke(self, vip: str) -> None:
        """This VIP is not master any more. A will that stays does no harm: it bows out only if it
        finds an address to take off."""
        try:
            self._file(vip).unlink(missing_ok=True)
        except OSError as error:
            log.warning("cannot remove %s: %s; remove it", self._file(vip), error)

    def _file(self, vip: str) -> Path:
        # An ID is part of a file's name, so it has no slash; and with this it is not "..".
        return self._directory / f"vip-{vip}"


def _write_all(file: int, data: bytes) -> None:
    """A disk that becomes full takes the part that it has room for, and says why only then."""
    while data:
        data = data[os.write(file, data) :]
