"""Which directories have to be watched for a path to be followed, whatever becomes of it."""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_MAX_LINKS = 40
"""Symbolic links that are followed in one path, as in the kernel (path_resolution(7))."""

_PREFIX = "vip-"
"""What names of configuration files begin with. Editors' own files do not: .vip-001.conf.swp."""


@dataclass(frozen=True, slots=True)
class WatchedPaths:
    """What decides where some paths lead: every directory on the way, symbolic links followed.

    `directories` are real paths (no link in them), parents before children when sorted.
    `entries` are the names in them that count, as whole paths. `root` is the real path of the
    directory in which new configuration files count too, None while it is missing.
    """

    directories: frozenset[str] = frozenset()
    entries: frozenset[str] = frozenset()
    root: str | None = None

    @classmethod
    def of(cls, directory: str, files: Iterable[str]) -> "WatchedPaths":
        """The trail of `directory`, with its contents, and of `files`; all of them may be missing.

        Reads the file system. A few thousandths of a second for hundreds of files: those of one
        directory share its resolution.
        """
        walk = _Walk()
        root = walk.directory(_absolute(directory))
        if root is not None:
            walk.directories.add(root)
        parents: dict[str, str | None] = {}
        for file in files:
            parent, name = os.path.split(_absolute(file))
            if parent not in parents:
                parents[parent] = walk.directory(parent)
            if (real := parents[parent]) is not None:
                walk.resolve(real, name)
        return cls(frozenset(walk.directories), frozenset(walk.entries), root)

    def counts(self, path: str) -> bool:
        """Whether it may matter what happens to this path."""
        if path in self.entries:
            return True
        parent, name = os.path.split(path)
        return parent == self.root and name.startswith(_PREFIX)


class _Walk:
    """Resolves paths as the kernel does, and notes what it looked up on the way."""

    def __init__(self) -> None:
        self.directories: set[str] = set()
        self.entries: set[str] = set()

    def resolve(self, here: str, path: str) -> str | None:
        """The real path of `path` seen from the directory `here`; None when there is no such."""
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
                # os.lstat, not Path: it is done for hundreds of files while the loop waits.
                mode = os.lstat(entry).st_mode
                target = str(Path(entry).readlink()) if stat.S_ISLNK(mode) else None
            except (OSError, ValueError):  # absent, not to be read, or no name at all
                self._note(here, entry)
                return None
            self._note(here, entry)
            if target is None:
                if rest and not stat.S_ISDIR(mode):
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
        """The real path of a directory; None when there is no such, or something else."""
        return self.resolve("/", f"{path}/.")

    def _note(self, directory: str, entry: str) -> None:
        self.directories.add(directory)
        self.entries.add(entry)


def _reversed_names(path: str) -> Iterator[str]:
    return filter(None, reversed(path.split("/")))


def _absolute(path: str) -> str:
    # Not abspath(): it would take ".." for the parent of a link's name, not of its target.
    return path if path.startswith("/") else f"{Path.cwd()}/{path}"
