"""Has the configuration directory read, and again if something could not be read."""

import asyncio
import os
import pickle
from collections.abc import Callable
from math import inf
from pathlib import Path

from vipd.config.problem import shown
from vipd.config.snapshot import Snapshot, unread
from vipd.daemon.base.background import Background
from vipd.daemon.files.reading import OTHER_VERSION, Failed, Found, Order, shape
from vipd.daemon.files.reading_process import ReadingProcess

#: Seconds until a file that could not be read is read again: doubled each time, up to the second
#: value.
_BACKOFF = (1.0, 60.0)


class ReadingError(Exception):
    """Reading the files failed by a mistake of ours; the text says which."""


class Reader:
    """``again`` is called when the files have to be read again without a notice of a change:
    because a file could not be read, or has been gone for so long that it counts as removed."""

    def __init__(
        self,
        directory: Path,
        only: str | None,
        placed: asyncio.Event,
        again: Callable[[], None],
        first: ReadingProcess | None,
    ) -> None:
        """``placed``: set once changes of the files are noticed; the files are not read earlier.
        ``first``: a process that has been started already."""
        self._directory = directory
        self._only = only
        self._placed = placed
        self._again = again
        self._loop = asyncio.get_running_loop()
        self._first = first
        self._memory = b""  # what a process leaves for the next one
        self._background = Background()
        self._pause, _ = _BACKOFF
        self._timer: asyncio.TimerHandle | None = None
        #: The path that is being read now; set in the thread.
        self.current = str(directory)

    async def read(self, asked: bool) -> Snapshot:
        """Read all files. ``asked``: a file that is gone counts as removed at once. Raises
        ReadingError."""
        self.close()
        await self._placed.wait()
        order = Order(self._directory, self._only, asked, self._loop.time(), self._memory)
        snapshot = await self._background.run(lambda: self._ask(order))
        self._plan(snapshot)
        return snapshot

    def failed(self) -> None:
        """The files were read, but could not be applied: try again later."""
        self._in(self._pause)

    def close(self) -> None:
        """Do not call ``again`` any more, until the files have been read once more."""
        if self._timer:
            self._timer.cancel()

    # In the thread

    def _ask(self, order: Order) -> Snapshot:
        process, self._first = self._first, None
        try:
            process = process or ReadingProcess()
        except OSError as error:
            return self._unread(error.strerror or str(error))
        try:
            with process.connection.makefile("rwb") as messages:
                pickle.dump(shape(), messages)
                pickle.dump(order, messages)
                messages.flush()
                while isinstance(answer := pickle.load(messages), str):
                    self.current = answer
        except (OSError, EOFError, pickle.UnpicklingError):  # ended, perhaps amid an answer
            answer = None
        finally:
            status = process.end()
        if isinstance(answer, Failed):
            raise ReadingError(answer.why)
        if isinstance(answer, Found):
            self._memory = answer.memory
            return answer.snapshot
        code = None if status is None else os.waitstatus_to_exitcode(status)
        if code == OTHER_VERSION:
            return self._unread("vipd was updated while it ran", "restart vipd")
        return self._unread(f"the process that reads it ended (status {code})")

    def _unread(self, why: str, hint: str = "vipd tries again by itself; see the log") -> Snapshot:
        what = f"the directory cannot be read: {why}; VIPs that run go on as they are"
        return unread(shown(str(self._directory), 4096), (), what, hint)

    # When to read again

    def _plan(self, snapshot: Snapshot) -> None:
        """Decide when to read again."""
        pause = min(snapshot.gone.values(), default=inf) - self._loop.time()
        if snapshot.listed and not snapshot.faults:
            self._pause, _ = _BACKOFF
        else:
            pause = min(pause, self._pause)
        if pause < inf:
            self._in(pause)

    def _in(self, pause: float) -> None:
        self.close()
        self._timer = self._loop.call_later(max(0.0, pause), self._due)

    def _due(self) -> None:
        self._pause = min(2 * self._pause, _BACKOFF[1])
        self._again()
