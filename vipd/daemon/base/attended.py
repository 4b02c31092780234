"""A program that runs again and again, and is over soon: a thread starts it, without a shell, and
waits until it has ended, so that the loop wakes up once for it.

If loading it hangs (its disk does not answer), this thread hangs, and nothing else. Threads are
kept for the next run, as many as programs ran at the same time.
"""

import _thread
import asyncio
import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from errno import ENOEXEC, ENOMEM
from functools import cache
from pathlib import Path

from vipd.config.health_fields import Account
from vipd.daemon.base.background import Background, NoThreadError
from vipd.daemon.base.endings import PORTION, TAIL, enlarged
from vipd.linux.spawn import Program, drop_ambient_capabilities

#: Milliseconds until the next read: endless output then costs us a hundredth of a processor.
_PAUSE = 50
#: Runs a script without a #! line.
_SHELL = "/bin/sh"
#: Of util-linux. posix_spawn(3) cannot change the user, and Python's own way forks this process
#: with the interpreter's lock held.
_SETPRIV = "setpriv"


class Attended:
    """One run, in a session of its own, with empty input, and without our capabilities. ``ended``
    is called in the loop."""

    def __init__(
        self,
        program: Program,
        thread: Background,
        ordinary: Callable[[int], None],
        ended: "Callable[[Attended], None]",
    ) -> None:
        """``ordinary`` is called with its process ID as soon as it has been loaded."""
        #: 0 until it has been loaded.
        self.process = 0
        self.output = bytearray()  # the end of it
        #: Exit status; negative: the signal that killed it. Valid once it has ended.
        self.status = 0
        #: Why it could not be started, or its end could not be waited for.
        self.error: BaseException | None = None
        #: Whether `kill` was called before it had ended.
        self.killed = False
        self.thread = thread
        self._program = program
        self._ordinary = ordinary
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._thread = 0
        self._portion = PORTION

    def start(self) -> None:
        """Have its thread carry it out."""
        try:
            self.thread.hand(self._carry_out)
        except NoThreadError as error:
            self.error = error
            self._loop.call_soon(self._ended, self)

    def _carry_out(self) -> None:
        """In the thread. Returns when it has ended, but is not reaped yet."""
        try:
            self._run()
        except BaseException as error:  # whatever it is, the loop gets it
            self.error = error
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._ended, self)

    def _run(self) -> None:
        self._thread = _thread.get_native_id()
        drop_ambient_capabilities()
        reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            try:
                self.process = self._start(writer)
            finally:
                os.close(writer)
            if self.killed:
                kill_group(self.process)
            try:
                self._ordinary(self.process)
                self._wait(reader)
            except BaseException:  # the loop must not wait for its end
                kill_group(self.process)
                os.waitid(os.P_PID, self.process, os.WEXITED | os.WNOWAIT)
                raise
        finally:
            os.close(reader)

    def look(self) -> bool:
        """Call this when the end should have come: if its thread has ended too early, for want of
        memory, the run is over now. Whether it is."""
        if self.thread.lives or (self.process and not self.over):
            return False
        self.error = NoThreadError(ENOMEM, "a thread ended before its work was done")
        self._ended(self)
        return True

    def kill(self) -> None:
        """Kill the whole process group, or what hangs while it is loaded."""
        self.killed = True
        if leader := self.leader:
            kill_group(leader)

    @property
    def leader(self) -> int:
        """The process that leads its group, also while it is still being loaded; 0: none."""
        with suppress(OSError, IndexError):
            # A thread starts one at a time, and waits for it.
            tasks = Path(f"/proc/self/task/{self._thread}/children")
            return self.process or int(tasks.read_text().split()[-1])
        return 0

    @property
    def over(self) -> bool:
        """Whether it has ended, which its thread may not have seen yet."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return bool(self.process and os.waitid(os.P_PID, self.process, options))

    def _start(self, writer: int) -> int:
        files = {0: _nothing(), 1: writer, 2: writer}
        try:
            return self._program.start(files)
        except OSError as error:
            if error.errno != ENOEXEC:
                raise
            command = (_SHELL, *self._program.command)
            return Program(command, self._program.environment).start(files)

    def _wait(self, reader: int) -> None:
        pidfd = os.pidfd_open(self.process)
        try:
            os.set_blocking(reader, False)
            end = select.poll()
            end.register(pidfd, select.POLLIN)
            if not end.poll(_PAUSE):  # most have ended by then: the pipe holds what they print
                self._read_along(end, pidfd, reader)
            self._read(reader)
        finally:
            os.close(pidfd)

    def _read_along(self, end: "select.poll", pidfd: int, reader: int) -> None:
        """Read what it prints until it has ended."""
        either = select.poll()
        either.register(pidfd, select.POLLIN)
        either.register(reader, select.POLLIN)
        while all(descriptor != pidfd for descriptor, _ in either.poll()):
            if not self._read(reader):
                either.unregister(reader)
            elif end.poll(_PAUSE):
                return

    def _read(self, reader: int) -> bool:
        """Read what is there; return whether more may come."""
        try:
            data = os.read(reader, self._portion)
        except BlockingIOError:
            return True
        if len(data) == PORTION == self._portion:
            self._portion = enlarged(reader)
        self.output += data[-TAIL:]
        del self.output[:-TAIL]
        return bool(data)


@cache
def _nothing() -> int:
    """What all of them read from. It stays open."""
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def kill_group(process: int) -> None:
    """``process``: its leader, which is not reaped yet: until then its number is nobody else's."""
    with suppress(ProcessLookupError, PermissionError):  # all has ended; or we may not (CAP_KILL)
        os.killpg(process, signal.SIGKILL)


def becoming(user: Account | None) -> tuple[str, ...]:
    """The command before a program that has it run as this user, with the groups that it has.
    Raises PermissionError."""
    if user is None or (user.uid, user.gid) == (os.geteuid(), os.getegid()):
        return ()
    if os.geteuid() != 0:  # setpriv would say less
        raise PermissionError(
            f"vipd runs as user {os.geteuid()}, not as root, so it can run nothing as user "
            f"{user.uid}; write its own user into CHECK_USER"
        )
    groups = f"--groups={','.join(map(str, user.groups))}" if user.groups else "--clear-groups"
    return _SETPRIV, f"--reuid={user.uid}", f"--regid={user.gid}", groups, "--"
