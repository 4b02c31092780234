"""Reads the configuration directory in a thread, and again if something could not be read."""

import asyncio
import time
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path

from vipd.config.load import Snapshot, loading
from vipd.config.memory import Memory
from vipd.daemon.base.background import Background

#: Seconds for which the thread reads files without a break. Python lets a thread compute for half
#: of that in any case (sys.setswitchinterval), and an advertisement may be five times as late.
_STRETCH = 0.01
#: Seconds until a file that could not be read is read again: doubled each time, up to the second
#: value.
_BACKOFF = (1.0, 60.0)


class Reader:
    """``again`` is called when the files have to be read again without a notice of a change:
    because a file could not be read, or has been gone for so long that it counts as removed."""

    def __init__(
        self, directory: Path, only: str | None, placed: asyncio.Event, again: Callable[[], None]
    ) -> None:
        """``placed``: set once changes of the files are noticed; the files are not read earlier."""
        self._directory = directory
        self._only = only
        self._placed = placed
        self._again = again
        self._loop = asyncio.get_running_loop()
        self._memory = Memory()
        self._background = Background()
        self._pause, _ = _BACKOFF
        self._timer: asyncio.TimerHandle | None = None

    @property
    def current(self) -> str:
        """The path that is being read now."""
        return self._memory.current or str(self._directory)

    async def read(self, asked: bool) -> Snapshot:
        """Read all files, some at a time: a thread that computes keeps the loop from sending, and
        hundreds of files take longer than an advertisement may be late. ``asked``: a file that is
        gone counts as removed at once."""
        self.close()
        await self._placed.wait()
        self._memory.begin(self._loop.time(), asked=asked)
        files = loading(self._directory, only=self._only, memory=self._memory)
        while True:
            snapshot = await self._background.run(lambda: _some(files))
            if snapshot is not None:
                self._plan(snapshot)
                return snapshot

    def failed(self) -> None:
        """The files were read, but could not be applied: try again later."""
        self._in(self._pause)

    def close(self) -> None:
        """Do not call ``again`` any more, until the files have been read once more."""
        if self._timer:
            self._timer.cancel()

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


def _some(files: Iterator[Snapshot | None]) -> Snapshot | None:
    """Read files for `_STRETCH`; return the snapshot if all have been read."""
    until = time.monotonic() + _STRETCH
    for snapshot in files:
        if snapshot is not None or time.monotonic() >= until:
            return snapshot
    raise AssertionError("loading ends with a snapshot")
