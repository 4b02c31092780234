"""Which VIPs are in maintenance: never master on this host, across restarts and reboots."""

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
#: How many IDs are kept, so that the file stays below that, and how long each may be, bytes.
_MOST, _LONGEST_ID = 1000, 255


def is_name(identifier: str) -> bool:
    """Whether a VIP may have this ID, which is part of the name of its file."""
    try:
        length = len(os.fsencode(identifier))
    except ValueError:  # no name of a file at all
        return False
    return 0 < length <= _LONGEST_ID and not {"/", "\0"} & set(identifier)


class Maintenance:
    """Kept in ``directory``/maintenance.json, which is there only while something is. A file that
    cannot be read puts the whole host into maintenance: somebody wanted something to be."""

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
        whole host is, all others stay in it, those too that do not run now. When it returns it is
        on the disk; raises OSError, and then nothing is changed."""
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
            # A version that knew no exceptions wrote none.
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
            # A version that knows no exceptions reads: the whole host.
            content = {"host": kept.host, "ids": kept.ids, "except": kept.excepted}
            kept_files.replace(self._file, json.dumps(content).encode(), durable=True)
        if directory.exists():
            handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(handle)  # the name as well must survive a power cut
            finally:
                os.close(handle)
