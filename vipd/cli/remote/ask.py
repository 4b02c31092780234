"""Asks many hosts at once, each with a command of its own that prints JSON.

What comes back is not trusted: time and size are bounded, and a command that asks for a password
finds no terminal.
"""

import json
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

from vipd.cli.text import safe

MAX_ANSWER = 4 * 2**20
"""Bytes of one answer: 255 VIPs need some 400,000."""
MAX_COMPLAINT = 4096
"""Bytes of stderr that are kept, the last ones."""
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Answer:
    """What a host answered: a JSON object, or `why` there is none (safe to print)."""

    host: str
    found: Mapping[str, object] | None
    why: str
    seconds: float


def ask(commands: Mapping[str, Sequence[str]], patience: float) -> list[Answer]:
    """Run the command of each host, all at once, and wait for all, for `patience` seconds."""
    with _CtrlC() as ctrl_c, _Round(ctrl_c) as asking:
        for host, words in commands.items():
            asking.start(host, words)
        asking.wait(patience)
    return [asking.answers[host] for host in commands]


@dataclass(slots=True)
class _Asked:
    """One host, the process that asks it, and what came of it."""

    host: str
    begun: float
    process: subprocess.Popen[bytes]
    pidfd: int
    out: IO[bytes]
    err: IO[bytes]
    answer: bytearray = field(default_factory=bytearray)
    complaint: bytes = b""

    @property
    def too_long(self) -> bool:
        """Whether no more is to be read."""
        return len(self.answer) > MAX_ANSWER

    def read(self, stream: IO[bytes]) -> bool:
        """Take what is there; False at the end of the stream."""
        try:
            data = os.read(stream.fileno(), _CHUNK)
        except BlockingIOError:
            return True
        if stream is self.out:
            self.answer += data
        else:
            self.complaint = (self.complaint + data)[-MAX_COMPLAINT:]
        return bool(data)


class _CtrlC:
    """Ctrl-C, which interrupts at one place only: a process is not forgotten while it is started.

    `readable` becomes readable then.
    """

    def __enter__(self) -> "_CtrlC":
        self.readable, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self.pressed = False
        self._before = signal.getsignal(signal.SIGINT)
        if self._before is signal.default_int_handler:  # else it is ignored
            signal.signal(signal.SIGINT, self._press)
        return self

    def _press(self, *_: object) -> None:
        self.pressed = True
        with suppress(BlockingIOError):
            os.write(self._write, b"!")

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)
        os.close(self.readable)
        os.close(self._write)


class _Round:
    """All processes of one question. Those that still run at the end are killed."""

    def __init__(self, ctrl_c: _CtrlC) -> None:
        self._ctrl_c = ctrl_c
        self.answers: dict[str, Answer] = {}
        self._asked: dict[str, _Asked] = {}  # those that have not answered
        self._selector = selectors.DefaultSelector()
        self._selector.register(ctrl_c.readable, selectors.EVENT_READ)

    def __enter__(self) -> "_Round":
        return self

    def start(self, host: str, words: Sequence[str]) -> None:
        try:
            self._start(host, words)
        except (OSError, ValueError) as error:
            why = f"{safe(words[0])} cannot be run: {safe(str(error))}"
            self.answers[host] = Answer(host, None, why, 0.0)

    def _start(self, host: str, words: Sequence[str]) -> None:
        # A session of its own: ssh and whatever it starts find no terminal to ask at, and can be
        # killed together.
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        out, err = process.stdout, process.stderr
        assert out is not None
        assert err is not None
        try:
            pidfd = os.pidfd_open(process.pid)
        except OSError:
            process.kill()
            process.wait()
            raise
        asked = _Asked(host, time.monotonic(), process, pidfd, out, err)
        self._asked[host] = asked
        for stream in (out, err):
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ, (asked, stream))
        self._selector.register(pidfd, selectors.EVENT_READ, (asked, None))

    def wait(self, patience: float) -> None:
        """Until all have answered, or `patience` seconds have passed. Raises KeyboardInterrupt."""
        until = time.monotonic() + patience
        while self._asked and (left := until - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                if self._ctrl_c.pressed:
                    raise KeyboardInterrupt
                asked, stream = key.data
                if asked.host in self._asked:
                    self._ready(asked, stream)
        if self._ctrl_c.pressed:
            raise KeyboardInterrupt
        for asked in list(self._asked.values()):
            self._end(asked, f"no answer in {patience:g} s")

    def _ready(self, asked: _Asked, stream: IO[bytes] | None) -> None:
        if stream is not None:
            if not asked.read(stream):
                self._selector.unregister(stream)
        else:
            # The process has ended. A pipe holds less than one read takes. What it started may
            # still hold the pipes (ssh's ControlPersist does), so their end is not waited for.
            asked.read(asked.out)
            asked.read(asked.err)
        if asked.too_long:
            self._end(asked, f"its answer is longer than {MAX_ANSWER >> 20} MiB")
        elif stream is None:
            self._end(asked, "")

    def _end(self, asked: _Asked, why: str) -> None:
        """No more of this host. `why` there is no answer; "": there may be one."""
        del self._asked[asked.host]
        for each in (asked.out, asked.err, asked.pidfd):
            with suppress(KeyError):
                self._selector.unregister(each)
        status = _ended(asked.process)
        asked.out.close()
        asked.err.close()
        os.close(asked.pidfd)
        seconds = time.monotonic() - asked.begun
        found = None if why else _json_object(asked.answer)
        why = why or ("" if found is not None else _reason(asked, status))
        self.answers[asked.host] = Answer(asked.host, found, why, seconds)

    def __exit__(self, *_: object) -> None:
        for asked in list(self._asked.values()):  # after Ctrl-C
            self._end(asked, "interrupted")
        self._selector.close()


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    """The status of a process that has ended, or that is killed now, with all it started; None: it
    is another user's (-e sudo) and goes on. It ends when it finds that nobody reads its output."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)  # not reaped yet, so that the group exists
        except PermissionError:
            return None
    return process.wait()


def _json_object(out: bytes | bytearray) -> dict[str, object] | None:
    """The last line, if it is a JSON object: what a shell's start-up files print comes before."""
    line = bytes(out).rstrip().rpartition(b"\n")[2].decode("utf-8", "replace")
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _reason(asked: _Asked, status: int | None) -> str:
    """Why there is no answer: vipctl's own words, else the last line on stderr."""
    lines = [line.strip() for line in asked.complaint.decode("utf-8", "replace").splitlines()]
    said = [line for line in lines if line]
    for line in said:
        if line.startswith("vipctl: "):
            return safe(line.removeprefix("vipctl: "))
    if said:
        return safe(said[-1])
    if asked.answer.strip():
        return "its answer is not JSON; try the command by hand"
    return f"no answer; the command ended with status {status}"
