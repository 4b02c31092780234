"""Notifies systemd (sd_notify(3)): every VIP listens, a status line, and that the loop runs.
Without systemd (no NOTIFY_SOCKET) nothing happens.

The protocol is a datagram with lines KEY=VALUE, stable since 2010: this code is less work than to
choose, bundle and watch a library. The socket never blocks, because a service manager that hangs
must not delay an advertisement.
"""

import os
import socket
import time
from collections.abc import Mapping, MutableMapping

from vipd.daemon.log.logger import log


class Notify:
    """``watchdog``: seconds within which `alive` has to be called, or None. A status is sent only
    if it has changed, or if systemd could not take it the last time."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        """Removes the variables for this process from ``environment``: scripts inherit the rest."""
        path = environment.pop("NOTIFY_SOCKET", "")
        self.watchdog = _watchdog(environment)
        for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
            environment.pop(name, None)
        self._address = f"\0{path[1:]}" if path.startswith("@") else path
        self._status = ""
        self.wanted = bool(path)  # whether systemd listens
        self._socket: socket.socket | None = None
        if path:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)

    def ready(self, status: str) -> bool:
        """Every VIP listens, or a reload is done. Returns whether it was sent: if not, call
        again."""
        self._status = status
        return self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        # The time is for Type=notify-reload of systemd 253; older ones ignore it.
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._send("STOPPING=1", "STATUS=Handing over")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        if text != self._status and self._send(f"STATUS={text}"):
            self._status = text

    def alive(self) -> None:
        """Send WATCHDOG=1: the loop runs."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> bool:
        if self._socket is None:
            return True
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except BlockingIOError:
            return False
        except OSError as error:
            about = {"reason": "systemd"}
            log.warning("cannot tell systemd %s: %s", lines[0], error, extra=about)
        return True


def _watchdog(environment: Mapping[str, str]) -> float | None:
    microseconds = environment.get("WATCHDOG_USEC", "")
    ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    if not ours or not microseconds.isdigit() or not int(microseconds):
        return None
    return int(microseconds) / 1e6
