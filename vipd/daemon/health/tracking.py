"""Makes the sources of verdicts about what is tracked."""

import asyncio
from collections.abc import Callable, Collection

from vipd.daemon.health.pool import Environment, Makers
from vipd.daemon.health.settings import (
    TrackedFile,
    TrackedGateway,
    TrackedInterface,
    TrackedUnit,
)
from vipd.daemon.health.track_file import TrackedFiles, TrackFile
from vipd.daemon.health.track_gateway import Place, TrackGateway
from vipd.daemon.health.track_interface import TrackedLinks, TrackInterface
from vipd.daemon.health.track_unit import TrackUnit
from vipd.daemon.health.verdict import Changed
from vipd.linux.links import Links


class Tracking:
    """What the tracked things of a daemon share."""

    def __init__(self, loop: asyncio.AbstractEventLoop, links: Links) -> None:
        #: Where on the interface of this name gateways are asked from, if it can be used.
        self.place: Callable[[str], Place | None] = lambda _name: None
        self._loop = loop
        self._links = TrackedLinks(links)
        self._files = TrackedFiles(loop)

    @property
    def makers(self) -> Makers:
        """For `vipd.daemon.health.pool.Pool`."""
        return {
            TrackedInterface: self._interface,
            TrackedFile: self._file,
            TrackedUnit: self._unit,
            TrackedGateway: self._gateway,
        }

    def links_changed(self, names: Collection[str]) -> None:
        """Interfaces of these names came, went or changed."""
        self._links.changed(names)

    async def gone(self) -> None:
        """Return when nothing is left of those sources that were closed, or it hangs."""
        await self._files.closed()

    def _interface(
        self, setting: TrackedInterface, changed: Changed, _: Environment
    ) -> TrackInterface:
        return TrackInterface(setting.name, self._links, setting.times, self._loop, changed)

    def _file(self, setting: TrackedFile, changed: Changed, _: Environment) -> TrackFile:
        return TrackFile(setting.path, self._files, self._loop, changed)

    def _unit(self, setting: TrackedUnit, changed: Changed, _: Environment) -> TrackUnit:
        return TrackUnit(setting.name, setting.times, self._loop, changed)

    def _gateway(self, setting: TrackedGateway, changed: Changed, _: Environment) -> TrackGateway:
        def place() -> Place | None:
            return self.place(setting.interface)

        return TrackGateway(setting.gateway, place, self._loop, changed)
