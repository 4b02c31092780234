"""One health check: runs its program on schedule, and makes verdicts of what it says."""

import asyncio
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from math import ceil

from vipd.config.health_fields import Check
from vipd.daemon.base import endings
from vipd.daemon.base.attended import Attended, becoming
from vipd.daemon.base.children import Children
from vipd.daemon.health.judgement import Judgement
from vipd.daemon.health.verdict import Changed, Verdict
from vipd.daemon.log.logger import printable
from vipd.linux.spawn import Program

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
        self._loop = asyncio.get_running_loop()
        self._clock = self._loop.time
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
        self._described: Mapping[str, str] = {}  # the environment of the program
        self._program: Program | None = None
        self._run: Attended | None = None
        #: When the next run is due, when this one has started, and must have ended.
        self._due = self._started = self._deadline = 0.0
        self._late = False  # whether this one has started too late
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        #: Is done when nothing of it runs any more.
        self.work: asyncio.Future[None] | None = None

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
            self.work = self._loop.create_future()
            self._due = self._clock() + self.phase
            self._wake_at(self._due)

    def close(self) -> None:
        """End; what runs is killed (see `Checks.gone`)."""
        self._closed = True
        if self._timer:
            self._timer.cancel()
        if self._run:
            self._run.kill()
        elif self.work and not self.work.done():
            self.work.set_result(None)

    def _tick(self) -> None:
        """It is time to start, or to have ended: mostly, both are the same time."""
        self._timer = None
        if self._run:
            self._overdue(self._run)
        elif (now := self._clock()) < self._due:
            self._wake_at(self._due)
        else:
            self._late = now - self._due > _LATE
            self._started = now
            self._deadline = (now if self._late else self._due) + self.check.timeout
            self._wake_at(self._deadline)
            try:
                self._run = self._children.attend(self._prepared(), self._over)
            except OSError as error:
                self._cannot_start(error)
                self._go_on()

    def _wake_at(self, when: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._tick)

    def _prepared(self) -> Program:
        variables = self._environment()
        if self._program is None or variables != self._described:
            command = (*becoming(self.check.account), *self.check.command)
            self._described = dict(variables)
            self._program = self._children.program(command, variables)
        return self._program

    def _overdue(self, run: Attended) -> None:
        if run.look():
            return
        now, every = self._clock(), self.check.interval
        self._wake_at(now + every)
        if run.over:  # we hear of it in a moment
            return
        if not run.killed:
            run.kill()
            late = self._late or now - self._deadline > _LATE
            how = f"still ran after {self.check.timeout:g} s, and was killed"
            self._ended(Result.FAILED, self._started, _with_line(how, run), late)
        else:
            # Another run beside it would hang where this one does: this counts as its failure.
            how = f"does not end although it was killed (process {run.leader or 'unknown'})"
            self._ended(Result.FAILED, now, how, late=False)

    def _over(self, run: Attended) -> None:
        self._run = None
        if self._closed:
            assert self.work
            self.work.set_result(None)
            return
        if not run.killed:
            if run.error:
                self._cannot_start(run.error)
            else:
                how = _with_line(endings.how(run.status), run)
                self._ended(_result(run.status), self._started, how, self._late)
        self._go_on()

    def _cannot_start(self, error: BaseException) -> None:
        how = f"cannot be started: {printable(str(error))}"
        self._ended(Result.FAILED, self._started, how, self._late)

    def _go_on(self) -> None:
        """Wait for the next start. Those that have passed meanwhile are left out."""
        every = self.check.interval
        self._due += every * max(1, ceil((self._clock() - _LATE - self._due) / every))
        if not self._timer or self._due < self._timer.when():
            self._wake_at(self._due)

    def _ended(self, result: Result, started: float, said: str, late: bool) -> None:
        if self._closed:
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


def _with_line(how: str, run: Attended) -> str:
    """How it ended, with the last line of its output."""
    text = endings.last_line(run.output)
    return f"{how}: {text}" if text else how
