"""One health check: runs its program on schedule, and makes verdicts of what it says."""

import asyncio
import signal
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from math import ceil

from vipd.config.health_fields import Check
from vipd.daemon.base import tasks
from vipd.daemon.base.children import Child, Children
from vipd.daemon.base.waiting import happens
from vipd.daemon.health.judgement import Judgement
from vipd.daemon.health.verdict import Changed, Verdict
from vipd.daemon.log.logger import printable

#: The exit status of a run that says nothing (EX_TEMPFAIL of sysexits.h).
_NO_VERDICT = 75
#: Who is late by more seconds than this cannot tell whether a program was.
_LATE = 0.1
#: Multiples of this, without their whole part, are spread evenly, however many there are.
_GOLDEN = (5**0.5 - 1) / 2
#: Seconds within which all checks have begun: until then the host preempts nobody.
_SPREAD = 10.0
#: How long the daemon's end waits for the programs that it killed, seconds.
_PATIENCE = 1.0


class Result(Enum):
    """What a run said. NONE: nothing, or the daemon was too late to tell."""

    OK = "ok"
    FAILED = "failed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has ended ``at`` (the loop's clock), after ``seconds``. ``said``: how, and the
    last line of its output."""

    result: Result
    at: float
    seconds: float
    said: str


class Checks:
    """Makes the checks of a daemon, and spreads them over their intervals. ``late_at``: when the
    loop was last late (its clock)."""

    def __init__(self, children: Children, late_at: Callable[[], float]) -> None:
        self._children = children
        self._late_at = late_at
        self._number = 0
        self._made: weakref.WeakSet[CheckRunner] = weakref.WeakSet()

    def make(
        self, check: Check, changed: Changed, environment: Callable[[], Mapping[str, str]]
    ) -> "CheckRunner":
        """A check that is not started yet. ``environment``: what is added to ours at each run."""
        phase = self._number * _GOLDEN % 1 * min(check.interval, _SPREAD)
        self._number += 1
        made = CheckRunner(check, changed, self._children, self._late_at, environment, phase)
        self._made.add(made)
        return made

    async def gone(self) -> None:
        """Return when nothing of those that were closed runs any more, or does not end."""
        if works := [each.work for each in self._made if each.work and not each.work.done()]:
            await asyncio.wait(works, timeout=_PATIENCE)


class CheckRunner:
    """A source of verdicts, which several VIPs may share. ``environment``: what is added to ours,
    asked for at each start. ``phase``: seconds until the first run."""

    def __init__(
        self,
        check: Check,
        changed: Changed,
        children: Children,
        late_at: Callable[[], float],
        environment: Callable[[], Mapping[str, str]],
        phase: float = 0.0,
    ) -> None:
        self.check = check
        self._clock = asyncio.get_running_loop().time
        self.judgement = Judgement(check, self._clock())
        #: Runs that have ended, by what they said.
        self.runs: Counter[Result] = Counter()
        self.last: Run | None = None
        self._changed = changed
        self._children = children
        self._late_at = late_at
        self._environment = environment
        self.phase = phase
        self._failed = ""  # what the last failed run said
        self._child: Child | None = None
        self._closed = asyncio.Event()
        #: Ends when nothing of it runs any more.
        self.work: asyncio.Task[None] | None = None

    @property
    def verdict(self) -> Verdict:
        """What the check says now; of a failed one, what its last failed run said; of one without a
        verdict, what the last run said."""
        well = self.judgement.well
        if self.check.refused:
            return Verdict(False, self.judgement.since, f"not run: {self.check.refused}")
        said = self._failed if well is False else ""
        if well is None and self.last:
            said = self.last.said
        return Verdict(well, self.judgement.since, said)

    def resume(self, before: "CheckRunner") -> None:
        self.judgement.resume(before.judgement)
        self.runs, self.last = before.runs.copy(), before.last
        self._failed = before._failed
        self._changed()

    def start(self) -> None:
        """Run it from now on, unless it must not run at all."""
        if not self.check.refused:
            self.work = tasks.start(self._run_on_schedule(), f"check {self.check.command[0]}")

    def close(self) -> None:
        """End; what runs is killed (see `Checks.gone`)."""
        self._closed.set()
        if self._child:
            self._child.kill(signal.SIGKILL)

    async def _run_on_schedule(self) -> None:
        every = self.check.interval
        due = self._clock() + self.phase
        while not await happens(self._closed, due - self._clock()):
            await self._run(due)
            # Starts that have passed meanwhile are left out.
            due += every * max(1, ceil((self._clock() - _LATE - due) / every))

    async def _run(self, due: float) -> None:
        check, started = self.check, self._clock()
        late = started - due > _LATE
        try:
            child = self._child = await self._children.start(
                check.command,
                self._environment(),
                check.timeout,
                user=check.account,
                leaves_nothing=True,
            )
        except OSError as error:
            self._ended(Result.FAILED, started, f"cannot be started: {printable(str(error))}", late)
            return
        if self._closed.is_set():
            child.kill(signal.SIGKILL)
        deadline = started + check.timeout
        if await child.ends_within(deadline - self._clock()):
            self._ended(_result(child.status), started, _with_line(child.how, child), late)
        else:
            child.kill(signal.SIGKILL)
            late = late or self._clock() - deadline > _LATE
            how = f"still ran after {check.timeout:g} s, and was killed"
            self._ended(Result.FAILED, started, _with_line(how, child), late)
            await self._until_gone(child)
        self._child = None

    async def _until_gone(self, child: Child) -> None:
        """Wait for one that was killed. Another run beside it would hang where this one does, so
        this counts as its failure."""
        while not await child.ends_within(self.check.interval) and not self._closed.is_set():
            how = f"does not end although it was killed (process {child.process})"
            self._ended(Result.FAILED, self._clock(), how, late=False)

    def _ended(self, result: Result, started: float, said: str, late: bool) -> None:
        if self._closed.is_set():
            return
        now = self._clock()
        if late or self._late_at() >= started:
            result = Result.NONE
            said = f"counts as none, because vipd did not get to run in time: {said}"
        self.runs[result] += 1
        self.last = Run(result, now, now - started, said)
        if result is Result.FAILED:
            self._failed = said
        if result is not Result.NONE and self.judgement.add(result is Result.OK, now):
            self._changed()


def _result(status: int) -> Result:
    if status == 0:
        return Result.OK
    return Result.NONE if status == _NO_VERDICT else Result.FAILED


def _with_line(how: str, child: Child) -> str:
    """How it ended, with the last line of its output."""
    text = child.last_line
    return f"{how}: {text}" if text else how
