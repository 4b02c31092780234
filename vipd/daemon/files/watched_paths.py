"""The directories that have to be watched so that no change of a path is missed."""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_MAX_LINKS = 40
"""Symbolic links that are followed in one path, as in the kernel (path_resolution(7))."""

_PREFIX = "vip-"
"""Prefix of configuration files. Editors' own files do not have it: .vip-001.conf.swp."""


@dataclass(frozen=True, slots=True)
class WatchedPaths:
    """The directories that some paths depend on: each one on the way, symbolic links followed.

    `directories` are real paths (no link in them), parents before children when sorted. Of those
    that are `written`, the contents of a file matter, too; of the others, only what comes and goes.
    `entries` are the names in them that matter, as whole paths. `root` is the real path of the
    directory in which new configuration files matter, too; None if it is missing, or there is none.
    """

    directories: frozenset[str] = frozenset()
    written: frozenset[str] = frozenset()
    entries: frozenset[str] = frozenset()
    root: str | None = None

    @classmethod
    def of(cls, directory: str | None, files: Iterable[str]) -> "WatchedPaths":
        """The paths of `directory`, with its contents, and of `files`; all of them may be missing.

        Reads the file system. It takes a few milliseconds for hundreds of files: those of one
        directory share its resolution.
        """
        walk = _Walk()
        root = walk.directory(_absolute(directory)) if directory else None
        if root is not None:
            walk.directories.add(root)
            walk.written.add(root)
        parents: dict[str, str | None] = {}
        for file in files:
            parent, name = os.path.split(_absolute(file))
            if parent not in parents:
                parents[parent] = walk.directory(parent)
            if (real := parents[parent]) is not None:
                walk.resolve(real, name)
        directories, written = frozenset(walk.directories), frozenset(walk.written)
        return cls(directories, written, frozenset(walk.entries), root)

    @property
    def watches(self) -> frozenset[tuple[str, bool]]:
        """The directories, each with whether it is `written`."""
        return frozenset((each, each in self.written) for each in self.directories)

    def counts(self, path: str) -> bool:
        """Whether a change of this path may matter."""
        if path in self.entries:
            return True
        parent, name = os.path.split(path)
        return parent == self.root and name.startswith(_PREFIX)


class _Walk:
    """Resolves paths as the kernel does, and notes each name that it looks up."""

    def __init__(self) -> None:
        self.directories: set[str] = set()
        self.written: set[str] = set()
        self.entries: set[str] = set()

    def resolve(self, here: str, path: str) -> str | None:
        """The real path of `path` relative to the directory `here`; None if it does not exist."""
        rest = list(_reversed_names(path))
        links = 0
        while rest:
            name = rest.pop()
            if name == ".":
                continue
            if name == "..":
                here = here.rpartition("/")[0] or "/"
                continue
            entry = f"{here.rstrip('/')}/{name}"
            try:
                # os.lstat, not the slower Path: hundreds of files, and the loop waits.
                mode = os.lstat(entry).st_mode
                target = str(Path(entry).readlink()) if stat.S_ISLNK(mode) else None
            except (OSError, ValueError):  # missing, unreadable, or not a valid name
                self._note(here, entry)
                if not rest:  # a file, perhaps, which somebody may write slowly
                    self.written.add(here)
                return None
            self._note(here, entry)
            if target is None:
                if not stat.S_ISDIR(mode):
                    self.written.add(here)
                    if rest:
                        return None
                here = entry
                continue
            links += 1
            if links > _MAX_LINKS:
                return None
            if target.startswith("/"):
                here = "/"
            rest.extend(_reversed_names(target))
        return here

    def directory(self, path: str) -> str | None:
        """The real path of a directory; None if it is missing or not a directory."""
        return self.resolve("/", f"{path}/.")

    def _note(self, directory: str, entry: str) -> None:
        self.directories.add(directory)
        self.entries.add(entry)


def _reversed_names(path: str) -> Iterator[str]:
    return filter(None, reversed(path.split("/")))


def _absolute(path: str) -> str:
    # Not abspath(): it resolves ".." to the parent of a link's name, not of its target.
    return path if path.startswith("/") else f"{Path.cwd()}/{path}"
