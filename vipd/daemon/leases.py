"""Leases on addresses: how long the first one is, and renewals, all of one turn at once."""

import asyncio
import os
from math import ceil

from vipd.config.model import Vip as Config
from vipd.daemon.journal import log
from vipd.linux.netlink import Netlink

_COMPLAIN_EVERY = 60.0


def first_lease(
    config: Config, lease: int, advertised: float, before: float, now: float
) -> tuple[float, int]:
    """A lease of ``lease`` seconds on an address that comes ``now``: until when it holds, and the
    whole seconds that the kernel is asked for.

    The other hosts have been counting since we ``advertised``, and only an advertisement makes a
    lease longer that ran until ``before`` (inf: there was none).
    """
    until = min(before, max(advertised + lease, now + config.shortest_lease))
    left = round(until - now, 3)
    whole = max(1, int(left))
    if now + whole < advertised + config.renewed_within:
        whole = max(1, ceil(left))
    return min(until, now + whole), whole


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
