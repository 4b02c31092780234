"""Takes addresses off, and others' along with them never."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial

from vipd.daemon.log.logger import VipLog
from vipd.daemon.vips.interface import Interface
from vipd.daemon.vips.services import Services
from vipd.linux.addresses import Address
from vipd.linux.secondaries import has_others

#: Seconds until a deletion that the kernel refused is tried again: doubled each time, up to the
#: second value.
_AGAIN = (0.1, 5.0)
#: For how long a VIP that ends waits for deletions that the kernel refused, seconds.
_GONE_WITHIN = 2.0


class Removal:
    """Deletions of one VIP; those that the kernel refuses are tried again until `stop`."""

    def __init__(self, interface: Interface, services: Services, log: VipLog) -> None:
        self._interface = interface
        self._services = services
        self._log = log
        self._left: list[Address] = []  # those that could not be taken off yet
        self._retry: asyncio.TimerHandle | None = None

    def remove(self, addresses: Sequence[Address], pause: float = _AGAIN[0]) -> None:
        """Take these off, and no others that were to be taken off before."""
        self.stop()
        self.keep_others(addresses)
        # The primary address of a subnet was added first, and goes last: when it goes, the kernel
        # makes another one primary and writes all its routes again.
        for address in reversed(addresses):
            try:
                address.delete(self._services.netlink)
            except OSError as error:
                self._left.insert(0, address)
                words = "cannot remove %s from %s: %s; tries again in %g s"
                about = address.interface, self._name(address), error, pause
                self._log.error(words, *about, extra={"reason": str(error)})
        if self._left:
            longer = min(2 * pause, _AGAIN[1])
            again = partial(self.remove, self._left, longer)
            self._retry = asyncio.get_running_loop().call_later(pause, again)

    def stop(self) -> None:
        """Try nothing again."""
        self._left = []
        if self._retry:
            self._retry.cancel()
            self._retry = None

    async def gone(self) -> None:
        """Wait until what could not be taken off is; not for long."""
        clock = self._services.clock
        until = clock() + _GONE_WITHIN
        while self._left and clock() < until:
            await asyncio.sleep(_AGAIN[0])
        left = self._left
        self.stop()
        for address in left:
            words = "%s stays on this host; take it off: ip addr del %s dev %s"
            about = address.interface, address.interface, self._name(address)
            self._log.error(words, *about, extra={"reason": "left"})

    def keep_others(self, addresses: Iterable[Address]) -> None:
        """See that no other address goes when these do: the host's own, or another VIP's."""
        with_others = {each.index: each for each in addresses if has_others(each.interface)}
        for address in with_others.values():
            name = self._name(address)
            self._services.secondaries.keep(address.index, name, address.interface)

    def _name(self, address: Address) -> str:
        link = self._services.links.numbered(address.index)
        return link.name if link else self._interface.name
