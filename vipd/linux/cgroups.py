"""The control groups of systemd's units: whether one has processes, and notices of that."""

import os
import re
import select
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

#: Where cgroup v2 is mounted: alone, or beside v1.
_MOUNTS = Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")
_TEMPLATE = re.compile(r"(?P<prefix>[^@]+)@.+\.(service|scope)")
#: What systemd writes as \xNN when a name becomes a part of another name.
_ESCAPED = re.compile(r"[^A-Za-z0-9:_.]|^\.")
_LONGEST = 4096  # bytes of cgroup.events


def mounted() -> Path | None:
    """The root of cgroup v2; None: this system does not have it."""
    return next((each for each in _MOUNTS if (each / "cgroup.controllers").exists()), None)


def usual_place(unit: str) -> str:
    """The path of the unit's control group under the root, if its files do not say Slice=."""
    name, _, kind = unit.rpartition(".")
    if kind == "slice":
        parts = name.split("-")
        return "/".join("-".join(parts[: end + 1]) + ".slice" for end in range(len(parts)))
    if match := _TEMPLATE.fullmatch(unit):
        prefix = _ESCAPED.sub(lambda c: f"\\x{ord(c[0]):02x}", match["prefix"])
        return f"system.slice/system-{prefix}.slice/{unit}"
    return f"system.slice/{unit}"


def find(root: Path, unit: str) -> Path | None:
    """The control group of a unit; None while there is none. Looks into every slice, for a unit may
    be in any of them: some hundred microseconds on most hosts."""
    # systemd puts _ in front of what the kernel could take for a file of its own (memory.service).
    names = unit, f"_{unit}"
    for slice_ in _slices(root):
        for name in names:
            if (found := slice_ / name).is_dir():
                return found
    return None


def _slices(root: Path) -> Iterator[Path]:
    """The root and all slices under it."""
    waiting = [root]
    while waiting:
        here = waiting.pop()
        yield here
        with suppress(OSError), os.scandir(here) as entries:  # it may have ended meanwhile
            waiting += (here / each.name for each in entries if each.name.endswith(".slice"))


class Populated:
    """Whether a control group has processes, itself or under it. `fileno` is readable when that has
    changed since the last `read`; once the control group is removed, it need not be."""

    def __init__(self, cgroup: Path) -> None:
        """Raises OSError (ENOENT, ENODEV: there is no such control group)."""
        # The file itself is always readable; what counts is its exceptional condition.
        self._changes = select.epoll(1)
        try:
            self._file = os.open(cgroup / "cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._changes.close()
            raise
        self._changes.register(self._file, select.EPOLLPRI)

    def fileno(self) -> int:
        return self._changes.fileno()

    def read(self) -> bool:
        """Whether it has processes; False, too, if it was removed."""
        try:
            return b"populated 1" in os.pread(self._file, _LONGEST, 0).split(b"\n")
        except OSError:  # ENODEV
            return False

    def close(self) -> None:
        self._changes.close()
        os.close(self._file)
