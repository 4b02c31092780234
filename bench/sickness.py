"""A health check fails: how soon the address has another owner; and what many checks cost."""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.contestants import Check, Contestant, Manner
from bench.crowd import COUNT, GROUPS, OWN_WITHIN, SETTLE, wait_listening, wait_owns
from bench.fault_pair import pause
from bench.pair import ADDRESS
from bench.pair import GROUPS as ONE
from bench.processes import cpu, cpu_of_ended, descendants
from vipd.lab import Lab

#: How long a check that fails is waited for, seconds.
_WITHIN = 15.0
_FALL = 2
#: On each host: says how the check goes, and when it failed first.
_BAD, _FAILED = "/run/lab/bad", "/run/lab/failed"
_PROGRAM = f"""#!/bin/sh
[ -e {_BAD} ] || exit 0
[ -e {_FAILED} ] || date +%s.%N >{_FAILED}
exit 1
"""
CHECKS = 20

MOVED, GAP = "first failed run to new owner", "client"
OWN_CPU, ALL_CPU = "CPU of the master", "CPU of the master and of the programs"


def moved(kind: Contestant, cycles: int, weight: int) -> Iterator[dict[str, float]]:
    """The check of the preferred host fails, and is good again; ms."""
    with Lab() as lab, TemporaryDirectory(prefix="bench-") as name:
        program = Path(name) / "check"
        program.write_text(_PROGRAM)
        program.chmod(0o755)
        check = Check("service", str(program), interval=1.0, fall=_FALL)
        manner = Manner(checks=(check,), weight=weight)
        web01 = lab.host("web01", "198.51.100.179/24")
        web02 = lab.host("web02", "198.51.100.180/24")
        observer = lab.observer("198.51.100.10/24")
        for host in (web01, web02):
            daemon = kind.start(
                host, ONE, preferred=host is web01, directory=Path(name), manner=manner
            )
            wait_listening(daemon, kind, 1)
        with observer.watch(ADDRESS, answer_within=_WITHIN) as watch:
            for _ in range(cycles):
                lab.wait_owner(ADDRESS, "web01", timeout=2 * _WITHIN, stable=1.0)
                pause()
                since = time.time()
                web01.run(["touch", _BAD])
                lab.wait_owner(ADDRESS, "web02", timeout=_WITHIN)
                failed = float(web01.run(["cat", _FAILED]).stdout)
                changes = lab.ownership(ADDRESS).since(since).changes
                gained = next(c.time for c in changes if c.host == "web02" and c.added)
                time.sleep(0.3)
                yield {
                    MOVED: (gained - failed) * 1000,
                    GAP: watch.longest(since=since) * 1000,
                }
                web01.run(["rm", "-f", _BAD, _FAILED])


def cost(kind: Contestant, seconds: float) -> dict[str, float]:
    """A master of many addresses that all depend on many checks, each run once a second: % of one
    core."""
    checks = tuple(Check(f"c{n}", f"/bin/true {n}", interval=1.0, fall=3) for n in range(CHECKS))
    with Lab(history=False) as lab, TemporaryDirectory(prefix="bench-") as name:
        host = lab.host("web01", "198.51.100.179/24")
        daemon = kind.start(
            host, GROUPS, preferred=True, directory=Path(name), manner=Manner(checks=checks)
        )
        wait_owns(host, COUNT, OWN_WITHIN)
        time.sleep(SETTLE)
        pids = [pid for pid in descendants(daemon.pid) if not _is_program(pid)]
        began = time.monotonic()
        before = cpu(pids), cpu_of_ended(pids)
        time.sleep(seconds)
        own, ended = cpu(pids) - before[0], cpu_of_ended(pids) - before[1]
        percent = 100 / (time.monotonic() - began)
    return {OWN_CPU: own * percent, ALL_CPU: (own + ended) * percent}


def _is_program(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() in ("true", "sh")
    except OSError:
        return True  # it has ended
