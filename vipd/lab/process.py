"""A process on a lab host: its log, its state, its signals."""

import contextlib
import os
import re
import weakref
from collections.abc import Callable
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals, pidfd_send_signal

from vipd.lab.anchor import Anchor, Spawned, ended
from vipd.lab.waiting import wait_until

#: At most this many bytes of a log are read, from its end.
LOG_LIMIT = 1 << 20
TAIL = 2000  # bytes of log that go into error messages


class Process:
    """Started by Host.start(). Its log is its output, stdout and stderr merged.

    The handle is a pidfd: a signal can never reach another process that has got the same PID.
    """

    def __init__(self, anchor: Anchor, spawned: Spawned, log: int, name: str) -> None:
        self.name = name
        self.pid = _pid_from_outside(spawned.pidfd)
        self._anchor = anchor
        self._inner_pid = spawned.inner_pid
        self._pidfd = spawned.pidfd
        self._log = log
        self._status: int | None = None
        self._finished = False
        # Not closed with the lab: the log can still be read, and the descriptor is not reused.
        weakref.finalize(self, os.close, log)
        weakref.finalize(self, os.close, spawned.pidfd)

    def __repr__(self) -> str:
        state = "running" if self.alive else f"ended with {self.wait(0)}"
        return f"<{self.name} pid {self.pid}, {state}>"

    # -- the log

    def mark(self) -> int:
        """The present end of the log, for `since` of log() and wait_for()."""
        return os.fstat(self._log).st_size

    def log(self, since: int = 0) -> str:
        """The log so far, from position `since`; at most its last MiB."""
        return self.log_bytes(since).decode(errors="replace")

    def log_bytes(self, since: int = 0, *, skip: bool = True) -> bytes:
        """At most a MiB of the log, undecoded: its last; with `skip=False` the one at `since`."""
        start = max(since, self.mark() - LOG_LIMIT) if skip else since
        return os.pread(self._log, LOG_LIMIT, start)

    def wait_for(self, pattern: str, timeout: float = 30.0, since: int = 0) -> re.Match[str]:
        """Wait until the log, from position `since`, has a match for the regex `pattern`.

        `^` and `$` match at lines. TimeoutError, with the log's tail, if the time is up or the
        process has ended without a match.
        """
        regex = re.compile(pattern, re.MULTILINE)
        size = -1

        def look() -> re.Match[str] | None:
            nonlocal size
            running = self.alive
            if self.mark() != size:
                size = self.mark()
                if match := regex.search(self.log(since)):
                    return match
            if not running:
                raise TimeoutError(f"{self!r} never wrote {pattern!r}{self.tail()}")
            return None

        return wait_until(
            look,
            timeout=timeout,
            complaint=lambda: f"{self!r} did not write {pattern!r} in {timeout:g} s{self.tail()}",
        )

    def tail(self) -> str:
        """The end of the log as a paragraph for an error message."""
        text = self.log(max(0, self.mark() - TAIL)).strip()
        return f"\n--- log of {self.name} ---\n{text or '(empty)'}"

    # -- its state

    @property
    def alive(self) -> bool:
        """Whether it still runs; a stopped process (SIGSTOP) does."""
        if not self._finished:
            self._finish(0)
        return not self._finished

    def wait(self, timeout: float = 30.0) -> int:
        """Wait for its end; return the exit status, or -signal. TimeoutError has the log's tail."""
        if not self._finished:
            self._finish(timeout)
        if not self._finished:
            raise TimeoutError(f"{self!r} did not end in {timeout:g} s{self.tail()}")
        return -9 if self._status is None else self._status

    def _finish(self, timeout: float) -> None:
        if ended(self._pidfd, timeout):
            self._status = self._anchor.status(self._inner_pid)
            self._finished = True

    # -- signals

    def signal(self, number: Signals) -> None:
        """Send a signal; ProcessLookupError if it has ended."""
        pidfd_send_signal(self._pidfd, number)

    def stop(self, timeout: float = 30.0) -> int:
        """Send SIGTERM (and SIGCONT) and wait(); return its exit status."""
        return self._end(lambda: self._signals(SIGTERM, SIGCONT), timeout)

    def kill(self) -> int:
        """Send SIGKILL, and wait until it has ended."""
        return self._end(lambda: self._signals(SIGKILL), 30.0)

    def freeze(self) -> None:
        """Send SIGSTOP: the process is then as on a machine that hangs."""
        self.signal(SIGSTOP)

    def thaw(self) -> None:
        """Send SIGCONT."""
        self.signal(SIGCONT)

    def hurry(self) -> None:
        """Give it real-time priority if that is permitted: the times that it logs are then those of
        the events, however busy the machine is."""
        if self.pid:  # 0 would be this process
            with contextlib.suppress(PermissionError, ProcessLookupError):
                os.sched_setscheduler(self.pid, os.SCHED_RR, os.sched_param(1))

    def _signals(self, *numbers: Signals) -> None:
        for number in numbers:
            self.signal(number)

    def _end(self, send: Callable[[], None], timeout: float) -> int:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                send()
        return self.wait(timeout)


def _pid_from_outside(pidfd: int) -> int:
    """The PID in this machine's /proc (0 if it has ended already)."""
    for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines():
        if line.startswith("Pid:"):
            return max(0, int(line.split()[1]))
    return 0
