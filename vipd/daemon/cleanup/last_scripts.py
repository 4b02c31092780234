"""DOWNSCRIPTs that the guard and vipd-farewell run, for addresses without a lease: a few at once,
each for a bounded time, in a process group of its own. Nobody waits for one but its own VIP.

It imports next to nothing, because the guard imports it.
"""

import _signal  # type: ignore[import-not-found]  # `signal` imports enum: 0.5 MB
import os
import select
from time import CLOCK_MONOTONIC, clock_gettime_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Ended = Callable[[int | None], None]

#: Scripts that run at the same time.
AT_ONCE = 4
#: Nanoseconds between SIGTERM, SIGKILL, and giving up a script that exceeds its time limit.
_MERCY = 2_000_000_000
#: Milliseconds until we look again for the end of one that has no descriptor.
_LOOK_AGAIN = 20
_NANO, _MILLISECOND = 1_000_000_000, 1_000_000
#: Variables from systemd that concern vipd only.
_OURS_ALONE = (
    *("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"),
    *("RUNTIME_DIRECTORY", "STATE_DIRECTORY"),
)
#: Descriptors that a script must not get. We open few.
_DESCRIPTORS = range(3, 256)
_CANNOT_RUN = 127
#: Seconds that a script may have: SCRIPT_TIMEOUT has the same limit.
LONGEST = 3600
_ANY_BYTES = "utf-8", "surrogateescape"
#: Why it runs, for the script of a daemon that has ended. (A will has the words for one that is
#: frozen: those of a lease that expired.)
KILLED = {"STATE": "INIT", "REASON": "vipd was killed"}


#: First word of its line in a will. Then: its seconds; its words and its variables, each with a
#: null byte behind it, in hexadecimal.
RUN = "run"
_END = "\0"


class LastScript:
    """``command``: the program and its arguments. ``environment`` is added to ours. ``timeout``:
    seconds until it is ended with all that it started."""

    __slots__ = ("command", "environment", "timeout")

    def __init__(self, command: list[str], environment: dict[str, str], timeout: int) -> None:
        self.command = command
        self.environment = environment
        self.timeout = timeout

    def because(self, why: dict[str, str]) -> "LastScript":
        """The same, with other variables."""
        return LastScript(self.command, {**self.environment, **why}, self.timeout)


def worded(script: LastScript) -> str:
    """Its line in a will."""
    variables = [f"{name}={value}" for name, value in script.environment.items()]
    return f"{RUN} {script.timeout} {_hex(script.command)} {_hex(variables)}"


def in_will(will: bytes) -> LastScript | None:
    """The script of a will, if it has one. Raises ValueError."""
    line = next((each for each in will.decode().split("\n") if each.startswith(f"{RUN} ")), None)
    if line is None:
        return None
    _, timeout, command, variables = line.split(" ")
    words = _words(command)
    if not words or not words[0].startswith("/") or not 0 < int(timeout) <= LONGEST:
        raise ValueError("a script has no path, or no time")
    pairs = (each.partition("=") for each in _words(variables))
    return LastScript(words, {name: value for name, _, value in pairs if name}, int(timeout))


def _hex(words: "Iterable[str]") -> str:
    return "".join(each + _END for each in words).encode(*_ANY_BYTES).hex()


def _words(hexadecimal: str) -> list[str]:
    return bytes.fromhex(hexadecimal).decode(*_ANY_BYTES).split(_END)[:-1]


class _Run:
    __slots__ = ("descriptor", "ended", "key", "kills", "process", "script", "until")

    def __init__(self, key: object, script: LastScript, ended: "Ended") -> None:
        self.key = key
        self.script = script
        self.ended = ended
        self.process = self.descriptor = -1
        self.until = self.kills = 0


class LastScripts:
    """Call `look` after each `sleep`."""

    def __init__(self) -> None:
        self._waiting: list[_Run] = []
        self._running: list[_Run] = []

    def add(self, key: object, script: LastScript, ended: "Ended") -> None:
        """Run it when it is its turn, unless one of this key waits or runs. ``ended`` is told the
        exit status; negative: the signal that ended it; None: it does not end, or could not be
        started."""
        if key not in self.keys:
            self._waiting.append(_Run(key, script, ended))

    @property
    def keys(self) -> list[object]:
        """Of those that wait or run."""
        return [run.key for run in (*self._waiting, *self._running)]

    def sleep(self, milliseconds: float | None, *others: int) -> None:
        """Wait until there is something to do, or one of the ``others`` can be read, for so long at
        most (None: for ever)."""
        poll = select.poll()
        for descriptor in (*others, *(run.descriptor for run in self._running)):
            if descriptor >= 0:
                poll.register(descriptor, select.POLLIN)
        pauses = [pause for pause in (milliseconds, self._pause()) if pause is not None]
        poll.poll(min(pauses, default=None))

    def _pause(self) -> float | None:
        if self._waiting and len(self._running) < AT_ONCE:
            return 0
        if any(run.descriptor < 0 for run in self._running):
            return _LOOK_AGAIN
        first = min((run.until for run in self._running), default=None)
        return None if first is None else max(0, -((_now() - first) // _MILLISECOND))

    def look(self) -> None:
        """See which have ended, end those that take too long, and start others."""
        for run in list(self._running):
            status = _status(run.process)
            if status is not None:
                self._forget(run, status)
            elif _now() >= run.until:
                self._hurry(run)
        while self._waiting and len(self._running) < AT_ONCE:
            self._start(self._waiting.pop(0))

    def cancel(self, key: object) -> None:
        """End it at once; nobody is told."""
        self._waiting = [run for run in self._waiting if run.key != key]
        for run in [run for run in self._running if run.key == key]:
            run.ended = _ignore
            _kill(run.process, _signal.SIGKILL)
            self._forget(run, None)

    def _start(self, run: _Run) -> None:
        try:
            run.process = os.fork()
        except OSError:  # no memory is left, or there are too many processes
            run.ended(None)
            return
        if not run.process:
            _become(run.script)
        try:
            run.descriptor = os.pidfd_open(run.process)
        except OSError:  # no descriptor is left: we look from time to time
            run.descriptor = -1
        run.until = _now() + run.script.timeout * _NANO
        self._running.append(run)

    def _hurry(self, run: _Run) -> None:
        if run.kills == 2:  # it hangs in the kernel
            self._forget(run, None)
            return
        _kill(run.process, (_signal.SIGTERM, _signal.SIGKILL)[run.kills])
        run.kills += 1
        run.until = _now() + _MERCY

    def _forget(self, run: _Run, status: int | None) -> None:
        self._running.remove(run)
        if run.descriptor >= 0:
            os.close(run.descriptor)
        run.ended(status)


def _now() -> int:
    return clock_gettime_ns(CLOCK_MONOTONIC)


def _ignore(_status: int | None) -> None:
    """Nobody waits for it."""


def _status(process: int) -> int | None:
    """Its exit status, or the negative signal; None: it has not ended."""
    try:
        ended, status = os.waitpid(process, os.WNOHANG)
    except ChildProcessError:  # another has reaped it
        return 0
    return os.waitstatus_to_exitcode(status) if ended else None


def _kill(process: int, number: int) -> None:
    """Signal all that it started. We have not reaped it: the number is nobody else's."""
    for send in (os.killpg, os.kill):  # it may not have got to lead a group yet
        try:
            send(process, number)
        except OSError:
            continue
        return


def _become(script: LastScript) -> None:
    """In a new process: run the script, as the daemon does it. Does not return. A disk that does
    not answer hangs this process, and nobody else."""
    try:
        os.setsid()
        for number in range(1, _signal.NSIG):
            try:
                _signal.signal(number, _signal.SIG_DFL)
            except (OSError, ValueError):  # SIGKILL, SIGSTOP, those of the C library
                continue
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nothing, descriptor)
        os.closerange(_DESCRIPTORS.start, _DESCRIPTORS.stop)
        _be_ordinary()
        environment = {k: v for k, v in os.environ.items() if k not in _OURS_ALONE}
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        os.execve(script.command[0], script.command, {**environment, **script.environment})
    finally:
        os._exit(_CANNOT_RUN)


def _be_ordinary() -> None:
    """Neither real-time priority nor a score that keeps it from the OOM killer is for scripts."""
    try:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        file = os.open("/proc/self/oom_score_adj", os.O_RDWR)
        if os.read(file, 16).startswith(b"-"):
            os.write(file, b"0")
        os.close(file)
    except OSError:  # no /proc
        return
