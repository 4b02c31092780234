"""NOTIFY: runs a program for what happens to a VIP, in order and one at a time. Nobody waits for
it, and what waits to be told, and what runs at once, is bounded."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from vipd.daemon.base import program, tasks
from vipd.daemon.base.children import Children
from vipd.daemon.base.program import Ended, Job
from vipd.daemon.events.tally import Tally
from vipd.daemon.log.logger import VipLog, log

NAME = "notify"
"""What the program is called in the log and in metrics."""

WAITING = 32
"""Notifications of one VIP that wait at most: of more, the oldest are dropped."""

#: How many programs run at once for all VIPs, those not counted that have run for longer than
#: _BRIEF seconds; and how many in any case.
_AT_ONCE, _AT_MOST = 8, 64
_BRIEF = 1.0
#: How long the daemon's end waits for all that is left, and for what it then kills, seconds.
_PATIENCE = 5.0
_GONE_WITHIN = 1.0


class Notice(Protocol):
    """One notification. Its program is asked for when it is its turn, so that a reload counts."""

    log: VipLog

    def job(self, lost: int) -> Job:
        """What is to run; no command: nothing any more. ``lost``: how many notifications of the VIP
        were dropped since the last one."""

    def delivered(self, ended: Ended, lost: int) -> None:
        """The program has ended."""

    def falls_behind(self) -> None:
        """One is dropped, the first since the last that was delivered."""


class Notifier:
    """The notifications of all VIPs. A VIP's queue outlives its run: the last notification of one
    that ends is delivered after its end."""

    def __init__(self, children: Children, tally: Tally) -> None:
        self._children = children
        self._tally = tally
        self._slots = _Slots()
        self._queues: dict[str, _Queue] = {}

    def tell(self, identifier: str, notice: Notice) -> None:
        """Deliver this after what waits for the VIP of this ID."""
        queue = self._queues.get(identifier)
        if queue is None:
            queue = self._queues[identifier] = _Queue()
        if len(queue.waiting) >= WAITING:
            queue.waiting.popleft()
            queue.lost += 1
            self._tally.vips[identifier].lost_notifications += 1
            if queue.lost == 1:
                notice.falls_behind()
        queue.waiting.append(notice)
        if queue.work is None:
            queue.work = tasks.start(self._work(identifier, queue), f"NOTIFY of VIP {identifier}")

    async def close(self) -> None:
        """Deliver what waits, for a few seconds; then kill what runs, and drop the rest."""
        works = [queue.work for queue in self._queues.values() if queue.work]
        if not works:
            return
        _, hanging = await asyncio.wait(works, timeout=_PATIENCE)
        if not hanging:
            return
        left = sum(len(queue.waiting) for queue in self._queues.values())
        log.error(
            "vipd ends: kills NOTIFY of %d VIPs, which takes longer than %g s, and drops %d "
            "notifications",
            len(hanging),
            _PATIENCE,
            left,
            extra={"reason": "notify"},
        )
        for work in hanging:
            work.cancel()
        await asyncio.wait(hanging, timeout=_GONE_WITHIN)

    async def _work(self, identifier: str, queue: "_Queue") -> None:
        """Deliver what waits for one VIP, and forget its queue then."""
        try:
            while queue.waiting:
                async with self._slots.one():
                    await self._deliver(identifier, queue)
        finally:
            queue.work = None
            if not queue.waiting:
                del self._queues[identifier]

    async def _deliver(self, identifier: str, queue: "_Queue") -> None:
        notice = queue.waiting.popleft()
        job = notice.job(queue.lost)
        if not job.command:
            return
        lost, queue.lost = queue.lost, 0
        ended = await program.run(self._children, job, NAME, notice.log, leaves_nothing=True)
        failed = bool(ended.trouble)
        self._tally.vips[identifier].ran(NAME, ended.seconds, failed=failed)
        notice.delivered(ended, lost)


class _Queue:
    """What waits for one VIP. ``lost``: how many were dropped since the last delivery; ``work``:
    the task that delivers them, if one does."""

    def __init__(self) -> None:
        self.waiting: deque[Notice] = deque()
        self.lost = 0
        self.work: asyncio.Task[None] | None = None


class _Slots:
    """Bounds how many programs run at once: a few, because they take the processor from the
    protocol. One that takes long, most likely because it waits for something, makes room for
    another, until there are too many."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(_AT_MOST)
        self._brief = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        async with self._all:
            await self._brief.acquire()
            held = True

            def release() -> None:
                nonlocal held
                if held:
                    held = False
                    self._brief.release()

            timer = asyncio.get_running_loop().call_later(_BRIEF, release)
            try:
                yield
            finally:
                timer.cancel()
                release()
