"""TRACK_FILE: a file by which others say that this host must not own, a deployment most likely."""

import asyncio
import os

from vipd.config.problem import shown
from vipd.daemon.base import tasks
from vipd.daemon.base.background import Background
from vipd.daemon.base.waiting import happens
from vipd.daemon.files.watch import Watch
from vipd.daemon.health.verdict import Changed, Verdict

#: Seconds between two looks without a notice: network file systems give none.
POLLING = 1.0
#: Seconds until a look that has not ended is mentioned.
HANGS = 5.0
_LONGEST = 4096  # bytes of the file that count
_PATIENCE = 1.0  # seconds that the daemon's end waits for threads
_AGAIN = 10.0  # seconds until a thread is asked for again


class TrackedFiles:
    """One watch for all tracked files. Each has a directory or two, and each directory takes two
    threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._files: list[TrackFile] = []
        self._watch: Watch | None = None
        self._ending: set[asyncio.Task[None]] = set()

    def add(self, file: "TrackFile") -> None:
        self._files.append(file)
        if self._watch is None:
            self._watch = Watch(self._loop, None, self._changed, "the files of TRACK_FILE")
        self._follow()

    def remove(self, file: "TrackFile") -> None:
        self._files.remove(file)
        if self._files:
            self._follow()
        elif self._watch:
            task = tasks.start(self._watch.close(), "the end of watching the files of TRACK_FILE")
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
            self._watch = None

    async def closed(self) -> None:
        """Return when no watch is left of files that are not tracked any more, or it hangs."""
        if self._ending:
            await asyncio.wait(self._ending, timeout=_PATIENCE)

    def _follow(self) -> None:
        if self._watch:
            self._watch.follow(file.path for file in self._files)

    def _changed(self) -> None:
        for file in self._files:
            file.look()


class TrackFile:
    """Not well while the file is there and is neither empty nor 0 (blanks at both ends do not
    count). What cannot be read, or hangs, leaves the verdict as it was. A thread reads the file, of
    its own: one disk that hangs keeps nobody from the files on others."""

    def __init__(
        self, path: str, files: TrackedFiles, loop: asyncio.AbstractEventLoop, changed: Changed
    ) -> None:
        self.path = path
        self.verdict = Verdict(None, loop.time())
        self._files = files
        self._loop = loop
        self._changed = changed
        self._background = Background()
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._files.add(self)
        self._task = tasks.start(self._follow(), f"reading {self.path} of TRACK_FILE")

    def look(self) -> None:
        """It may have changed."""
        self._wanted.set()

    def close(self) -> None:
        if self._task:
            self._files.remove(self)
            self._task.cancel()
            self._task = None

    async def _follow(self) -> None:
        try:
            while True:
                self._wanted.clear()
                pause = await self._read()
                await happens(self._wanted, pause)
        finally:
            await self._background.close()

    async def _read(self) -> float:
        """Look once; return the seconds until the next look."""
        late = self._loop.call_later(HANGS, self._say, f"{self.path}: its file system hangs")
        try:
            text = await self._background.run(lambda: _text(self.path))
        except OSError as error:  # of the file, or no thread can be started
            self._say(f"{self.path} cannot be read: {error.strerror}")
            return _AGAIN if error.filename is None else POLLING
        finally:
            late.cancel()
        self._judge(text)
        return POLLING

    def _judge(self, text: str | None) -> None:
        content = (text or "").strip()
        well = content in ("", "0")
        said = "" if well else f"{self.path} says “{shown(content.splitlines()[0])}”"
        since = self.verdict.since if well is self.verdict.well else self._loop.time()
        self._become(well, since, said)

    def _say(self, said: str) -> None:
        self._become(self.verdict.well, self.verdict.since, said)

    def _become(self, well: bool | None, since: float, said: str) -> None:
        ends = "when the file is gone, empty or 0" if well is False else ""
        before, self.verdict = self.verdict, Verdict(well, since, said, ends)
        if self.verdict != before:
            self._changed()


def _text(path: str) -> str | None:
    """What the file begins with; None: there is none. Raises OSError."""
    try:
        # A FIFO without a writer, or a device, must not hold the thread.
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return os.read(file, _LONGEST).decode("utf-8", "surrogateescape")
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(file)
