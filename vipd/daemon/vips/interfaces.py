"""The network interfaces of VIPs: opened for the first VIP on each, and kept up to date."""

import asyncio
from collections.abc import Callable, Collection, Iterable

from vipd.daemon.health.track_gateway import Place
from vipd.daemon.log.logger import log
from vipd.daemon.vips.interface import Interface, Shared
from vipd.linux.links import Links

#: Seconds until the interfaces are read again, after the kernel refused the request.
_LOOK_AGAIN = 0.5


class Interfaces:
    """Interfaces by their name in the configuration. ``links``: all interfaces of the kernel."""

    def __init__(self, loop: asyncio.AbstractEventLoop, links: Links, shared: Shared) -> None:
        #: Called with the index of an interface that is gone or down, before its VIPs are notified.
        self.went_down: Callable[[int], None] = lambda _index: None
        #: Called with the names of interfaces that came, went or changed, after their VIPs.
        self.changed: Callable[[Collection[str]], None] = lambda _names: None
        self._loop = loop
        self._links = links
        self._shared = shared
        self._by_name: dict[str, Interface] = {}
        self._look: asyncio.TimerHandle | None = None  # reads the interfaces again
        self._blind = False  # the kernel refused to report them
        loop.add_reader(links.fileno(), self._changed)

    def values(self) -> Iterable[Interface]:
        return self._by_name.values()

    def open(self, name: str) -> Interface:
        """The interface with this name, whether it exists or not."""
        interface = self._by_name.get(name)
        if interface is None:
            interface = self._by_name[name] = Interface(name, self._loop, self._shared)
            self._update(interface)
        return interface

    def place(self, name: str) -> Place | None:
        """Where on an interface of the VIPs this host can ask others from; None: it is not there,
        or down."""
        interface = self._by_name.get(name)
        link = interface.link if interface else None
        if interface is None or link is None or not link.up:
            return None
        own = [interface.present[address] for address in interface.sources()]
        return Place(link.name, link.mac, own)

    def keep(self, names: Collection[str]) -> None:
        """Close all interfaces except these."""
        for name in self._by_name.keys() - names:
            self._by_name.pop(name).close()

    def catch_up(self) -> None:
        """Read all packets and notices that came while we did not run."""
        for interface in self._by_name.values():
            interface.receiver.catch_up()

    def close(self) -> None:
        """Give all sockets back: a process that ends with them open ends later."""
        self._loop.remove_reader(self._links.fileno())
        if self._look:
            self._look.cancel()
        self.keep(())

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
            interface.others_changed(news.names)
            if news.gap:
                interface.look_again()
        self.changed(news.names)

    def _update(self, interface: Interface) -> None:
        link = self._links.get(interface.name)
        interface.update(link, self._links.addresses(link) if link else ())
