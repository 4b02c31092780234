"""The guards of the daemons on the lab's hosts."""

from pathlib import Path
from signal import SIGKILL, Signals

from helpers.hosts import until
from vipd.daemon.guard.guard import NAME
from vipd.lab import Host, Process


def guards(host: Host) -> list[int]:
    """The process IDs of all guards on a host, as its processes see them."""
    return sorted(map(int, host.run(["pgrep", "-x", NAME]).stdout.split()))


def guard_of(daemon: Process) -> int | None:
    """The guard of one daemon, by its process ID outside of the lab."""
    try:
        lists = [each.read_text() for each in Path(f"/proc/{daemon.pid}/task").glob("*/children")]
        children = [int(child) for each in lists for child in each.split()]
        return next(c for c in children if Path(f"/proc/{c}/comm").read_text() == f"{NAME}\n")
    except (OSError, StopIteration):  # one of them has ended
        return None


def signal_guards(host: Host, number: Signals) -> None:
    """Send it to every guard on a host, when there is one: it gets its name a while after the
    daemon has started it."""
    until(lambda: guards(host) != [], lambda: f"no guard on {host.name}", timeout=60)
    for process in guards(host):
        host.must(["kill", f"-{number.name.removeprefix('SIG')}", str(process)])


def says(process: Process, words: str) -> None:
    """Wait until the guard of a daemon has written that: it does so last, and the daemon itself may
    have ended."""
    until(lambda: words in process.log(), process.tail, timeout=60)


def die_with_guard(host: Host, process: Process) -> None:
    """Kill a daemon and its guard: neither can do anything about the other's death."""
    process.freeze()
    signal_guards(host, SIGKILL)
    process.kill()


def proportional(host: Host, process: int) -> int:
    """The memory of a process, kB, where what it shares with others counts in proportion (PSS)."""
    rollup = host.run(["cat", f"/proc/{process}/smaps_rollup"]).stdout
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
