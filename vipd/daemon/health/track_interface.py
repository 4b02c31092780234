"""TRACK_INTERFACE: an interface that the service needs, like the one on a router's other side."""

import asyncio
from collections.abc import Collection

from vipd.daemon.health.debounced import Debounced
from vipd.daemon.health.settings import Times
from vipd.daemon.health.verdict import Changed, Verdict
from vipd.linux.links import Links


class TrackedLinks:
    """All interfaces of the kernel, and who wants to be told of their changes."""

    def __init__(self, links: Links) -> None:
        self.links = links
        self._tracked: list[TrackInterface] = []

    def add(self, interface: "TrackInterface") -> None:
        self._tracked.append(interface)

    def remove(self, interface: "TrackInterface") -> None:
        self._tracked.remove(interface)

    def changed(self, names: Collection[str]) -> None:
        """Interfaces of these names came, went or changed (`vipd.linux.links.News.names`)."""
        for each in self._tracked:
            if each.name in names:
                each.look()


class TrackInterface:
    """Not well while the interface is not there, is down, or has no carrier. ``name``: any of its
    names; another interface that gets the name is the tracked one from then on."""

    def __init__(
        self,
        name: str,
        tracked: TrackedLinks,
        times: Times,
        loop: asyncio.AbstractEventLoop,
        changed: Changed,
    ) -> None:
        self.name = name
        self._tracked = tracked
        self._debounced = Debounced(loop, times, changed)

    @property
    def verdict(self) -> Verdict:
        return self._debounced.verdict

    def resume(self, before: "TrackInterface") -> None:
        self._debounced.resume(before._debounced)

    def start(self) -> None:
        self._tracked.add(self)
        self.look()

    def close(self) -> None:
        self._tracked.remove(self)
        self._debounced.close()

    def look(self) -> None:
        """It may have changed."""
        link = self._tracked.links.get(self.name)
        gone = f"interface {self.name} is not there"
        self._debounced.see(link.silent(self.name) if link else gone)
