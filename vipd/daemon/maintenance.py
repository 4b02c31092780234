"""Which VIPs are in maintenance: never master on this host, across restarts and reboots."""

import asyncio
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vipd.daemon.background import Background
from vipd.daemon.journal import log

#: Longest file that is read, bytes.
_LONGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class _Kept:
    """``host``: all VIPs, those that are added later included; else those in ``ids``."""

    host: bool = False
    ids: frozenset[str] = frozenset()


class Maintenance:
    """Kept in ``directory``/maintenance.json, which is there only while something is. A file that
    cannot be read puts the whole host into maintenance: somebody wanted something to be."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "maintenance.json"
        self._lock = asyncio.Lock()
        self._background = Background()
        self._kept = self._read()

    def __contains__(self, identifier: object) -> bool:
        return self._kept.host or identifier in self._kept.ids

    async def switch(self, on: bool, ids: Iterable[str] | None, known: Iterable[str]) -> None:
        """Put these VIPs (None: the whole host) into maintenance, or take them out of it. If the
        whole host was, all ``known`` VIPs but these stay in it. When it returns it is on the disk;
        raises OSError, and then nothing is changed."""
        async with self._lock:
            old = self._kept
            if ids is None:
                new = _Kept(on)
            elif on:
                new = _Kept(old.host, old.ids.union(ids))
            else:
                new = _Kept(False, (frozenset(known) if old.host else old.ids).difference(ids))
            if new != old:
                await self._background.run(lambda: self._write(new))  # a disk may be slow
                self._kept = new

    def _read(self) -> _Kept:
        try:
            with self._file.open() as file:
                kept = json.loads(file.read(_LONGEST))
            host, ids = kept["host"], kept["ids"]
            if type(host) is not bool or not all(isinstance(each, str) for each in ids):
                raise ValueError("it holds something else")
            return _Kept(host, frozenset(ids))
        except FileNotFoundError:
            return _Kept()
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            log.error(
                "cannot read %s: %s; so the whole host is in maintenance, until "
                "`vipctl maintenance off` ends it",
                self._file,
                error,
                extra={"reason": "maintenance"},
            )
            return _Kept(True)

    def _write(self, kept: _Kept) -> None:
        directory = self._file.parent
        if kept == _Kept():
            self._file.unlink(missing_ok=True)
        else:
            directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            new = self._file.with_suffix(".new")
            with new.open("w") as file:
                json.dump({"host": kept.host, "ids": sorted(kept.ids)}, file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._file)
        if directory.exists():
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(handle)  # the name as well must survive a power cut
            finally:
                os.close(handle)
