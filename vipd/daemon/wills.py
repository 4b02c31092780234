"""What is to be done for a master that dies without warning: written down while it lives.

As long as a VIP is master, RUNTIME_DIR/farewell/vip-ID says how to take its addresses off, and
holds the frame that bows out for it. `vipd.daemon.farewell` reads it when the daemon is gone. The
frame is a signed packet like those on the wire: no password is in there. Only root may look all the
same, because who sends that frame deposes us.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from vipd.daemon.farewell import DELETE, INTERFACE, PREPARE, SEND, wills_in
from vipd.daemon.journal import log


class Wills:
    """The wills of one daemon's VIPs. ``counter`` is for the advertisements in them: it must be
    larger than that of all others in this life, and smaller than those of the next.

    A directory that cannot be written to is told once: the next host then takes over when the
    lease ends, as without a will.
    """

    def __init__(self, runtime_dir: Path, counter: int) -> None:
        self.counter = counter
        self._directory = Path(wills_in(str(runtime_dir)))
        self._silent = False

    def leave(
        self, vip: str, interface: str, requests: Iterable[tuple[bytes, bool]], frame: bytes
    ) -> None:
        """``requests``: netlink requests, to be acknowledged, that take the addresses off (True),
        or come before (False); ``frame``: what to send on ``interface`` then. Replaces this VIP's
        earlier will."""
        lines = [
            f"{INTERFACE} {interface}",
            *(f"{DELETE if deletes else PREPARE} {each.hex()}" for each, deletes in requests),
            f"{SEND} {frame.hex()}\n",
        ]
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            descriptor = os.open(self._file(vip), flags, 0o600)
            try:
                os.write(descriptor, "\n".join(lines).encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            if not self._silent:
                log.warning(
                    "cannot write %s: %s; if vipd is killed, the next host waits for its lease",
                    self._directory,
                    error,
                )
            self._silent = True

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
