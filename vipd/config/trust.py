"""Who else may change a file that root reads or runs: anybody, a group, or another user.

Looks at modes and owners of the file and of every directory and symbolic link on the way to it.
keepalived does the same before it runs a script.
"""

import os
import stat
from collections.abc import Container
from dataclasses import dataclass, replace
from pathlib import Path

from vipd.config.problem import shown

_MAX_LINKS = 40
"""Symbolic links that are followed in one path, as in the kernel (path_resolution(7))."""
_ALL_IDS = 2**32 - 1
"""How many users the first user namespace knows (user_namespaces(7))."""


@dataclass(frozen=True, slots=True)
class Danger:
    """`who` may change what a path leads to: through `path`, the file itself or something on the
    way. `anybody`: every user of this host may, not only a certain user or group. `absent`: there
    is no such file, and `path` is the directory in which they may make it."""

    who: str
    path: str
    mode: int
    anybody: bool = False
    absent: bool = False

    @property
    def text(self) -> str:
        """The text for a message."""
        where = f"mode {stat.S_IMODE(self.mode):04o} of {shown(self.path, 200)}"
        if self.absent:
            return f"it is not there, and {self.who} may make it ({where})"
        return f"{self.who} may change it ({where})"

    @property
    def cure(self) -> str:
        """The command that removes this permission, or what to do instead."""
        path = shown(self.path, 200)
        if self.absent:  # most likely a directory that has to be open, like /tmp
            return f"put it where only root may write, not into {path}"
        return f"chown root:root {path} && chmod go-w {path}"


@dataclass(frozen=True, slots=True)
class _Way:
    """What is known of a path. `closed`: nobody else gets beyond it; `only`: the one group that
    does, or ""."""

    danger: Danger | None
    status: os.stat_result | None
    closed: bool = False
    only: str = ""


class Trust:
    """Answers for one reading of the files: every directory is looked at once. `users`, `groups`:
    who may change everything; unless given, root and whoever asks."""

    def __init__(
        self, users: Container[int] | None = None, groups: Container[int] | None = None
    ) -> None:
        self._ways: dict[str, _Way] = {}
        unknown = unknown_owner()
        self._users = {0, os.geteuid(), *unknown} if users is None else users
        self._groups = {0, os.getegid(), *unknown} if groups is None else groups

    def danger(self, path: str) -> Danger | None:
        """The worst danger on this path, which begins with /. If there is no such file: that
        others may make it. Never raises."""
        return self._way(path.rstrip("/") or "/", 0).danger

    def _way(self, path: str, links: int) -> _Way:
        if (known := self._ways.get(path)) is not None:
            return known
        try:
            way = self._look(path, links)
        except (OSError, ValueError):
            way = _Way(None, None)
        self._ways[path] = way
        return way

    def _look(self, path: str, links: int) -> _Way:
        parent = os.path.split(path)[0]
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return self._absent(parent, self._way(parent, links))
        above = _Way(None, None) if path == "/" else self._way(parent, links)
        if above.closed:
            return _Way(above.danger, status, closed=True)
        found = [above.danger]
        around = above.status
        if around is not None and not around.st_mode & stat.S_ISVTX:
            found += self._writers(parent, around)
        elif around is not None and status.st_uid not in self._users:
            # As in /tmp: the owner may replace it, and the user that created it first is the owner.
            found += [
                each and replace(each, path=path, mode=status.st_mode)
                for each in self._writers(parent, around)
            ]
        if stat.S_ISLNK(status.st_mode):
            if links >= _MAX_LINKS:
                return _Way(None, None)
            target = self._way(os.path.join(parent, os.readlink(path)), links + 1)  # noqa: PTH115, PTH118
            worst = _worst([*(_limited(each, above.only) for each in found), target.danger])
            return replace(target, danger=worst)
        if status.st_uid not in self._users:
            found.append(Danger(f"user {status.st_uid}", path, status.st_mode))
        if not stat.S_ISDIR(status.st_mode):
            found += self._writers(path, status)
        worst = _worst([_limited(each, above.only) for each in found])
        return self._beyond(status, above, worst)

    def _absent(self, parent: str, above: _Way) -> _Way:
        """What is known of a file that is not there: whoever may write the directory may make it, a
        sticky one, too."""
        found: list[Danger | None] = [above.danger]
        if above.status and not above.closed:
            found += [
                each and _limited(replace(each, absent=True), above.only)
                for each in self._writers(parent, above.status)
            ]
        return _Way(_worst(found), None, above.closed, above.only)

    def _beyond(self, status: os.stat_result, above: _Way, worst: Danger | None) -> _Way:
        """What is known, with who gets beyond this directory."""
        if not stat.S_ISDIR(status.st_mode) or status.st_mode & stat.S_IXOTH:
            return _Way(worst, status, only=above.only)
        group = status.st_mode & stat.S_IXGRP and status.st_gid not in self._groups
        only = f"group {status.st_gid}" if group else ""
        return _Way(worst, status, closed=not group, only=only)

    def _writers(self, path: str, status: os.stat_result) -> list[Danger | None]:
        mode = status.st_mode
        if mode & stat.S_IWOTH:
            return [Danger("anybody on this host", path, mode, anybody=True)]
        if mode & stat.S_IWGRP and status.st_gid not in self._groups:
            return [Danger(f"group {status.st_gid}", path, mode)]
        return []


def _limited(danger: Danger | None, only: str) -> Danger | None:
    """The same, behind a directory that only one group gets through."""
    return (
        replace(danger, who=only, anybody=False) if danger and danger.anybody and only else danger
    )


def _worst(found: list[Danger | None]) -> Danger | None:
    dangers = [danger for danger in found if danger is not None]
    return next((each for each in dangers if each.anybody), dangers[0] if dangers else None)


def unknown_owner() -> set[int]:
    """In a user namespace that knows some users only, the number that all others appear with: root
    may be one of them."""
    try:
        lines = Path("/proc/self/uid_map").read_text().splitlines()
        if sum(int(line.split()[2]) for line in lines) >= _ALL_IDS:
            return set()
        return {int(Path("/proc/sys/kernel/overflowuid").read_text())}
    except (OSError, ValueError, IndexError):
        return set()
