"""Tells when the configuration files change: whichever way, wherever their links lead.

inotify watches directories, not names. So every directory is watched that has a say in where a
file is: its own, those above it, and the same for each symbolic link on the way. Editors that write
a new file and rename it, links that are swapped, a directory that is removed and comes back: all
of it is an event for a name in one of these directories. (What inotify cannot see: something
mounted on top of one of them, and what other machines do to a network file system. For these there
is SIGHUP.)
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

from vipd.daemon.journal import log
from vipd.daemon.paths import Trail

SETTLED = 0.2
"""Seconds without an event after which a change counts as complete."""

LONGEST = 2.0
"""Seconds after the first event when a change is told although it still goes on."""

POLLING = 1.0
"""Seconds between two looks at the files where inotify is exhausted."""

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

    Watches `directory` from the beginning, so a change after the constructor has returned is never
    missed; the directory may be missing. Use it in the loop's thread only.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, directory: Path, changed: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._directory = str(directory)
        self._changed = changed
        self._files: frozenset[str] = frozenset()
        self._observer: BaseObserver | None = None
        self._watched: frozenset[str] = frozenset()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._warned = False
        self._first = 0.0
        # These watchdog's thread uses, too; each is replaced as a whole.
        self._trail = Trail()
        self._stale = False
        self._last = 0.0
        self._told = False
        # A watch that ends while it is read is an error for watchdog, and its log goes to stderr.
        logging.getLogger("watchdog").setLevel(logging.CRITICAL)
        self._place()

    def follow(self, files: Iterable[str]) -> None:
        """Watch these files, too, and no longer those of the last call; they may be missing.

        To be called after they were read: when one of them was not watched while it was, `changed`
        is called once more, because nobody can tell what happened in between.
        """
        before, self._files = self._files, frozenset(files)
        if self._files == before:
            return  # all of them were watched: what happens to their paths is an event
        if self._place():
            self._tell()

    def close(self) -> None:
        """Watch nothing any more; `changed` is not called again."""
        self._closed = True
        if self._timer:
            self._timer.cancel()
        if self._observer:
            _stop(self._observer)
            self._observer = None

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
        # First the watches: what happens from here on is an event, what happened before is read.
        self._place()
        self._changed()

    def _place(self) -> bool:
        """Let the watches be where the paths lead now. True: something may have been missed."""
        missed = False
        for _ in range(_ATTEMPTS):
            before = self._trail
            self._trail = Trail.of(self._directory, self._files)
            missed |= not all(map(before.counts, self._trail.entries))
            if self._trail.directories == self._watched and not self._stale:
                return missed
            self._stale = False
            self._watch_directories()
            missed = True
        self._tell()  # they go on changing: again when it is quieter
        return missed

    def _watch_directories(self) -> None:
        """All watches anew. A removed directory's watch is dead, and that it is cannot be told by
        its name or its inode's number, which the next one may have again."""
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
        watched = set()
        observer.start()
        for directory in sorted(self._trail.directories):
            try:
                observer.schedule(handler, directory, event_filter=_EVENTS)
            except (FileNotFoundError, NotADirectoryError):
                continue  # gone since we looked; the next look will tell
            except OSError as why:
                if not patient and why.errno in (errno.ENOSPC, errno.EMFILE):
                    _stop(observer)
                    raise
                # Not ours to read. Should that change, it changes an entry of its parent.
            watched.add(directory)
        self._watched = frozenset(watched)
        return observer

    def _warn_of_polling(self, why: OSError) -> None:
        if self._warned:
            return
        self._warned = True
        limit = "max_user_watches" if why.errno == errno.ENOSPC else "max_user_instances"
        log.warning(
            "inotify is used up (%s): the configuration files are looked at every %g s instead; "
            "raise the sysctl fs.inotify.%s",
            why.strerror,
            POLLING,
            limit,
        )

    def _seen(self, event: events.FileSystemEvent) -> None:
        """In watchdog's thread: an event in one of the directories."""
        trail = self._trail
        paths = {os.fsdecode(path) for path in (event.src_path, event.dest_path) if path}
        if not any(map(trail.counts, paths)):
            return
        if event.event_type in _REPLACING and paths & trail.directories:
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
