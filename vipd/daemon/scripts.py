"""UPSCRIPT and DOWNSCRIPT of one VIP: one at a time, never in the protocol's way.

As ucarp, a script is run as ``SCRIPT INTERFACE ADDRESS [XPARAM]``. Unlike there, nobody waits.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from vipd.daemon import tasks
from vipd.daemon.journal import VipLog, printable

#: Seconds between SIGTERM and SIGKILL for a script that is out of time.
_MERCY = 2.0
#: How much of a script's last output is kept for the log, bytes.
_TAIL = 2048


class Wanted(Enum):
    """The state a script is to bring about."""

    UP = "upscript"
    DOWN = "downscript"


@dataclass(frozen=True, slots=True)
class Job:
    """A program with its arguments (none: nothing to run), what it finds in its environment besides
    ours, and the seconds it may take before its whole process group is ended."""

    command: Sequence[str]
    environment: Mapping[str, str]
    timeout: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a script ended: exit ``status`` (negative: killed by that signal), or None if it could
    not be started. ``trouble``: what went wrong, in words, or ""."""

    wanted: Wanted
    status: int | None
    seconds: float
    trouble: str = ""


class Scripts:
    """The queue of one VIP. Only the last wanted state counts: what was asked for while a script
    ran and then taken back is never run."""

    def __init__(self, done: Callable[[Outcome], None], log: VipLog) -> None:
        self._done = done
        self._log = log
        self._wanted: Wanted | None = None
        self._job = Job((), {}, 0.0)
        self._worker: asyncio.Task[None] | None = None
        #: What runs now, and since when (the loop's clock).
        self.running: tuple[Wanted, float] | None = None

    def want(self, wanted: Wanted, job: Job) -> None:
        """Run ``job`` for this state, when the script that runs now (if any) has ended."""
        idle = self._worker is None or self._worker.done()
        if idle and not job.command:
            return
        self._wanted = wanted
        self._job = job
        if idle:
            self._worker = tasks.start(self._work(), "running scripts")

    async def idle(self) -> None:
        """Return when nothing runs and nothing waits."""
        if self._worker:
            await asyncio.wait([self._worker])

    async def _work(self) -> None:
        last: Wanted | None = None
        while self._wanted not in (None, last):
            last, self._wanted = self._wanted, None
            if last and self._job.command:
                self._done(await self._run(last, self._job))
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
            async with _Child(job) as child:
                await self._wait(child, wanted, job.timeout)
        except OSError as error:
            trouble = (
                f"cannot run {wanted.value}: {error}; make it an executable script with a #! line, "
                "or take it out of the configuration"
            )
            return Outcome(wanted, None, loop.time() - started, trouble)
        for line in child.output.decode(errors="replace").splitlines():
            self._log.info("%s: %s", wanted.value, printable(line), extra={"script": wanted.value})
        trouble = ""
        if child.status:
            how = (
                f"exit status {child.status}"
                if child.status > 0
                else f"ended by {signal.Signals(-child.status).name}"
            )
            trouble = f"{wanted.value} failed: {how}"
        return Outcome(wanted, child.status, loop.time() - started, trouble)

    async def _wait(self, child: "_Child", wanted: Wanted, timeout: float) -> None:
        for patience, last_resort in ((timeout, signal.SIGTERM), (_MERCY, signal.SIGKILL)):
            try:
                await asyncio.wait_for(child.ended.wait(), patience)
                return
            except TimeoutError:
                self._log.error(
                    "%s still runs after %g s: %s to its process group",
                    wanted.value,
                    patience,
                    last_resort.name,
                    extra={"script": wanted.value, "reason": "timeout"},
                )
                child.kill(last_resort)
        await child.ended.wait()


class _Child:
    """A process in a session of its own, with nothing of ours but the end of a pipe to write to.

    asyncio's own subprocesses are not used: before Python 3.12 they take a thread each, and their
    wait() may wait for whoever still holds the pipe.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self.ended = asyncio.Event()
        self.output = bytearray()  # the end of it
        self.status = 0

    async def __aenter__(self) -> "_Child":
        loop = asyncio.get_running_loop()
        self._reader, writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._reader, False)
        try:
            self._process = subprocess.Popen(
                self._job.command,
                env={**os.environ, **self._job.environment},
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=writer,
                start_new_session=True,
            )
        except OSError:
            os.close(self._reader)
            raise
        finally:
            os.close(writer)
        self._pidfd = os.pidfd_open(self._process.pid)
        loop.add_reader(self._pidfd, self.ended.set)
        loop.add_reader(self._reader, self._read)
        return self

    async def __aexit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        if not self.ended.is_set():  # cancelled
            self.kill(signal.SIGKILL)
        self.status = self._process.wait()
        self._read()
        loop.remove_reader(self._reader)
        os.close(self._reader)  # a child it left in the background cannot hold us up

    def kill(self, number: signal.Signals) -> None:
        """Signal the whole process group."""
        os.killpg(self._process.pid, number)

    def _read(self) -> None:
        try:
            data = os.read(self._reader, 65536)
        except BlockingIOError:
            return
        if not data:
            asyncio.get_running_loop().remove_reader(self._reader)
        self.output += data
        del self.output[:-_TAIL]
