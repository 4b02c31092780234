"""The network interfaces that VIPs are on: opened when the first comes, and kept up to date."""

import asyncio
from collections.abc import Callable, Collection, Iterable

from vipd.daemon.log.logger import log
from vipd.daemon.vips.interface import Interface, Shared
from vipd.linux.links import Links

#: Seconds until the kernel is asked again how the interfaces are, after it refused to tell.
_LOOK_AGAIN = 0.5


class Interfaces:
    """By the name in the configuration. ``links``: what the kernel says about all interfaces."""

    def __init__(self, loop: asyncio.AbstractEventLoop, links: Links, shared: Shared) -> None:
        #: Called with the number of an interface that went, or was set down, before VIPs know.
        self.went_down: Callable[[int], None] = lambda _index: None
        self._loop = loop
        self._links = links
        self._shared = shared
        self._by_name: dict[str, Interface] = {}
        self._look: asyncio.TimerHandle | None = None  # once more
        self._blind = False  # the kernel refuses to tell how they are
        loop.add_reader(links.fileno(), self._changed)

    def values(self) -> Iterable[Interface]:
        return self._by_name.values()

    def open(self, name: str) -> Interface:
        """The interface of this name, whether it exists or not."""
        interface = self._by_name.get(name)
        if interface is None:
            interface = self._by_name[name] = Interface(name, self._loop, self._shared)
            self._update(interface)
        return interface

    def keep(self, names: Collection[str]) -> None:
        """Close all others."""
        for name in self._by_name.keys() - names:
            self._by_name.pop(name).close()

    def catch_up(self) -> None:
        """Take in all that has come while we did not run."""
        for interface in self._by_name.values():
            interface.catch_up()

    def close(self) -> None:
        """Follow the kernel's news no more."""
        self._loop.remove_reader(self._links.fileno())
        if self._look:
            self._look.cancel()

    def _changed(self) -> None:
        if self._look:
            self._look.cancel()
            self._look = None
        try:
            news = self._links.changes()
        except OSError as error:
            if not self._blind:
                log.error(
                    "cannot read the state of the interfaces: %s; all goes on as it was, tried "
                    "again every %g s: see whether the machine has memory left",
                    error,
                    _LOOK_AGAIN,
                    extra={"reason": "interfaces"},
                )
            self._blind = True
            self._look = self._loop.call_later(_LOOK_AGAIN, self._changed)
            return
        self._blind = False
        for index in news.down:
            self.went_down(index)
        for name in news.names & self._by_name.keys():
            self._update(self._by_name[name])
        for interface in self._by_name.values():
            interface.addresses_gained(news.gained)
            interface.addresses_lost(news.lost)
            if news.gap:
                interface.look_again()

    def _update(self, interface: Interface) -> None:
        link = self._links.get(interface.name)
        interface.update(link, self._links.addresses(link) if link else ())
