"""The output of log lines: stderr or the journal. Logging never blocks: a reader that is slow or
stuck must not delay an advertisement."""

import asyncio
import logging
import os
import select
import socket
import stat
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from select import PIPE_BUF
from typing import Protocol

JOURNAL = Path("/run/systemd/journal/socket")

#: Seconds until lines that could not be written are tried again: if some others could be, and if
#: none could. (The journal takes ten entries at a time with the kernel's net.unix.max_dgram_qlen.)
_RETRIES = (0.01, 0.2)
_PATIENCE = 1.0  # seconds that the program waits for them at its end


class Sink(Protocol):
    def __call__(self, data: bytes, /) -> int:
        """Write some of ``data``, and return how many bytes. BlockingIOError: no room now; another
        OSError: this line can never be written."""


class Outlet(logging.Handler):
    """Keeps up to 1 MiB of lines that cannot be written yet. Further lines are lost and counted;
    when writing works again, a line gives their number."""

    LIMIT = 1 << 20  # bytes

    def __init__(self, encode: Callable[[logging.LogRecord], bytes], sink: Sink) -> None:
        super().__init__()
        self.lost = 0
        self._encode = encode
        self._sink = sink
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._untold = 0
        self._retrying = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self._encode(record)
        except Exception:  # a mistake in a line must not affect its caller
            self.handleError(record)
            return
        if self._deliver() or self._size + len(line) <= self.LIMIT:
            self._put(line)
            self._deliver()
        else:
            self._lose()

    def flush(self) -> None:
        """Wait for a limited time until all lines are written: called when the program ends."""
        end = time.monotonic() + _PATIENCE
        while not self._deliver() and time.monotonic() < end:
            time.sleep(0.02)

    def _put(self, line: bytes) -> None:
        self._waiting.append(line)
        self._size += len(line)

    def _lose(self) -> None:
        self.lost += 1
        self._untold += 1

    def _deliver(self) -> bool:
        """Write what can be written; return whether no line waits any more."""
        before = self._size
        while self._waiting:
            line = self._waiting[0]
            try:
                rest = line[self._sink(line) :]
            except BlockingIOError:
                self._try_later(_RETRIES[self._size == before])
                return False
            except OSError:  # a full disk, a reader that has gone
                rest = b""
                self._lose()
            else:
                self._tell_of_lost()
            self._size -= len(line) - len(rest)
            if rest:
                self._waiting[0] = rest
            else:
                self._waiting.popleft()
        return True

    def _tell_of_lost(self) -> None:
        if self._untold:
            text = f"{self._untold} log lines were lost: nobody took them in time"
            self._untold = 0
            self._put(self._encode(logging.makeLogRecord(_WARNING | {"msg": text})))

    def _try_later(self, delay: float) -> None:
        if self._retrying:
            return
        with suppress(RuntimeError):  # no loop: the next line, or the end, tries again
            asyncio.get_running_loop().call_later(delay, self._again)
            self._retrying = True

    def _again(self) -> None:
        self._retrying = False
        self.acquire()
        try:
            self._deliver()
        finally:
            self.release()


_WARNING = {"name": "vipd", "levelno": logging.WARNING, "levelname": "WARNING"}


class Stream:
    """An open file: a pipe, a terminal, a socket, a file on a disk.

    We must not set its O_NONBLOCK, because other programs share it. So we call poll(2) first, and
    write no more than a writable pipe takes for certain (pipe(7)). A terminal may take less than
    that: it is opened once more, for us alone.
    """

    def __init__(self, file: int) -> None:
        self._file = _reopened(file) if stat.S_ISCHR(os.fstat(file).st_mode) else file
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLOUT)

    def __call__(self, data: bytes, /) -> int:
        if not self._poll.poll(0):
            raise BlockingIOError
        return os.write(self._file, data[:PIPE_BUF])


def _reopened(file: int) -> int:
    try:
        return os.open(f"/proc/self/fd/{file}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:  # another user's terminal, after su(1)
        return file


class Journal:
    """systemd-journald's socket, one datagram an entry."""

    def __init__(self, address: Path = JOURNAL) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._address = str(address)

    def __call__(self, data: bytes, /) -> int:
        try:
            return self._socket.sendto(data, self._address)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise BlockingIOError from error  # it is being restarted
