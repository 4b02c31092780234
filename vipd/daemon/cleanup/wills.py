"""Wills: what to do for a master that was killed. They are written while it runs.

As long as a VIP is master, RUNTIME_DIR/farewell/vip-ID has the netlink requests that delete its
addresses, and its final advertisement. `vipd.daemon.cleanup.farewell` reads it when
the daemon has ended. That is a signed packet like those on the wire: it has no password in it.
Still only root may read it, because sending it makes us lose MASTER.
"""

import os
from collections.abc import Container, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import EPERM
from pathlib import Path

from vipd.daemon.cleanup import last_scripts
from vipd.daemon.cleanup.farewell import (
    DELETE,
    INTERFACE,
    PREPARE,
    ROUTE,
    SEND,
    trusted,
    wills_in,
)
from vipd.daemon.cleanup.last_scripts import LastScript
from vipd.daemon.log.logger import log

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Final:
    """A final advertisement: ``frames`` to send on this interface, and IP ``packets`` of protocol
    112 that the kernel routes (a link-local destination is on that interface)."""

    interface: str
    frames: Sequence[bytes] = ()
    packets: Sequence[bytes] = ()


def worded(
    requests: Iterable[tuple[bytes, bool]], final: Final, script: LastScript | None = None
) -> bytes:
    """A will. ``requests``: netlink requests with NLM_F_ACK, which delete the addresses (True) or
    are sent before that (False). ``final``: what to send after that. ``script``: what removes
    addresses that have no lease."""
    lines = [
        f"{INTERFACE} {final.interface}",
        *(f"{DELETE if deletes else PREPARE} {each.hex()}" for each, deletes in requests),
        *(f"{SEND} {frame.hex()}" for frame in final.frames),
        *(f"{ROUTE} {packet.hex()}" for packet in final.packets),
        *([last_scripts.worded(script)] if script else ()),
        "",
    ]
    return "\n".join(lines).encode()


class CrashCleanup:
    """The wills of one daemon's VIPs.

    A directory that cannot be written to is logged once, until it can be: a backup then takes over
    when the lease expires, as without a will.
    """

    def __init__(self, runtime_dir: Path, owed: Container[str] = ()) -> None:
        #: The VIPs whose DOWNSCRIPT the daemon before us would have run, and nobody has.
        self.owed = owed
        self._directory = Path(wills_in(str(runtime_dir)))
        self._silent = False

    def leave(self, vip: str, will: bytes) -> None:
        """Write a VIP's will; it replaces the earlier one."""
        try:
            self._write(vip, will)
        except OSError as error:
            if not self._silent:
                log.warning(
                    "cannot write %s: %s; if vipd and its guard are killed, the next host waits "
                    "for the lease",
                    self._directory,
                    error,
                )
            self._silent = True
        else:
            self._silent = False  # the next failure is logged again

    def _write(self, vip: str, will: bytes) -> None:
        """Raises OSError. Follows no link, and keeps no file that others may have made."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        directory = os.open(self._directory, _DIRECTORY)
        try:
            if not trusted(os.fstat(directory)):
                raise PermissionError(EPERM, "others may write there: remove it, and restart vipd")
            name = self.file(vip).name
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)
            file = os.open(name, _NEW, 0o600, dir_fd=directory)
            try:
                _write_all(file, will)
            except OSError:  # a full disk: half a will must not stay
                os.unlink(name, dir_fd=directory)
                raise
            finally:
                os.close(file)
        finally:
            os.close(directory)

    def revoke(self, vip: str) -> None:
        """Delete the will: this VIP is not master any more. A will that stays does no harm: its
        final advertisement is sent only if there is an address to delete."""
        try:
            self.file(vip).unlink(missing_ok=True)
        except OSError as error:
            log.warning("cannot remove %s: %s; remove it", self.file(vip), error)

    def file(self, vip: str) -> Path:
        """Where a VIP's will is."""
        # An ID is part of a file's name, so it has no slash; the prefix rules out "..".
        return self._directory / f"vip-{vip}"


def _write_all(file: int, data: bytes) -> None:
    """Write all of it. A disk that becomes full takes what fits; only the next write(2) fails."""
    while data:
        data = data[os.write(file, data) :]
