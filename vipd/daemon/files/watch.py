"""Tells when the configuration files change: whichever way, wherever their links lead.

inotify watches directories, not names. So every directory is watched that has a say in where a
file is: its own, those above it, and the same for each symbolic link on the way. Editors that write
a new file and rename it, links that are swapped, a directory that is removed and comes back: all
of it is an event for a name in one of these directories. (What inotify cannot see: something
mounted on top of one of them, and what other machines do to a network file system. For these there
is SIGHUP.)

Watches are placed and taken away in a thread: to look where a path leads takes as long as the disk
likes, and watchdog's threads take up to 0.3 s to end.
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
"""Seconds after the first event when a change is told although it still goes on."""

POLLING = 1.0
"""Seconds between two looks at the files where inotify is exhausted."""

HANGS = 10.0
"""Seconds after which a change is told although its watches are not placed yet: the disk hangs."""

_AGAIN = 10.0
"""Seconds until the watches are placed again when that failed for want of a thread or memory."""

_ATTEMPTS = 5
"""How often the watches are placed at once while the directories change under our hands."""

# Never among them: opened, read, closed without a write. We read these files ourselves.
# Changes of mode and owner are modifications for watchdog 4 to 6, and events of their own for 7.
_EVENTS: list[type[events.FileSystemEvent]] = [
    events.FileCreatedEvent,
    events.FileDeletedEvent,
    events.FileMovedEvent,
    events.FileModifiedEvent,
    events.FileClosedEvent,
    getattr(events, "FileAttribEvent", events.FileModifiedEvent),
    events.DirCreatedEvent,
    events.DirDeletedEvent,
    events.DirMovedEvent,
]
_REPLACING = (events.EVENT_TYPE_CREATED, events.EVENT_TYPE_DELETED, events.EVENT_TYPE_MOVED)


class Watch:
    """Calls `changed` in the loop, once for every change of the files that has settled.

    Watches `directory` from the beginning; a change after `placed` is set is never missed. The
    directory may be missing. Use it in the loop's thread only.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, directory: Path, changed: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._directory = str(directory)
        self._changed = changed
        self._files: frozenset[str] = frozenset()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._first = 0.0
        self.placed = asyncio.Event()
        self._background = Background()
        self._placing: asyncio.Task[None] | None = None
        # What is to be done by `_placing`: follow other files, and tell that something changed.
        self._follow = self._change = False
        # The background's, while it is busy.
        self._observer: BaseObserver | None = None
        self._watched: frozenset[str] = frozenset()
        self._warned = False
        self._partly = False  # some directories could not be watched
        # These watchdog's thread uses, too; each is replaced as a whole.
        self._watched_paths = WatchedPaths()
        self._stale = False
        self._last = 0.0
        self._told = False
        # A watch that ends while it is read is an error for watchdog, and its log goes to stderr.
        logging.getLogger("watchdog").setLevel(logging.CRITICAL)
        self._work()

    def follow(self, files: Iterable[str], *, again: bool = False) -> None:
        """Watch these files, too, and no longer those of the last call; they may be missing.
        ``again``: try directories again that could not be watched.

        To be called after they were read: when one of them was not watched while it was, `changed`
        is called once more, because nobody can tell what happened in between.
        """
        before, self._files = self._files, frozenset(files)
        again = again and self._partly
        self._stale |= again
        if self._files == before and not again:
            return  # all of them were watched: what happens to their paths is an event
        self._follow = True
        self._work()

    async def close(self) -> None:
        """Watch nothing any more; `changed` is not called again. Returns when no thread is left,
        so never while a disk hangs."""
        self._closed = True
        if self._timer:
            self._timer.cancel()
        await self._background.run(self._end)
        await self._background.close()

    def _tell(self) -> None:
        """Something changed, now. From any thread; wakes the loop once for a whole burst."""
        self._last = self._loop.time()
        if not self._told:
            self._told = True
            with suppress(RuntimeError):  # the loop has ended: nobody wants to know
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
        """Place the watches until there is nothing to do any more."""
        try:
            if not self.placed.is_set():
                await self._placed(frozenset())
                self.placed.set()
            while (self._follow or self._change) and not self._closed:
                changed = self._change
                self._follow = self._change = False
                # First the watches: what happens from here on is an event, what happened before is
                # read. Unless that hangs: reading will hang as well, and there it is noticed.
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
            self._change = True  # nobody knows what was missed
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
        """Let the watches be where the paths lead now. True: something may have been missed."""
        missed = False
        for _ in range(_ATTEMPTS):
            before = self._watched_paths
            self._watched_paths = WatchedPaths.of(self._directory, files)
            missed |= not all(map(before.counts, self._watched_paths.entries))
            if self._watched_paths.directories == self._watched and not self._stale:
                return missed
            self._stale = False
            try:
                self._watch_directories()
            except BaseException:
                self._stale = True  # those that there are may be dead
                raise
            missed = True
        self._tell()  # they go on changing: again when it is quieter
        return missed

    def _watch_directories(self) -> None:
        """Place all watches again. A removed directory's watch is dead, and that it is cannot be
        told by its name or its inode's number, which the next one may have again."""
        before = self._observer
        try:
            self._observer = self._observe(InotifyObserver(), patient=False)
        except OSError as why:
            # Only now: nobody else needs the module.
            from watchdog.observers.polling import PollingObserver

            self._observer = self._observe(PollingObserver(timeout=POLLING), patient=True)
            self._warn_of_polling(why)
        if before:
            _stop(before)

    def _observe(self, observer: BaseObserver, *, patient: bool) -> BaseObserver:
        """Start it on the directories. Raises OSError when inotify is exhausted, unless patient."""
        handler = _Handler(self._seen)
        self._partly = patient  # polling is for want of something better
        watched: set[str] = set()
        observer.start()
        try:
            self._schedule(observer, handler, watched, patient=patient)
        except BaseException:
            _stop(observer)
            raise
        self._watched = frozenset(watched)
        return observer

    def _schedule(
        self, observer: BaseObserver, handler: "_Handler", watched: set[str], *, patient: bool
    ) -> None:
        for directory in sorted(self._watched_paths.directories):
            # inotify takes only what may be read, and watchdog says nothing when it is refused.
            self._partly |= not os.access(directory, os.R_OK)
            try:
                observer.schedule(handler, directory, event_filter=_EVENTS)
            except (FileNotFoundError, NotADirectoryError):
                continue  # gone since we looked; the next look will tell
            except OSError as why:
                if not patient and why.errno in (errno.ENOSPC, errno.EMFILE, errno.ENFILE):
                    raise
                # Not to be read now; `follow` tries again.
                self._partly = True
            watched.add(directory)

    def _warn_of_polling(self, why: OSError) -> None:
        if self._warned:
            return
        self._warned = True
        limit = "max_user_watches"
        if why.errno != errno.ENOSPC:
            limit = "max_user_instances, or the limit of open files (LimitNOFILE=)"
        log.warning(
            "inotify is used up (%s): the configuration files are looked at every %g s instead; "
            "raise the sysctl fs.inotify.%s",
            why.strerror,
            POLLING,
            limit,
        )

    def _seen(self, event: events.FileSystemEvent) -> None:
        """In watchdog's thread: an event in one of the directories."""
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
