"""Remembers the contents of files, for a caller that reads the same files repeatedly."""

import os
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from vipd.config.files import UnreadableError
from vipd.config.shell import Script, parse
from vipd.config.snapshot import ABSENCE

_LONGEST = 65536
"""Bytes of a file that are remembered; a real one has less than a thousand."""


@dataclass(slots=True)
class _File:
    content: bytes
    script: Script | None = None
    gone: float | None = None  # when it was first found absent

    def __reduce__(self) -> tuple[type["_File"], tuple[bytes, None, float | None]]:
        """Parsing it again takes less time than copying what was parsed."""
        return _File, (self.content, None, self.gone)


class Memory:
    """For one directory, and one thread at a time.

    An unchanged file is not parsed again. A file that is gone keeps its last content for ABSENCE
    seconds; without `begin`, it counts as removed at once. It can be pickled for the next process.
    """

    def __init__(self) -> None:
        self.reading: Callable[[str], None] = _nobody_asks
        """Called with each path before it is read, which may take long."""
        self.faults = False
        """Whether a file could not be read this time that may become readable without a change."""
        self.directory: tuple[int, int] | None = None
        """Device and inode of the directory that was listed last."""
        self._files: dict[str, _File] = {}
        self._used: set[str] = set()
        self._now = 0.0
        self._patience = 0.0

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "reading": _nobody_asks}

    def is_another(self, directory: tuple[int, int]) -> bool:
        """Whether a different directory is in its place, without a requested reload."""
        return self._patience > 0 and self.directory not in (None, directory)

    def begin(self, now: float, *, asked: bool) -> None:
        """All files are read again, at this time of a clock that never goes back. `asked`: by
        somebody who knows what is there, so that a file that is gone counts as gone."""
        self.faults = False
        self._used.clear()
        self._now = now
        self._patience = 0.0 if asked else ABSENCE

    def content(self, path: Path, read: Callable[[Path], bytes]) -> bytes:
        """`read(path)`, or what it returned before while the file is gone for a short time. Raises
        UnreadableError."""
        key = str(path)
        self.reading(key)
        self._used.add(key)
        before = self._files.get(key)
        try:
            content = read(path)
        except UnreadableError as why:
            self.faults |= why.fault
            why.known = before is not None
            if before is None or not why.absent:
                raise
            if before.gone is None:
                before.gone = self._now
            if self._now - before.gone >= self._patience:
                del self._files[key]
                raise
            return before.content
        if before is None or before.content != content:
            before = _File(content)
            if len(content) <= _LONGEST:
                self._files[key] = before
            else:
                self._files.pop(key, None)
        before.gone = None
        return content

    def script(self, path: Path, content: bytes, file: str) -> Script:
        """This content of a file, parsed; `file` is its path as it is shown."""
        known = self._files.get(str(path))
        if known is None or known.content != content:
            return parse(content.decode("utf-8", "surrogateescape"), file)
        if known.script is None:
            known.script = parse(content.decode("utf-8", "surrogateescape"), file)
        return known.script

    def others(self, directory: Path, names: Container[str]) -> list[str]:
        """Names of files that were read in this directory before, besides these."""
        paths = map(Path, self._files)
        return sorted(
            (path.name for path in paths if path.parent == directory and path.name not in names),
            key=os.fsencode,
        )

    def forget(self, path: Path) -> None:
        """Count this file as removed at once."""
        self._files.pop(str(path), None)

    def end(self) -> None:
        """All files were read: forget the others."""
        self._files = {path: file for path, file in self._files.items() if path in self._used}

    def gone(self) -> Iterator[tuple[str, float]]:
        """The paths of files that are gone and count as they were, and until when."""
        for path, file in self._files.items():
            if file.gone is not None:
                yield path, file.gone + ABSENCE


def _nobody_asks(_path: str) -> None: ...
