"""The daemon's side of the guard: starts it, tells it what to do, and starts it again when it has
ended."""

import asyncio
import fcntl
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from errno import ECONNRESET, EPIPE
from functools import partial
from math import inf
from pathlib import Path

from vipd.daemon.base import tasks
from vipd.daemon.base.background import Background
from vipd.daemon.guard.guard import DAEMON, LONGEST, MEMORY, SEPARATOR
from vipd.daemon.guard.leases import NEVER, PLACES, Leases, create
from vipd.daemon.log.logger import log
from vipd.linux.spawn import spawn

#: Seconds before a guard that ended is started again: doubled each time, up to the second value,
#: and reset when one has lived for that long.
_AGAIN = (0.1, 30.0)
#: Seconds that a guard may be late before it counts as stuck.
_STUCK = 1.0
#: Seconds that we wait for its end before ours: it may hang in the kernel.
_LAST_WAIT = 1.0
#: Our own descriptors for it, out of the way of the numbers that it gets.
_FROM = 10
_SO_SNDBUFFORCE = 32
#: What a guard that has just ended answers.
_GONE = (EPIPE, ECONNRESET)
_ROOT = Path(__file__).parents[3]
_PROGRAM = "import sys; sys.path.append({!r}); from vipd.daemon.guard.guard import main; main()"
#: Variables that are not for it: who writes to systemd in our name would be rejected.
_OURS_ALONE = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Keeper:
    """Keeps one guard running, until `close`. ``form``: of its log lines
    (`vipd.daemon.guard.lines`)."""

    def __init__(self, loop: asyncio.AbstractEventLoop, form: str) -> None:
        self._loop = loop
        self._form = form
        self._memory: int | None = None
        self._leases: Leases | None = None
        self._free: list[int] = []
        self._unused = iter(range(1, PLACES))  # 0 is the guard's own
        self._resend: dict[int, Callable[[], None]] = {}
        self._waiting: set[int] = set()  # whose wills it could not take yet
        self._connection: socket.socket | None = None
        self._process = self._pidfd = -1
        self._pause = _AGAIN[0]
        self._started = 0.0
        self._starting: asyncio.Task[None] | None = None
        self._again: asyncio.TimerHandle | None = None
        self._background = Background()

    # What it is asked and told

    @property
    def trouble(self) -> str:
        """Why nobody would act now if we were frozen; "" if all is well."""
        if self._leases is None or self._connection is None:
            return "the guard does not run"
        look = self._leases.next_look / 1e9 or self._started
        if (late := self._loop.time() - look) > _STUCK:
            return f"the guard (process {self._process}) has not run for {late:.0f} s"
        return ""

    def place(self, resend: Callable[[], None]) -> "Place":
        """A place for a VIP; ``resend`` is called when a new guard has to be told its will."""
        number = self._free.pop() if self._free else next(self._unused, 0)
        if number:
            self._resend[number] = resend
        return Place(self, self._leases, number)

    def free(self, number: int) -> None:
        del self._resend[number]
        self._free.append(number)

    def tell(self, number: int, vip: str, file: str, will: bytes) -> None:
        """Give it a VIP's will, which replaces the earlier one. ``file``: where it is written, too,
        or ""."""
        if self._connection is None:
            return  # the next one is told
        words = str(number).encode(), vip.encode(), os.fsencode(file), will
        try:
            self._connection.send(SEPARATOR.join(words), socket.MSG_DONTWAIT)
        except BlockingIOError:  # many at once, and it did not get to run yet
            self._waiting.add(number)
            self._loop.add_writer(self._connection, self._tell_rest)
        except OSError as error:
            if error.errno not in _GONE:  # the next one is told
                log.warning("%s: the guard is not told its will: %s", vip, error, extra=_ABOUT)

    def _tell_rest(self) -> None:
        waiting, self._waiting = self._waiting, set()
        if self._connection:
            self._loop.remove_writer(self._connection)
        for number in waiting:
            if resend := self._resend.get(number):
                resend()

    # Its life

    def start(self) -> None:
        """Start it, before there are VIPs. If that fails, it is tried again later."""
        try:
            memory = create()
            self._memory = fcntl.fcntl(memory, fcntl.F_DUPFD_CLOEXEC, _FROM)
            os.close(memory)
            self._leases = Leases(self._memory)
        except OSError as error:
            words = "no memory to share with the guard: %s; goes on without it: restart vipd"
            log.error(words, error, extra=_ABOUT)
            return
        try:
            self._lives(*self._spawn())
        except OSError as error:
            self._failed(error)

    def close(self) -> None:
        """All VIPs have ended: there is nothing left for it to do."""
        if self._again:
            self._again.cancel()
        if self._starting:
            self._starting.cancel()
        if self._pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            end = select.poll()
            end.register(self._pidfd, select.POLLIN)
            end.poll(_LAST_WAIT * 1000)
            self._buried()

    def _spawn(self) -> tuple[socket.socket, int, int]:
        """In a thread, because loading a program may hang. Raises OSError."""
        assert self._memory is not None
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with suppress(OSError):  # not permitted: long wills will not do
                ours.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, 2 * LONGEST)
            end = fcntl.fcntl(its.fileno(), fcntl.F_DUPFD_CLOEXEC, _FROM)
            try:
                command = (sys.executable, "-ISB", "-c", _PROGRAM.format(str(_ROOT)), self._form)
                environment = {k: v for k, v in os.environ.items() if k not in _OURS_ALONE}
                files = {DAEMON: end, MEMORY: self._memory}
                process = spawn(command, environment, files, blocked=True)
            finally:
                os.close(end)
            return ours, process, os.pidfd_open(process)
        except BaseException:
            ours.close()  # at which it ends
            raise
        finally:
            its.close()

    def _lives(self, connection: socket.socket, process: int, pidfd: int) -> None:
        self._connection, self._process, self._pidfd = connection, process, pidfd
        self._started = self._loop.time()
        if self._leases:
            self._leases.next_look = 0
        self._loop.add_reader(pidfd, self._ended)
        for resend in list(self._resend.values()):
            resend()

    def _ended(self) -> None:
        status = self._buried()
        if self._loop.time() - self._started > _AGAIN[1]:
            self._pause = _AGAIN[0]
        words = "the guard ended (%s); starts another in %g s: until then, only the kernel takes "
        words += "our addresses off if we are killed"
        log.warning(words, _how(status), self._pause, extra=_ABOUT)
        self._later()

    def _failed(self, error: OSError) -> None:
        words = (
            "cannot start the guard: %s; tries again in %g s: until then, only the kernel takes "
        )
        words += "our addresses off if we are killed"
        log.error(words, error, self._pause, extra=_ABOUT)
        self._later()

    def _later(self) -> None:
        self._again = self._loop.call_later(self._pause, self._try_again)
        self._pause = min(2 * self._pause, _AGAIN[1])

    def _try_again(self) -> None:
        self._again = None
        self._starting = tasks.start(self._start_again(), "starting the guard")

    async def _start_again(self) -> None:
        try:
            started = await self._background.run(self._spawn)
        except OSError as error:
            self._failed(error)
        else:
            self._lives(*started)
            log.info("the guard runs again", extra=_ABOUT)
        finally:
            self._starting = None

    def _buried(self) -> int | None:
        """Forget it; its wait status. None: another has reaped it, or it hangs."""
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        if self._connection:
            self._loop.remove_writer(self._connection)
            self._connection.close()
            self._connection = None
        if self._leases:
            self._leases.forget_scripts(self._resend)
        try:
            process, status = os.waitpid(self._process, os.WNOHANG)
            return status if process else None
        except ChildProcessError:  # the first process of a container reaps everybody
            return None


class Place:
    """What the guard sees of one VIP; ``number`` 0: nothing."""

    __slots__ = ("_keeper", "_leases", "_number", "_runs")

    def __init__(self, keeper: Keeper | None, leases: Leases | None, number: int) -> None:
        self._keeper = keeper
        self._leases = leases if number else None
        self._number = number
        self._runs = self._leases.scripts(number) if self._leases else 0  # of an earlier VIP

    def hold(self, until: float, believed: float) -> None:
        """We hold the addresses until then, by the loop's clock (``inf``: as long as we live);
        ``believed``: until when the others wait for our next advertisement."""
        if self._leases:
            end = NEVER if until == inf else int(until * 1e9)
            self._leases.hold(self._number, end, int(believed * 1e9))

    @property
    def script(self) -> Callable[[], bool | None] | None:
        """How the DOWNSCRIPT fares that the guard has begun to run since we asked last: whether it
        has succeeded; None while it runs. None: it has begun none."""
        if self._leases is None or self._runs == (runs := self._leases.scripts(self._number)):
            return None
        self._runs = runs
        return partial(self._leases.script_succeeded, self._number)

    def clear(self) -> None:
        """We hold nothing."""
        if self._leases:
            self._leases.clear(self._number)

    @property
    def taken(self) -> bool:
        """Whether the guard has taken our addresses off."""
        return self._leases is not None and self._leases.taken(self._number)

    def leave(self, vip: str, file: str, will: bytes) -> None:
        """Tell the guard what to do."""
        if self._keeper and self._leases:
            self._keeper.tell(self._number, vip, file, will)

    def close(self) -> None:
        """The VIP has ended."""
        self.clear()
        if self._keeper and self._number:
            self._keeper.free(self._number)
        self._keeper = self._leases = None


_ABOUT = {"reason": "guard"}


def _how(status: int | None) -> str:
    if status is None:
        return "for a reason unknown"
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"status {code}"
