"""Reads the files, applies them, and reports the outcome: one reload at a time."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import IntEnum
from pathlib import Path

from vipd.api.events import Kind
from vipd.api.io_vipd import Outcome, Result
from vipd.config.model import Settings
from vipd.config.problem import FileLocation, Problem, Severity, error, is_error, shown
from vipd.config.snapshot import ABSENCE, Snapshot
from vipd.daemon.base import tasks
from vipd.daemon.events.hub import DAEMON, Hub
from vipd.daemon.files.reader import Reader
from vipd.daemon.files.reading_process import ReadingProcess
from vipd.daemon.files.watch import Watch
from vipd.daemon.log.logger import VipLog, explained, log

#: Seconds after which reading the files counts as hanging.
HANGS = 10.0


class Why(IntEnum):
    """Why the files are read. AGAIN: vipd tries again, and logs only what is new. CHANGED: the
    files changed. ASKED: SIGHUP, vipctl reload, or the start: a file that is gone counts as removed
    at once."""

    AGAIN = 0
    CHANGED = 1
    ASKED = 2


class ReloadError(Exception):
    """The files could not be read or applied; the text says why."""


class Reload:
    """The files of one directory: read at the start, when they change, and on request.

    ``apply`` applies a snapshot and returns the outcome for each VIP; ``running()``: whether any
    VIP runs.
    """

    def __init__(
        self,
        directory: Path,
        only: str | None,
        hub: Hub,
        apply: Callable[[Snapshot], Awaitable[list[Outcome]]],
        running: Callable[[], bool],
        reading: ReadingProcess | None,
    ) -> None:
        """``only``: the ID of the only VIP to run, if others are configured, too. ``reading``: a
        process that waits to read the files for the first time."""
        #: Problems in the files when they were read last (`read_at`, Unix time), and their paths.
        self.problems: frozenset[Problem] = frozenset()
        self.files: frozenset[str] = frozenset()
        #: The IDs whose own files have errors.
        self.failed: frozenset[str] = frozenset()
        self.read_at = 0.0
        #: Set when the files have been read for the first time.
        self.loaded = asyncio.Event()
        #: Called with True when a reload begins, and with False when it has ended.
        self.reloading: Callable[[bool], None] = lambda _begins: None
        #: Called with the settings of the daemon as a whole.
        self.configured: Callable[[Settings], Awaitable[None]] = _nobody_asks
        self._directory = directory
        self._only = only
        self._hub = hub
        self._apply = apply
        self._running = running
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        self._loading: asyncio.Task[None] | None = None
        self._pending: Why | None = None
        self._configured = False
        self._failed = False  # the last reload failed
        self._hanging = ""  # why a reload hangs: callers do not wait for it then
        #: Problems in the files, the reason why they cannot be read, and files that are gone.
        self._in_files: frozenset[Problem] = frozenset()
        self._trouble: Problem | None = None
        self._gone: frozenset[str] = frozenset()
        self._some_vip = False  # the files have, as far as we know
        #: Futures for the outcome of the next reload, and of this one.
        self._waiting: list[asyncio.Future[list[Outcome]]] = []
        self._asked: list[asyncio.Future[list[Outcome]]] = []
        self._watch = Watch(self._loop, directory, lambda: self._begin(Why.CHANGED))
        placed = self._watch.placed
        self._reader = Reader(directory, only, placed, lambda: self._begin(Why.AGAIN), reading)

    def start(self) -> None:
        """Read the files and apply them. A call during a reload causes another reload after it."""
        self._begin(Why.ASKED)

    def _begin(self, why: Why) -> None:
        if self._stopping:
            return
        self._pending = why if self._pending is None else max(why, self._pending)
        if self._loading is None or self._loading.done():
            self._loading = tasks.start(self._reload(), "reading the files")

    async def reloaded(self) -> list[Outcome]:
        """Reload; return the outcome for each VIP, by ID. Raises ReloadError."""
        self.start()
        if self._hanging:
            raise ReloadError(self._hanging)
        done: asyncio.Future[list[Outcome]] = self._loop.create_future()
        self._waiting.append(done)
        return await done

    async def stop(self) -> None:
        """Stop reading; the outcome of a reload that runs is not applied."""
        self._stopping = True
        if self._loading:
            self._loading.cancel()
            await asyncio.wait([self._loading])
        self._reader.close()
        # Do not wait for it: a disk may hang.
        self._leaving = tasks.start(self._watch.close(), "leaving the files alone")

    @property
    def broken_files(self) -> int:
        """How many files have errors."""
        return len({problem.file for problem in self.problems if is_error(problem)})

    async def _reload(self) -> None:
        announced = False
        try:
            while self._pending is not None:
                why, self._pending = self._pending, None
                self._asked, self._waiting = self._waiting, []
                if not announced and why is not Why.AGAIN:
                    announced = True
                    self.reloading(True)
                try:
                    outcomes = await self._read_and_apply(why)
                except Exception as failure:  # the reload is not done: report it
                    self._broke(failure)
                else:
                    for done in self._asked:
                        if not done.done():
                            done.set_result(outcomes)
                self.loaded.set()
        finally:
            if announced:
                self.reloading(False)
            for done in (*self._asked, *self._waiting):  # we are stopped
                done.cancel()

    async def _read_and_apply(self, why: Why) -> list[Outcome]:
        snapshot = await self._read(why)
        self._report(snapshot, why)
        if snapshot.listed:
            self._watch.follow(snapshot.files, again=why is Why.AGAIN)
        outcomes = await self._apply(snapshot)
        if not snapshot.listed:
            return outcomes
        if not snapshot.common_broken or not self._configured:
            self._configured = True
            await self.configured(snapshot.settings)
        self._tell(outcomes, why)
        return outcomes

    async def _read(self, why: Why) -> Snapshot:
        hangs = self._loop.call_later(HANGS, self._hangs, self._loop.time())
        try:
            return await self._reader.read(asked=why is Why.ASKED)
        finally:
            hangs.cancel()
            self._hanging = ""

    def _hangs(self, since: float) -> None:
        """Reading takes too long: log it, and do not let anything wait for it."""
        seconds = self._loop.time() - since
        trouble = error(
            FileLocation(shown(self._reader.current, 4096)),
            f"reading has taken {seconds:.0f} s: the disk hangs; VIPs that run go on as they are",
            "see what keeps its file system from answering (dmesg, mount); vipd goes on reading "
            "when it does",
        )
        self._say_standing(trouble)
        self._hanging = f"reading {trouble.file} has taken {seconds:.0f} s: the disk hangs"
        self._asked += self._waiting
        self._waiting = []
        self._refuse(self._hanging)
        self.loaded.set()  # no VIP is known yet, and clients may see that
        self.reloading(False)

    def _broke(self, failure: Exception) -> None:
        """A reload raised: log it, and try again later."""
        log.error("%s", explained("reading the files", failure))
        why = shown(f"{type(failure).__name__}: {failure}", 200)
        what = f"what the files say could not be applied: {why}"
        hint = "see the log; vipd tries again by itself"
        self._say_standing(error(FileLocation(str(self._directory)), what, hint))
        self._failed = True
        self._reader.failed()
        self._refuse(why)

    def _refuse(self, why: str) -> None:
        """Raise ReloadError in all calls that wait for the outcome of this reload."""
        for done in self._asked:
            if not done.done():
                done.set_exception(ReloadError(why))

    def _say_standing(self, trouble: Problem | None) -> None:
        """Log why the files cannot be read, or that they can be again, if that is new."""
        before, self._trouble = self._trouble, trouble
        self.problems = self._in_files | ({trouble} if trouble else set())
        if trouble and trouble != before:
            text = f"{trouble.file}: {trouble.message}; {trouble.hint}"
            self._hub.publish(DAEMON, Kind.PROBLEM, text, level="error", code="directory")
        elif before and not trouble:
            text = f"{self._directory} can be read again"
            self._hub.publish(DAEMON, Kind.PROBLEM, text, level="info", code="directory")

    def _report(self, snapshot: Snapshot, why: Why) -> None:
        """Log new problems, and log it if no VIP is configured."""
        self.read_at = time.time()
        if snapshot.listed:
            self._report_files(snapshot)
        self._say_standing(None if snapshot.listed else snapshot.problems[0])
        known = why is Why.AGAIN and not self._some_vip
        self._some_vip = bool(snapshot.vips) or not snapshot.listed
        if not known and not snapshot.vips and (snapshot.listed or not self._running()):
            log.warning(
                "no VIP to run: %s holds no usable vip-%s.conf; add one, and vipd starts it",
                self._directory,
                self._only or "NNN",
                extra={"reason": "no_vip"},
            )

    def _report_files(self, snapshot: Snapshot) -> None:
        for problem in snapshot.problems:
            if problem not in self._in_files:
                _log(problem)
        for path in sorted(snapshot.gone.keys() - self._gone):
            log.info(
                "%s is gone: that counts if it does not come back within %g s; vipctl reload does "
                "not wait",
                shown(path, 4096),
                ABSENCE,
                extra={"reason": "gone"},
            )
        self._gone = frozenset(snapshot.gone)
        self._in_files, self.files = frozenset(snapshot.problems), snapshot.files
        self.failed = frozenset(snapshot.failed)

    def _tell(self, outcomes: list[Outcome], why: Why) -> None:
        for outcome in outcomes:
            if outcome.result is Result.KEPT and why is not Why.AGAIN:
                VipLog(outcome.id).warning(
                    "keeps its old settings until its files are corrected",
                    extra={"reason": "broken_files"},
                )
        quiet = {Result.UNCHANGED, Result.KEPT, Result.FAILED}
        corrected, self._failed = self._failed, False
        if (
            why is Why.AGAIN
            and not corrected
            and quiet.issuperset(outcome.result for outcome in outcomes)
        ):
            return
        counts = Counter(outcome.result for outcome in outcomes)
        words = ", ".join(f"{number} {result.name.lower()}" for result, number in counts.items())
        self._hub.publish(
            DAEMON,
            Kind.RELOAD,
            f"files read: {words or 'no VIP'}",
            level="info",
            code="reload",
            reload={result.name.lower(): number for result, number in counts.items()},
        )


def _log(problem: Problem) -> None:
    level = log.error if problem.severity is Severity.ERROR else log.warning
    level(
        "%s:%d:%d: %s; %s",
        problem.file,
        problem.line,
        problem.column,
        problem.message.rstrip("."),
        problem.hint,
        extra={
            "file": problem.file,
            "line": problem.line,
            "column": problem.column,
            "reason": problem.message,
        },
    )


async def _nobody_asks(_settings: Settings) -> None: ...
