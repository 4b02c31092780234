"""One run of a program of the configuration, from its start to its end, with a time limit."""

import asyncio
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from errno import EAGAIN, EMFILE, ENFILE, ENOMEM

from vipd.daemon.base.children import Child, Children
from vipd.daemon.log.logger import VipLog, printable

#: Seconds between SIGTERM and SIGKILL for a program that exceeds its time limit.
MERCY = 2.0
#: What a process or the machine may have again in a moment.
_SCARCE = frozenset({EAGAIN, EMFILE, ENFILE, ENOMEM})


@dataclass(frozen=True, slots=True)
class Job:
    """A program with its arguments (none: nothing to run), the variables that are added to our
    environment, and the seconds it may take before its whole process group is ended."""

    command: Sequence[str]
    environment: Mapping[str, str]
    timeout: float


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended, after ``seconds``: exit ``status`` (negative: killed by that signal), or
    None if the program could not be started, or did not end. ``trouble``: the error as text, or "".
    ``said``: the last line of its output, safe to print. ``scarce``: it was not started because
    something is used up that may be there again in a moment."""

    status: int | None
    seconds: float
    trouble: str = ""
    said: str = ""
    scarce: bool = False


async def run(
    children: Children, job: Job, name: str, log: VipLog, *, leaves_nothing: bool = False
) -> Ended:
    """Run it, log its output, and wait for its end. ``name``: what it is called in the log.
    ``leaves_nothing``: what it leaves in its process group is killed. If this is cancelled, the
    process group is killed."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    try:
        child = await children.start(
            job.command, job.environment, job.timeout, leaves_nothing=leaves_nothing
        )
    except OSError as error:
        seconds = loop.time() - started
        if error.errno in _SCARCE:
            return Ended(None, seconds, f"cannot run {name} now: {error.strerror}", scarce=True)
        return Ended(None, seconds, _cannot_run(name, printable(str(error))))
    try:
        await _wait(child, name, job.timeout, log)
    except asyncio.CancelledError:
        child.kill(signal.SIGKILL)
        raise
    lines = [printable(line) for line in child.output.decode(errors="replace").splitlines()]
    seconds = loop.time() - started
    if child.never_ran:
        return Ended(None, seconds, _cannot_run(name, lines[0] if lines else ""))
    for line in lines:
        log.info("%s: %s", name, line, extra={"script": name})
    if not child.ended.is_set():
        trouble = (
            f"{name} (process {child.process}) does not end although it was killed: it "
            "waits in the kernel, most likely for a disk or a file server that does not answer"
        )
        return Ended(None, seconds, trouble)
    trouble = f"{name} failed: {child.how}" if child.status else ""
    return Ended(child.status, seconds, trouble, child.last_line)


async def _wait(child: Child, name: str, timeout: float, log: VipLog) -> None:
    """Wait until it has ended, or has not although it was killed."""
    for patience, last_resort in ((timeout, signal.SIGTERM), (MERCY, signal.SIGKILL)):
        if await child.ends_within(patience):
            return
        log.error(
            "%s still runs after %g s: %s to its process group",
            name,
            patience,
            last_resort.name,
            extra={"script": name, "reason": "timeout"},
        )
        child.kill(last_resort)
    await child.ends_within(MERCY)


def _cannot_run(name: str, why: str) -> str:
    return (
        f"cannot run {name}: {why}; make it an executable script with a #! line, or take "
        "it out of the configuration"
    )
