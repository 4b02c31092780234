"""UPSCRIPT and DOWNSCRIPT of one VIP: one at a time, without delaying the protocol.

A script is run as ``SCRIPT INTERFACE ADDRESS [XPARAM]``, like in ucarp. Unlike ucarp, vipd does not
wait for it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from vipd.daemon.base import program, tasks
from vipd.daemon.base.children import Children
from vipd.daemon.base.program import Job
from vipd.daemon.log.logger import VipLog, printable

#: Seconds until we look again whether a script has ended that another process runs.
_LOOK_AGAIN = 0.05
#: Seconds until a script that could not be started is tried again.
_AGAIN = 1.0


class Wanted(Enum):
    """The state that a script has to establish."""

    UP = "upscript"
    DOWN = "downscript"


Begun = Callable[[], bool | None]
"""Whether the DOWNSCRIPT has succeeded that another process has begun to run; None while it
runs."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a script ended: exit ``status`` (negative: killed by that signal), or None if it could
    not be started, or did not end. ``trouble``: the error as text, or "". ``scarce``: not started
    because something is used up that may be there again in a moment."""

    wanted: Wanted
    status: int | None
    seconds: float
    trouble: str = ""
    scarce: bool = False


class Scripts:
    """The queue of one VIP. Only the last wanted state counts: a script that was requested while
    another ran, and is not wanted any more when that one ends, is never run.

    A DOWNSCRIPT that could not be started because something was used up is tried again until it
    can: nobody else removes the address, and another host has it."""

    def __init__(self, done: Callable[[Outcome], None], log: VipLog, children: Children) -> None:
        self._done = done
        self._log = log
        self._children = children
        self._wanted: Wanted | None = None
        self._begun: Begun | None = None
        self._job = Job((), {}, 0.0)
        self._worker: asyncio.Task[None] | None = None
        self._again: asyncio.TimerHandle | None = None
        #: The script that runs now, and since when (the loop's clock).
        self.running: tuple[Wanted, float] | None = None

    def want(self, wanted: Wanted, job: Job, begun: Begun | None = None) -> None:
        """Run ``job`` for this state, when the script that runs now (if any) has ended. ``begun``:
        another process runs DOWNSCRIPT already. It is waited for, and if it succeeds, it counts as
        ours."""
        if self._again:
            self._again.cancel()
            self._again = None
        idle = self._worker is None or self._worker.done()
        if idle and not job.command:
            return
        self._wanted = wanted
        self._begun = begun or self._begun
        self._job = job
        if idle:
            self._worker = tasks.start(self._work(), "running scripts")

    def _try_again(self, job: Job) -> None:
        self._again = None
        self._wanted, self._job = Wanted.DOWN, job
        self._worker = tasks.start(self._work(again=True), "running a script again")

    async def idle(self) -> None:
        """Return when no script runs or waits."""
        if self._worker:
            await asyncio.wait([self._worker])

    async def _work(self, *, again: bool = False) -> None:
        """``again``: the first one could not be started before, which was reported."""
        last: Wanted | None = None
        while self._wanted and (self._begun or self._wanted is not last):
            last, self._wanted = self._wanted, None
            job, begun, self._begun = self._job, self._begun, None
            down = begun is not None and await self._ended_elsewhere(begun, job.timeout)
            if not job.command or (down and last is Wanted.DOWN):
                continue
            outcome = await self._run(last, job)
            if not (again and outcome.scarce):
                self._done(outcome)
            again = False
            if outcome.scarce and last is Wanted.DOWN and self._wanted in (None, last):
                loop = asyncio.get_running_loop()
                self._again = loop.call_later(_AGAIN, self._try_again, job)
        self._wanted = None

    async def _ended_elsewhere(self, begun: Begun, timeout: float) -> bool:
        """Wait for the end of DOWNSCRIPT in another process, which is bounded; whether it has
        succeeded."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        most = timeout + 3 * program.MERCY
        self.running = (Wanted.DOWN, started)
        try:
            while (succeeded := begun()) is None and loop.time() < started + most:
                await asyncio.sleep(_LOOK_AGAIN)
        finally:
            self.running = None
        if succeeded:
            self._log.info(
                "the guard has run downscript while we were stopped",
                extra={"script": Wanted.DOWN.value},
            )
        return bool(succeeded)

    async def _run(self, wanted: Wanted, job: Job) -> Outcome:
        self.running = (wanted, asyncio.get_running_loop().time())
        self._log.info(
            "Spawning [%s]",
            printable(" ".join(job.command)),
            extra={"script": wanted.value},
        )
        try:
            ended = await program.run(self._children, job, wanted.value, self._log)
        finally:
            self.running = None
        return Outcome(wanted, ended.status, ended.seconds, ended.trouble, ended.scarce)
