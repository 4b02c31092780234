"""Whether another process on this host runs a group already: ucarp, or another vipd."""

import asyncio
import errno
from collections.abc import Mapping
from typing import Any

from vipd.daemon import tasks
from vipd.daemon.background import Background
from vipd.daemon.ucarps import Group, running_ucarps
from vipd.linux.tenancy import Tenancy, Tenant, tenant, watched

#: How old a look at the processes may be, seconds: hundreds of VIPs that start together share one.
_FRESH = 1.0


class Rivals:
    """For all VIPs of a daemon."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ucarps: Mapping[Group, int] = {}
        self._looked_at = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._background = Background()

    async def settle(self, group: Group) -> "Tenancy | Tenant | None":
        """Take the group for this process; or who has it. None: it is nobody's, and we cannot take
        it either (a user who has no business with it holds the name)."""
        if self._loop.time() - self._looked_at > _FRESH:
            # One look for all that wait, so that they go on together, not one in each turn.
            if self._looking is None or self._looking.done():
                self._looking = tasks.start(self._look(), "looking for other ucarps")
            await asyncio.shield(self._looking)
        process = self._ucarps.get(group)
        if process and (rival := watched(process)):
            return rival
        try:
            return Tenancy(*group)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        return tenant(*group)

    async def _look(self) -> None:
        # Not in the loop: a machine has thousands of processes.
        self._ucarps = await self._background.run(running_ucarps)
        self._looked_at = self._loop.time()

    async def end_of(self, rival: Tenant, stop: asyncio.Future[None]) -> None:
        """Wait until it has ended, or ``stop`` is done."""
        ended = asyncio.Event()
        self._loop.add_reader(rival.end, ended.set)
        waiting = tasks.start(ended.wait(), "waiting for another ucarp")
        try:
            either: list[asyncio.Future[Any]] = [waiting, stop]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            self._loop.remove_reader(rival.end)
            rival.close()
            self._looked_at = float("-inf")
