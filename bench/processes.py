"""What a daemon costs: CPU time and memory of a process and everything under it, from /proc."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Memory:
    """MB (10⁶ bytes), added up over processes.

    ``pss`` counts a page that n processes share as 1/n in each; ``rss`` counts it in each, so it
    is what one lonely process would take.
    """

    pss: float
    rss: float


def descendants(pid: int) -> list[int]:
    """The process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found


def named(pids: list[int], name: str) -> list[int]:
    """Those of the processes that go by this name."""
    return [pid for pid in pids if (_PROC / str(pid) / "comm").read_text().strip() == name]


def cpu(pids: list[int]) -> float:
    """Seconds of processor time (user and system) that all threads of these took so far.

    From schedstat, exact to the nanosecond: the clock-tick counters of stat miss a daemon that
    wakes up for less than a tick.
    """
    nanoseconds = 0
    for pid in pids:
        for thread in (_PROC / str(pid) / "task").iterdir():
            nanoseconds += int((thread / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def cpu_of_ended(pids: list[int]) -> float:
    """Seconds of processor time that the ended children of these took, theirs included; exact to a
    clock tick in all."""
    ticks = 0
    for pid in pids:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[13]) + int(fields[14])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pids: list[int]) -> Memory:
    """What these processes have in memory now."""
    pss = rss = 0
    for pid in pids:
        text = (_PROC / str(pid) / "smaps_rollup").read_text()
        pss += _kilobytes("Pss", text)
        rss += _kilobytes("Rss", text)
    return Memory(pss * 1024 / 1e6, rss * 1024 / 1e6)


def _kilobytes(field: str, text: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) if found else 0
