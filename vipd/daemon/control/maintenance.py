"""VIPs in maintenance: they are never master on this host, across restarts and reboots."""

import asyncio
import errno
import json
import os
from collections.abc import Iterable
from pathlib import Path

from vipd.api.io_vipd import Maintained
from vipd.daemon.base import kept_files
from vipd.daemon.base.background import Background
from vipd.daemon.log.logger import log

#: Longest file that is read, bytes.
_LONGEST = 1 << 20
#: Number of IDs that are kept, so that the file stays below that, and bytes of the longest one.
_MOST, _LONGEST_ID = 1000, 255


def is_name(identifier: str) -> bool:
    """Whether this is a possible ID: it is part of the name of the VIP's file."""
    try:
        length = len(os.fsencode(identifier))
    except ValueError:  # not a possible file name
        return False
    return 0 < length <= _LONGEST_ID and not {"/", "\0"} & set(identifier)


class Maintenance:
    """Kept in ``directory``/maintenance.json, which exists only while something is in maintenance.
    A file that cannot be read puts the whole host into maintenance: its existence says that
    something was in maintenance."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "maintenance.json"
        self._lock = asyncio.Lock()
        self._background = Background()
        #: What is in maintenance.
        self.kept = self._read()

    def __contains__(self, identifier: object) -> bool:
        kept = self.kept
        return identifier in kept.ids or (kept.host and identifier not in kept.excepted)

    async def switch(self, on: bool, ids: Iterable[str] | None) -> None:
        """Put these VIPs (None: the whole host) into maintenance, or take them out of it. If the
        whole host is in maintenance, all others stay in it, also those that do not run now. The
        change is on the disk when this returns. Raises OSError; then nothing has changed."""
        async with self._lock:
            old = self.kept
            if ids is None:
                new = Maintained(on, [], [])
            else:
                these = set(ids)
                inside, excepted = set(old.ids) - these, set(old.excepted) - these
                if on and not old.host:
                    inside |= these
                elif old.host and not on:
                    excepted |= these
                new = Maintained(old.host, sorted(inside), sorted(excepted))
            if max(len(new.ids), len(new.excepted)) > _MOST:
                raise OSError(errno.EFBIG, f"not for more than {_MOST} IDs: take the whole host")
            if new != old:
                await self._background.run(lambda: self._write(new))  # a disk may be slow
                self.kept = new

    def _read(self) -> Maintained:
        try:
            kept = json.loads(kept_files.read(self._file, _LONGEST))
            # An older version, without exceptions, wrote none.
            host, ids, excepted = kept["host"], kept["ids"], kept.get("except", [])
            if type(host) is not bool or not all(isinstance(i, str) for i in (*ids, *excepted)):
                raise ValueError("it holds something else")
            return Maintained(host, sorted(set(ids)), sorted(set(excepted)))
        except FileNotFoundError:
            return Maintained(False, [], [])
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            log.error(
                "cannot read %s: %s; so the whole host is in maintenance, until "
                "`vipctl maintenance off` ends it",
                self._file,
                error,
                extra={"reason": "maintenance"},
            )
            return Maintained(True, [], [])

    def _write(self, kept: Maintained) -> None:
        directory = self._file.parent
        if kept == Maintained(False, [], []):
            self._file.unlink(missing_ok=True)
        else:
            directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            # An older version, without exceptions, reads: the whole host.
            content = {"host": kept.host, "ids": kept.ids, "except": kept.excepted}
            kept_files.replace(self._file, json.dumps(content).encode(), durable=True)
        if directory.exists():
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(handle)  # the name, too, must survive a power cut
            finally:
                os.close(handle)
