"""Reads the configuration directory beside the loop, and again when that is of use."""

import asyncio
import time
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path

from vipd.config.load import Snapshot, loading
from vipd.config.memory import Memory
from vipd.daemon.base.background import Background

#: For how long files are read in a thread at a stretch, seconds: Python lets a thread compute for
#: half of it anyway (sys.setswitchinterval), and an advertisement may be five times as late.
_STRETCH = 0.01
#: Seconds until what could not be read is tried again: doubled each time, up to the second value.
_BACKOFF = (1.0, 60.0)


class Reader:
    """``again`` is called when the files should be read again although nobody saw them change:
    because something could not be read, or is gone for so long that it counts."""

    def __init__(
        self, directory: Path, only: str | None, placed: asyncio.Event, again: Callable[[], None]
    ) -> None:
        """``placed``: set when changes of the files are noticed; they are not read before."""
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
        """The path that is being read."""
        return self._memory.current or str(self._directory)

    async def read(self, asked: bool) -> Snapshot:
        """``asked``: what is gone counts at once. Some files at a time, because a thread that
        computes keeps the loop from sending: hundreds of files take longer than an advertisement
        may be late."""
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
        """Something else went wrong with what was read: try again later."""
        self._in(self._pause)

    def close(self) -> None:
        """Call nobody any more, until the next reading has ended."""
        if self._timer:
            self._timer.cancel()

    def _plan(self, snapshot: Snapshot) -> None:
        """When to read again."""
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
    """Read files for `_STRETCH`; the snapshot, when that was all."""
    until = time.monotonic() + _STRETCH
    for snapshot in files:
        if snapshot is not None or time.monotonic() >= until:
            return snapshot
    raise AssertionError("loading ends with a snapshot")
