"""Notices changes of the configuration files: of any kind, and through symbolic links.

inotify watches directories, not names. So every directory that a file's path depends on is watched:
its own, those above it, and the same for each symbolic link on the way. An editor that writes a new
file and renames it, a link that is swapped, a directory that is removed and created again: each is
an event for a name in one of these directories. Directories that are only on the way may be busy
(/tmp), so the kernel is not asked for what is written there, but for what comes and goes. (inotify
cannot see a mount on top of one of them, nor changes of a network file system by other machines.
Send SIGHUP for these.)

A thread adds and removes the watches: resolving a path may take long on a slow disk, and watchdog's
threads take up to 0.3 s to end.
"""

import asyncio
import errno
import logging
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from watchdog import events
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyObserver

from vipd.daemon.base import tasks
from vipd.daemon.base.background import Background
from vipd.daemon.files.watched_paths import WatchedPaths
from vipd.daemon.log.logger import log

SETTLED = 0.2
"""Seconds without an event after which a change counts as complete."""

LONGEST = 2.0
"""Seconds after the first event when a change is reported although events still come."""

POLLING = 1.0
"""Seconds between two polls of the files when inotify is exhausted."""

HANGS = 10.0
"""Seconds after which a change is reported without waiting for its watches: the disk hangs."""

_AGAIN = 10.0
"""Seconds until the watches are placed again when a thread or memory was lacking."""

_ATTEMPTS = 5
"""How often the watches are placed without a pause while the directories keep changing."""

# Not opened, read, or closed without a write: vipd itself reads these files.
# Changes of mode and owner are modifications in watchdog 4 to 6, and events of their own in 7.
_REPLACED: list[type[events.FileSystemEvent]] = [
    events.FileCreatedEvent,
    events.FileDeletedEvent,
    events.FileMovedEvent,
    events.DirCreatedEvent,
    events.DirDeletedEvent,
    events.DirMovedEvent,
]
_EVENTS = [
    *_REPLACED,
    events.FileModifiedEvent,
    events.FileClosedEvent,
    getattr(events, "FileAttribEvent", events.FileModifiedEvent),
]
_REPLACING = (events.EVENT_TYPE_CREATED, events.EVENT_TYPE_DELETED, events.EVENT_TYPE_MOVED)


class Watch:
    """Calls `changed` in the loop, once for every change of the files that has settled.

    Watches `directory`, if there is one, from the beginning; no change is missed once `placed` is
    set. The directory may be missing. Use it in the loop's thread only.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        directory: Path | None,
        changed: Callable[[], None],
        what: str = "the configuration files",
    ) -> None:
        """``what``: the files, as they are called in messages."""
        self._loop = loop
        self._directory = str(directory) if directory else None
        self._what = what
        self._changed = changed
        self._files: frozenset[str] = frozenset()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._first = 0.0
        self.placed = asyncio.Event()
        self._background = Background()
        self._placing: asyncio.Task[None] | None = None
        # Work for `_placing`: follow other files, and report a change.
        self._follow = self._change = False
        # Used by the background thread while it is busy.
        self._observer: BaseObserver | None = None
        self._watched: frozenset[tuple[str, bool]] = frozenset()
        self._warned = False
        self._partly = False  # some directories could not be watched
        # watchdog's thread uses these, too; each is replaced as a whole.
        self._watched_paths = WatchedPaths()
        self._stale = False
        self._last = 0.0
        self._told = False
        # watchdog logs an error to stderr when a watch ends while it is read.
        logging.getLogger("watchdog").setLevel(logging.CRITICAL)
        self._work()

    def follow(self, files: Iterable[str], *, again: bool = False) -> None:
        """Watch these files, too, instead of those of the last call; they may be missing.
        ``again``: try directories again that could not be watched.

        Call this after the files were read: if one of them was not watched at that time, `changed`
        is called once more, because a change may have been missed.
        """
        before, self._files = self._files, frozenset(files)
        again = again and self._partly
        self._stale |= again
        if self._files == before and not again:
            return  # all of them were watched: no change was missed
        self._follow = True
        self._work()

    async def close(self) -> None:
        """Remove all watches; `changed` is not called again. Returns when no thread is left, thus
        never while a disk hangs."""
        self._closed = True
        if self._timer:
            self._timer.cancel()
        await self._background.run(self._end)
        await self._background.close()

    def _tell(self) -> None:
        """Report a change. May be called in any thread; wakes the loop once for a whole burst."""
        self._last = self._loop.time()
        if not self._told:
            self._told = True
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self._first = self._last
        self._settle()

    def _settle(self) -> None:
        if self._closed:
            return
        due = min(self._last + SETTLED, self._first + LONGEST)
        if self._loop.time() < due:
            self._timer = self._loop.call_at(due, self._settle)
            return
        self._told = False
        self._change = True
        self._work()

    def _work(self) -> None:
        if not self._closed and (self._placing is None or self._placing.done()):
            self._placing = tasks.start(self._place_all(), "watching the files")

    async def _place_all(self) -> None:
        """Place the watches until no work is left."""
        try:
            if not self.placed.is_set():
                await self._placed(frozenset())
                self.placed.set()
            while (self._follow or self._change) and not self._closed:
                changed = self._change
                self._follow = self._change = False
                # Place the watches before the files are read: later changes are events, earlier
                # ones are read. If that hangs, do not wait: reading hangs as well, and reports it.
                hangs = self._loop.call_later(HANGS, self._changed) if changed else None
                missed = await self._placed(self._files)
                if hangs:
                    hangs.cancel()
                if changed and not self._closed:
                    self._changed()
                elif missed:
                    self._tell()
        except Exception:
            self.placed.set()
            self._change = True  # a change may have been missed
            self._loop.call_later(_AGAIN, self._work)
            raise

    async def _placed(self, files: frozenset[str]) -> bool:
        return await self._background.run(lambda: self._place(files))

    # In the background

    def _end(self) -> None:
        if self._observer:
            _stop(self._observer)
            self._observer = None

    def _place(self, files: frozenset[str]) -> bool:
        """Place the watches where the paths lead now; return whether a change may be missed."""
        missed = False
        for _ in range(_ATTEMPTS):
            before = self._watched_paths
            self._watched_paths = WatchedPaths.of(self._directory, files)
            missed |= not all(map(before.counts, self._watched_paths.entries))
            if self._watched_paths.watches == self._watched and not self._stale:
                return missed
            self._stale = False
            try:
                self._watch_directories()
            except BaseException:
                self._stale = True  # the existing watches may be dead
                raise
            missed = True
        self._tell()  # the directories keep changing: try again when they are quiet
        return missed

    def _watch_directories(self) -> None:
        """Place all watches again. The watch of a removed directory is dead, and neither name nor
        inode number shows that: the next directory may have both."""
        before = self._observer
        try:
            self._observer = self._observe(InotifyObserver(), patient=False)
        except OSError as why:
            # Imported only when it is needed.
            from watchdog.observers.polling import PollingObserver

            self._observer = self._observe(PollingObserver(timeout=POLLING), patient=True)
            self._warn_of_polling(why)
        if before:
            _stop(before)

    def _observe(self, observer: BaseObserver, *, patient: bool) -> BaseObserver:
        """Start it on the directories. Raises OSError if inotify is exhausted, unless patient."""
        handler = _Handler(self._seen)
        self._partly = patient  # polling is only a fallback
        watched: set[tuple[str, bool]] = set()
        observer.start()
        try:
            self._schedule(observer, handler, watched, patient=patient)
        except BaseException:
            _stop(observer)
            raise
        self._watched = frozenset(watched)
        return observer

    def _schedule(
        self,
        observer: BaseObserver,
        handler: "_Handler",
        watched: set[tuple[str, bool]],
        *,
        patient: bool,
    ) -> None:
        for directory, written in sorted(self._watched_paths.watches):
            # inotify needs read permission, and watchdog does not report a refusal.
            self._partly |= not os.access(directory, os.R_OK)
            try:
                what = _EVENTS if written else _REPLACED
                observer.schedule(handler, directory, event_filter=what)
            except (FileNotFoundError, NotADirectoryError):
                continue  # removed since the last look: the next one notices it
            except OSError as why:
                if not patient and why.errno in (errno.ENOSPC, errno.EMFILE, errno.ENFILE):
                    raise
                # It cannot be read now; `follow` tries again.
                self._partly = True
            watched.add((directory, written))

    def _warn_of_polling(self, why: OSError) -> None:
        if self._warned:
            return
        self._warned = True
        limit = "max_user_watches"
        if why.errno != errno.ENOSPC:
            limit = "max_user_instances, or the limit of open files (LimitNOFILE=)"
        log.warning(
            "inotify is used up (%s): %s are looked at every %g s instead; "
            "raise the sysctl fs.inotify.%s",
            why.strerror,
            self._what,
            POLLING,
            limit,
        )

    def _seen(self, event: events.FileSystemEvent) -> None:
        """Handle an event in one of the directories; called in watchdog's thread."""
        watched_paths = self._watched_paths
        paths = {os.fsdecode(path) for path in (event.src_path, event.dest_path) if path}
        if not any(map(watched_paths.counts, paths)):
            return
        if event.event_type in _REPLACING and paths & watched_paths.directories:
            self._stale = True
        self._tell()


class _Handler(events.FileSystemEventHandler):
    def __init__(self, seen: Callable[[events.FileSystemEvent], None]) -> None:
        self._seen = seen

    def on_any_event(self, event: events.FileSystemEvent) -> None:
        self._seen(event)


def _stop(observer: BaseObserver) -> None:
    observer.stop()
    observer.join()
