"""One address, two hosts, a client: a partition that heals, a frozen master, a killed one.

What a daemon cannot do any more, it cannot undo either: how long two hosts then own the address is
the kernel's account, and what a client sees comes from pings. A figure that does not end by itself
ends with the time for which we watch, `WATCHED`.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, Signals
from tempfile import TemporaryDirectory

from bench.contestants import Contestant
from bench.frames import Frames
from bench.pair import ADDRESS, GROUPS, SETTLE
from bench.processes import descendants
from vipd.daemon.guard.guard import NAME as GUARD
from vipd.lab import Lab, Process
from vipd.lab.observer import Watch

PARTITION = 6.0  # seconds; long enough for the other host to take over
WATCHED = 8.0  # seconds of a freeze, and after a kill

HEAL, FREEZE, THAW, KILL = "heal", "freeze", "thaw", "kill"


def gap(event: str) -> str:
    """The name of the figure: what a client saw of an event, ms."""
    return f"fault gap {event}"


def overlap(event: str) -> str:
    """The name of the figure: how long two hosts owned the address, ms."""
    return f"overlap {event}"


def faults(kind: Contestant) -> dict[str, float]:
    """Run all three once, in about 45 s; the values in ms by figure."""
    with Lab() as lab, TemporaryDirectory(prefix="bench-") as directory:
        web01 = lab.host("web01", "198.51.100.179/24")
        web02 = lab.host("web02", "198.51.100.180/24")
        observer = lab.observer("198.51.100.10/24")
        master = kind.start(web01, GROUPS, preferred=True, directory=Path(directory))
        lab.wait_owner(ADDRESS, web01.name)
        backup = kind.start(web02, GROUPS, preferred=False, directory=Path(directory))
        backup.wait_for(kind.listening)
        heard = Frames(web02)
        with observer.watch(ADDRESS) as watch:
            time.sleep(SETTLE)
            web01.isolate()
            time.sleep(PARTITION)
            values = _seen(lab, watch, HEAL, web01.rejoin, SETTLE)
            lab.wait_owner(ADDRESS, web01.name, timeout=30, stable=SETTLE)
            heard.wait_heard()
            values |= _seen(lab, watch, FREEZE, lambda: _signal(master, SIGSTOP), WATCHED)
            values |= _seen(lab, watch, THAW, lambda: _signal(master, SIGCONT), SETTLE)
            lab.wait_owner(ADDRESS, web01.name, timeout=30, stable=SETTLE)
            heard.wait_heard()
            values |= _seen(lab, watch, KILL, lambda: _signal(master, SIGKILL), WATCHED)
    return values


def _seen(
    lab: Lab, watch: Watch, event: str, act: Callable[[], None], seconds: float
) -> dict[str, float]:
    since = time.time()
    act()
    time.sleep(seconds)
    return {
        gap(event): watch.longest(since=since) * 1000,
        overlap(event): lab.ownership(ADDRESS).since(since).longest_overlap() * 1000,
    }


def _signal(process: Process, number: Signals) -> None:
    """To a daemon as a whole: keepalived is two processes. Not to vipd's guard, which is there for
    that."""
    for pid in descendants(process.pid):
        if Path(f"/proc/{pid}/comm").read_text() != f"{GUARD}\n":
            os.kill(pid, number)
