"""Renewals of address leases: all of one turn of the loop go to the kernel at once."""

import asyncio
import os

from vipd.daemon.journal import log
from vipd.linux.netlink import Netlink

_COMPLAIN_EVERY = 60.0


class Leases:
    """Collects renewals; 255 of them cost one system call and half a millisecond."""

    def __init__(self, netlink: Netlink, loop: asyncio.AbstractEventLoop) -> None:
        self._netlink = netlink
        self._loop = loop
        self._waiting: list[bytes] = []
        self._quiet_until = 0.0

    def renew(self, message: bytes) -> None:
        """Send ``message`` (`vipd.linux.addresses.Address.renewal`) before the loop sleeps."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append(message)

    def flush(self) -> None:
        """Send what waits now: an address that is about to be let go must not be renewed after."""
        if not self._waiting:
            return
        messages = b"".join(self._waiting)
        self._waiting.clear()
        try:
            failed = self._netlink.post(messages)
        except OSError as error:
            failed = {error.errno or 0}
        now = self._loop.time()
        if failed and now >= self._quiet_until:
            self._quiet_until = now + _COMPLAIN_EVERY
            reasons = ", ".join(sorted(map(os.strerror, failed)))
            log.error("the kernel did not renew the lease of an address: %s", reasons)
