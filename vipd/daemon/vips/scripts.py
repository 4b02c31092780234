"""UPSCRIPT and DOWNSCRIPT of one VIP: one at a time, without delaying the protocol.

A script is run as ``SCRIPT INTERFACE ADDRESS [XPARAM]``, like in ucarp. Unlike ucarp, vipd does not
wait for it.
"""

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from errno import EAGAIN, EMFILE, ENFILE, ENOMEM

from vipd.daemon.base import tasks
from vipd.daemon.base.children import Child, Children
from vipd.daemon.log.logger import VipLog, printable

#: Seconds between SIGTERM and SIGKILL for a script that exceeds its time limit.
_MERCY = 2.0
#: What a process or the machine may have again in a moment; and seconds until we try again.
_SCARCE, _AGAIN = frozenset({EAGAIN, EMFILE, ENFILE, ENOMEM}), 1.0


class Wanted(Enum):
    """The state that a script has to establish."""

    UP = "upscript"
    DOWN = "downscript"


@dataclass(frozen=True, slots=True)
class Job:
    """A program with its arguments (none: nothing to run), the variables that are added to our
    environment, and the seconds it may take before its whole process group is ended."""

    command: Sequence[str]
    environment: Mapping[str, str]
    timeout: float


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
        self._job = Job((), {}, 0.0)
        self._worker: asyncio.Task[None] | None = None
        self._again: asyncio.TimerHandle | None = None
        #: The script that runs now, and since when (the loop's clock).
        self.running: tuple[Wanted, float] | None = None

    def want(self, wanted: Wanted, job: Job) -> None:
        """Run ``job`` for this state, when the script that runs now (if any) has ended."""
        if self._again:
            self._again.cancel()
            self._again = None
        idle = self._worker is None or self._worker.done()
        if idle and not job.command:
            return
        self._wanted = wanted
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
        while self._wanted not in (None, last):
            last, self._wanted = self._wanted, None
            job = self._job
            if not last or not job.command:
                continue
            outcome = await self._run(last, job)
            if not (again and outcome.scarce):
                self._done(outcome)
            again = False
            if outcome.scarce and last is Wanted.DOWN and self._wanted in (None, last):
                loop = asyncio.get_running_loop()
                self._again = loop.call_later(_AGAIN, self._try_again, job)
        self._wanted = None

    async def _run(self, wanted: Wanted, job: Job) -> Outcome:
        loop = asyncio.get_running_loop()
        started = loop.time()
        self.running = (wanted, started)
        try:
            return await self._run_from(started, wanted, job)
        finally:
            self.running = None

    async def _run_from(self, started: float, wanted: Wanted, job: Job) -> Outcome:
        loop = asyncio.get_running_loop()
        self._log.info(
            "Spawning [%s]",
            printable(" ".join(job.command)),
            extra={"script": wanted.value},
        )
        try:
            child = await self._children.start(job.command, job.environment, job.timeout)
        except OSError as error:
            seconds = loop.time() - started
            if error.errno in _SCARCE:
                trouble = f"cannot run {wanted.value} now: {error.strerror}"
                return Outcome(wanted, None, seconds, trouble, scarce=True)
            return Outcome(wanted, None, seconds, _cannot_run(wanted, str(error)))
        try:
            await self._wait(child, wanted, job.timeout)
        except asyncio.CancelledError:
            child.kill(signal.SIGKILL)
            raise
        lines = [printable(line) for line in child.output.decode(errors="replace").splitlines()]
        if child.never_ran:
            trouble = _cannot_run(wanted, lines[0] if lines else "")
            return Outcome(wanted, None, loop.time() - started, trouble)
        for line in lines:
            self._log.info("%s: %s", wanted.value, line, extra={"script": wanted.value})
        seconds = loop.time() - started
        if not child.ended.is_set():
            trouble = (
                f"{wanted.value} (process {child.process}) does not end although it was killed: it "
                "waits in the kernel, most likely for a disk or a file server that does not answer"
            )
            return Outcome(wanted, None, seconds, trouble)
        trouble = f"{wanted.value} failed: {child.how}" if child.status else ""
        return Outcome(wanted, child.status, seconds, trouble)

    async def _wait(self, child: Child, wanted: Wanted, timeout: float) -> None:
        """Wait until it has ended, or has not although it was killed."""
        for patience, last_resort in ((timeout, signal.SIGTERM), (_MERCY, signal.SIGKILL)):
            if await child.ends_within(patience):
                return
            self._log.error(
                "%s still runs after %g s: %s to its process group",
                wanted.value,
                patience,
                last_resort.name,
                extra={"script": wanted.value, "reason": "timeout"},
            )
            child.kill(last_resort)
        await child.ends_within(_MERCY)


def _cannot_run(wanted: Wanted, why: str) -> str:
    return (
        f"cannot run {wanted.value}: {why}; make it an executable script with a #! line, or take "
        "it out of the configuration"
    )
