"""What a process holds: memory, descriptors, threads, children."""

import re
from dataclasses import dataclass
from pathlib import Path
from time import time

from bench.processes import cpu, descendants


@dataclass(frozen=True, slots=True)
class Reading:
    """``private``: MB (10⁶ bytes) that this process alone holds and has written to; ``pss``: that
    and its share of what it shares; ``cpu``: seconds so far, children included."""

    time: float
    private: float
    pss: float
    descriptors: int
    threads: int
    children: int
    cpu: float


def read(pid: int) -> Reading:
    process = Path("/proc", str(pid))
    rollup = (process / "smaps_rollup").read_text()
    relatives = descendants(pid)
    return Reading(
        time=time(),
        private=_megabytes("Private_Dirty", rollup),
        pss=_megabytes("Pss", rollup),
        descriptors=len(list((process / "fd").iterdir())),
        threads=len(list((process / "task").iterdir())),
        children=len(relatives) - 1,
        cpu=cpu([pid]),
    )


def _megabytes(field: str, rollup: str) -> float:
    found = re.search(rf"^{field}:\s+(\d+) kB$", rollup, re.MULTILINE)
    if found is None:
        raise ValueError(f"no {field} in smaps_rollup")
    return int(found[1]) * 1024 / 1e6
