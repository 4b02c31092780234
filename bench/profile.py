"""Where the processor time of a master and of a backup of 255 addresses goes, by Python's profiler.

Nothing is compared here: it shows why a bound cannot be kept.
"""

import pstats
import sys
import time
from pathlib import Path
from signal import SIGURG, SIGWINCH
from tempfile import TemporaryDirectory

from bench.contestants import Vipd
from bench.crowd import COUNT, GROUPS, OWN_WITHIN, wait_listening, wait_owns
from vipd.lab import Host, Lab, Process
from vipd.lab.host import RUNTIME_DIR, STATE_DIR
from vipd.lab.waiting import wait_until

ROLES = ("master", "backup")
SIGNING = "signing and verifying (carp/digest, tag)"
PACKETS = "packets (carp/packet)"
ELECTION = "election, what is new (rest of carp/)"
LINUX = "sockets, netlink (linux/)"
CALLS = "system calls"
DAEMON = "all else of vipd (daemon/)"
LIBRARIES = "asyncio and other libraries"
PARTS = (SIGNING, PACKETS, ELECTION, DAEMON, LINUX, CALLS, LIBRARIES)

_SETTLE = 40.0  # seconds: until every address has been asked about once
#: OUTPUT ARGUMENT…: SIGURG begins, SIGWINCH ends and writes.
_PROGRAM = """
import cProfile, runpy, signal, sys, time
output = sys.argv.pop(1)
profile = cProfile.Profile(time.thread_time)
def end(*_):
    profile.disable()
    profile.dump_stats(output + ".new")
    __import__("os").rename(output + ".new", output)
signal.signal(signal.SIGURG, lambda *_: profile.enable())
signal.signal(signal.SIGWINCH, end)
runpy.run_module("vipd.daemon", run_name="__main__", alter_sys=True)
"""
#: What the name of a C function has in it that is one of the system calls; and files of ours.
_SYSTEM = ("_socket.socket", "select.epoll", "posix.")
_FILES = (
    ("/vipd/linux/arrivals.py", CALLS),  # recvmmsg, which the profiler does not see
    ("/vipd/carp/digest.py", SIGNING),
    ("/vipd/carp/tag.py", SIGNING),
    ("/vipd/carp/packet.py", PACKETS),
    ("/vipd/carp/", ELECTION),
    ("/vipd/linux/", LINUX),
    ("/vipd/", DAEMON),
)
_Function = tuple[str, int, str]


def profile(seconds: float) -> dict[str, dict[str, float]]:
    """What each part takes of the time of each role, in percent."""
    with Lab(history=False) as lab, TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        hosts = [lab.host(f"web0{n}", f"198.51.100.{178 + n}/24") for n in (1, 2)]
        outputs = [directory / role for role in ROLES]
        first = _start(hosts[0], outputs[0], directory, preferred=True)
        wait_owns(hosts[0], COUNT, OWN_WITHIN)
        processes = [first, _start(hosts[1], outputs[1], directory, preferred=False)]
        wait_listening(processes[1], Vipd(), COUNT)
        time.sleep(_SETTLE)
        for process in processes:
            process.signal(SIGURG)
        time.sleep(seconds)
        for process in processes:
            process.signal(SIGWINCH)
        wait_owns(hosts[0], COUNT, 1.0)
        wait_owns(hosts[1], 0, 1.0)
        for output in outputs:
            wait_until(
                lambda output=output: output.exists() or None,  # type: ignore[misc]
                timeout=30.0,
                complaint=lambda: "no profile was written",
            )
        found: dict[str, dict[str, float]] = {part: {} for part in PARTS}
        for role, output in zip(ROLES, outputs, strict=True):
            took = _parts(output)
            for part in PARTS:
                found[part][role] = took[part] / sum(took.values()) * 100
        return found


def _start(host: Host, output: Path, directory: Path, *, preferred: bool) -> Process:
    def run(host: Host, files: Path) -> Process:
        where = "--config-dir", files, "--runtime-dir", RUNTIME_DIR, "--state-dir", STATE_DIR
        return host.start([sys.executable, "-c", _PROGRAM, output, *where], name="vipd")

    return Vipd(run).start(host, GROUPS, preferred=preferred, directory=directory)


def _parts(output: Path) -> dict[str, float]:
    """Seconds of each part. What a function in C takes counts for who calls it."""
    took = dict.fromkeys(PARTS, 0.0)
    stats = pstats.Stats(str(output)).stats  # type: ignore[attr-defined]
    for function, (_, _, own, _, callers) in stats.items():
        if function[0] != "~":
            took[_part(function)] += own
        elif any(each in function[2] for each in _SYSTEM):
            took[CALLS] += own
        else:
            for caller, (_, _, share, _) in callers.items():
                took[_part(caller)] += share
    return took


def _part(function: _Function) -> str:
    return next((part for path, part in _FILES if path in function[0]), LIBRARIES)
