"""Programs that the daemon runs: it starts them without blocking, ends them with everything that
they started, reaps them, and reads the output of processes that they leave behind. For checks, a
thread attends each run (see `attended`)."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from errno import ENOMEM
from functools import partial
from itertools import cycle
from pathlib import Path

from vipd.daemon.base import endings, tasks
from vipd.daemon.base.attended import Attended, kill_group
from vipd.daemon.base.background import Background
from vipd.daemon.base.waiting import happens
from vipd.daemon.log.logger import explained, log
from vipd.linux.spawn import Program, spawn

#: Seconds until the next read: endless output then costs us a hundredth of a processor.
_PAUSE = 0.05
#: Execs the program. If loading it hangs (its disk does not answer), this shell hangs, which can be
#: killed, and not the daemon. The shell also resets a negative OOM score, which the program would
#: inherit from our unit's OOMScoreAdjust.
_SHELL = "/bin/sh"
_BECOME = """\
{{
    read -r score </proc/self/oom_score_adj
    [ "$score" -ge 0 ] || echo 0 >/proc/self/oom_score_adj
}} 2>/dev/null
[ -z "$BASH_VERSION" ] || shopt -s execfail
trap "echo {}" EXIT
exec "$0" "$@"
"""
#: The last line of output of a program that could not be loaded: only then is the shell still there
#: to print it (bash with execfail, others in their trap).
_NEVER_RAN = "vipd-could-not-run-it"
#: Reads descriptor 3 until its last writer closes it. An orphan, like those writers.
_DRAIN = "cat <&3 >/dev/null 2>&1 3<&- &"
#: Variables from systemd that concern the daemon only, not the programs that it starts.
_OURS_ALONE = (
    *("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"),
    *("RUNTIME_DIRECTORY", "STATE_DIRECTORY"),
)
#: Programs that are loaded at the same time: on a busy machine each may wait for a processor.
_AT_A_TIME = 4
_SCORE = "oom_score_adj"


class Children:
    """The programs of a daemon. ``adopts``: whether other processes' orphans become our children,
    as they do for the first process of a container. They are reaped, too."""

    def __init__(self, adopts: bool) -> None:
        self._adopts = adopts
        self._ours: set[int] = set()
        self._starting = 0
        self._environment = _environment()
        self._attended: set[Attended] = set()
        self._attendants: list[Background] = []  # that have nothing to do
        #: Whether the kernel spares us when memory runs out, by vipd.service's OOMScoreAdjust.
        self._spared = _score() < 0
        self._loaders = cycle([Background() for _ in range(_AT_A_TIME)])
        if adopts:
            asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._reap_orphans)
        else:  # if it was ignored when we started, the kernel would reap, and keep no status
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    async def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        timeout: float,
        *,
        leaves_nothing: bool = False,
    ) -> "Child":
        """Start a program with ``environment`` added to ours and empty input; its output is kept.
        ``leaves_nothing``: what it started and is still there when it ends is killed. Raises
        OSError; TimeoutError when the shell itself could not be loaded within ``timeout``
        seconds."""
        start = _Start(command, {**self._environment, **environment}, leaves_nothing)
        self._starting += 1
        work = next(self._loaders).begin(start.carry_out)
        work.add_done_callback(partial(self._started, start))
        try:
            await happens(start.done, timeout)
        finally:
            start.unwanted = not start.done.is_set()
        if start.child:
            return start.child
        raise start.error or TimeoutError(f"{_SHELL} could not be loaded for {timeout:g} s")

    def _started(self, start: "_Start", work: asyncio.Future[None]) -> None:
        self._starting -= 1
        os.close(start.writer)
        try:
            work.result()
            self._ours.add(start.process)
            start.child = self._watched(start)
            if start.unwanted:
                start.child.kill(signal.SIGKILL)
        except BaseException as error:
            os.close(start.reader)
            start.error = _expected(error)
        finally:
            start.done.set()
            self._reap_orphans()

    def _watched(self, start: "_Start") -> "Child":
        """The program that was started; if its end cannot be waited for, it ends now."""
        try:
            return Child(start.process, start.pidfd, start.reader, self, start.leaves_nothing)
        except BaseException:
            os.killpg(start.process, signal.SIGKILL)
            self.reap(start.process)
            os.close(start.pidfd)
            raise

    def program(self, command: Sequence[str], environment: Mapping[str, str]) -> Program:
        """One for `attend`, with ``environment`` added to ours."""
        return Program(command, {**self._environment, **environment})

    def attend(self, program: Program, ended: Callable[[Attended], None]) -> Attended:
        """Run it. ``ended`` is called when it has ended, and what it left was killed; or when it
        could not be started."""

        def over(run: Attended) -> None:
            if run not in self._attended:
                return
            self._attended.discard(run)
            self._attendants.append(run.thread)
            if run.process:
                kill_group(run.process)  # what it has left
                run.status = self.reap(run.process)
            if run.error:
                run.error = _expected(run.error)
            self._reap_orphans()
            ended(run)

        thread = self._attendants.pop() if self._attendants else Background()
        run = Attended(program, thread, self._make_ordinary, over)
        self._attended.add(run)
        run.start()
        return run

    def _make_ordinary(self, process: int) -> None:
        """What it has started before this stays as it is, but it was loaded just now."""
        if self._spared:
            with suppress(OSError), open(f"/proc/{process}/{_SCORE}", "w") as file:  # noqa: PTH123
                file.write("0")

    async def drain(self, reader: int) -> None:
        """Start a process that reads the output of background processes until they end."""

        def leave() -> None:
            shell = spawn((_SHELL, "-c", _DRAIN), self._environment, {3: reader})
            status = os.waitstatus_to_exitcode(os.waitpid(shell, 0)[1])
            if status:  # it could not fork, so nothing reads
                raise OSError(f"{_SHELL} ended with status {status}")

        os.set_blocking(reader, True)
        self._starting += 1
        try:
            await next(self._loaders).run(leave)
        except OSError as error:
            log.warning(
                "what a script left in the background cannot write any more: %s; let it write to a "
                "file of its own",
                error,
                extra={"reason": "script"},
            )
        finally:
            os.close(reader)
            self._starting -= 1
            self._reap_orphans()

    def reap(self, process: int) -> int:
        """The status of one of our programs that has ended; negative: the signal that killed it."""
        _, status = os.waitpid(process, 0)
        self._ours.discard(process)
        self._reap_orphans()
        return os.waitstatus_to_exitcode(status)

    def _reap_orphans(self) -> None:
        # Not while a program is being started, because we cannot tell it from an orphan. A program
        # of ours that has ended hides those after it until it is reaped. Both call this again.
        loading = [run.leader for run in self._attended if not run.process] if self._adopts else []
        while self._adopts and not self._starting and all(loading):
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None or found.si_pid in self._ours:
                return
            attended = (run.process for run in self._attended)
            if found.si_pid in (*loading, *attended):
                return
            os.waitpid(found.si_pid, 0)


class _Start:
    """One program's start, which a thread carries out."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], leaves_nothing: bool
    ) -> None:
        self.leaves_nothing = leaves_nothing
        self._command = (_SHELL, "-c", _BECOME.format(_NEVER_RAN), *command)
        self._environment = environment
        self.reader, self.writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.reader, False)
        self.process = self.pidfd = -1
        self.child: Child | None = None
        self.error: OSError | None = None
        #: Whether there is a child, or an error.
        self.done = asyncio.Event()
        #: The caller does not wait for it any more.
        self.unwanted = False

    def carry_out(self) -> None:
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            files = {0: nothing, 1: self.writer, 2: self.writer}
            self.process = spawn(self._command, self._environment, files)
        finally:
            os.close(nothing)
        try:
            self.pidfd = os.pidfd_open(self.process)
        except OSError:  # no descriptor is left: we could not tell when it ends
            os.killpg(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
            raise


class Child:
    """A program that was started, in a session of its own, and the end of its output.

    asyncio's own subprocesses are not used: they load programs in the loop, and their wait() may
    block until every process that holds the pipe has closed it."""

    def __init__(
        self, process: int, pidfd: int, reader: int, children: Children, leaves_nothing: bool
    ) -> None:
        """Takes ownership of ``pidfd`` and of ``reader``, our end of the pipe that it writes to."""
        self.process = process
        self.output = bytearray()  # the end of it
        self.ended = asyncio.Event()
        #: Exit status; negative: the signal that killed it. Valid once it has ended.
        self.status = 0
        #: Whether it could not be loaded; then its output is the shell's error message.
        self.never_ran = False
        self._children = children
        self._leaves_nothing = leaves_nothing
        self._loop = asyncio.get_running_loop()
        self._pidfd = pidfd
        self._reader: int | None = reader
        self._portion = endings.PORTION
        self._loop.add_reader(pidfd, self._end)
        # The pipe holds what most programs print: it is read once, when they have ended.
        self._listening = self._loop.call_later(_PAUSE, self._listen)

    async def ends_within(self, seconds: float) -> bool:
        """Wait for its end, for so long at most; whether it has ended."""
        return await happens(self.ended, seconds)

    @property
    def how(self) -> str:
        """How it ended, for people."""
        return endings.how(self.status)

    @property
    def last_line(self) -> str:
        """The last line of its output that is not blank, safe to print and short."""
        return endings.last_line(self.output)

    def kill(self, number: signal.Signals) -> None:
        """Signal the whole process group."""
        with suppress(ProcessLookupError):  # all of it has ended
            os.killpg(self.process, number)

    def _end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._listening.cancel()
        if self._leaves_nothing:  # before it is reaped: until then its number is nobody else's
            self.kill(signal.SIGKILL)
        self.status = self._children.reap(self.process)
        if self._reader is not None:
            self._loop.remove_reader(self._reader)
            self._leave()
        mark = f"{_NEVER_RAN}\n".encode()
        self.never_ran = self.status > 0 and self.output.endswith(mark)
        if self.never_ran:
            del self.output[-len(mark) :]
        self.ended.set()

    def _listen(self) -> None:
        assert self._reader is not None
        self._loop.add_reader(self._reader, self._readable)

    def _readable(self) -> None:
        assert self._reader is not None
        self._loop.remove_reader(self._reader)
        if self._read():
            self._listening = self._loop.call_later(_PAUSE, self._listen)

    def _read(self) -> bool:
        """Read what is there; return whether more may come."""
        assert self._reader is not None
        try:
            data = os.read(self._reader, self._portion)
        except BlockingIOError:
            return True
        if len(data) == endings.PORTION == self._portion:
            self._portion = endings.enlarged(self._reader)
        self.output += data[-endings.TAIL :]
        del self.output[: -endings.TAIL]
        if not data:
            os.close(self._reader)
            self._reader = None
        return bool(data)

    def _leave(self) -> None:
        """The program has ended. If it left a process in the background, which may write for years,
        the pipe still needs a reader: otherwise SIGPIPE kills that process, or it blocks for
        ever."""
        if self._read() and self._read():  # all that the pipe holds, then whether it is at its end
            assert self._reader is not None
            if self._leaves_nothing:
                os.close(self._reader)
            else:
                what = "reading what a script left behind"
                tasks.start(self._children.drain(self._reader), what)
            self._reader = None


def _expected(error: BaseException) -> OSError:
    """Callers expect OSError. Anything else is told; no memory, most likely."""
    if isinstance(error, OSError):
        return error
    log.error("%s", explained("starting a program", error))
    return OSError(ENOMEM, f"{type(error).__name__}: {error}")


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _OURS_ALONE}


def _score() -> int:
    try:
        return int(Path(f"/proc/self/{_SCORE}").read_text())
    except (OSError, ValueError):
        return 0
