"""How long a person waits for vipctl: 255 addresses, the interpreter's start included."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.contestants import Contestant
from bench.crowd import COUNT, GROUPS, OWN_WITHIN, wait_owns
from vipd.lab import Host, Lab, LabError

COMMANDS = (
    "status",
    "status --json",
    "history",
    f"why {GROUPS[0].name}",
    "doctor",
    "reload",
    "log-level info",
    "version",
    "cluster -e false web02",
    "diff -e false web02",
    "maintenance off",
    "plan --dry-run --interface eth1 --host web01=192.0.2.1 --host web02=192.0.2.2 198.51.100.1",
    "completion bash",
    "check",
    "--help",
)
TAB = "status <Tab>"
REPEATS = 5
_STATUSES = (0, 1)
"""Exit statuses of a command that answered; 1: something needs attention."""
_ALONE = 2
"""That of a command that asks other hosts, where there are none."""


def commands(kind: Contestant) -> Iterator[dict[str, float]]:
    """Milliseconds from exec to exit, of each command: the median of five in a row.

    LabError in the end when some did not answer.
    """
    with Lab(history=False) as lab, TemporaryDirectory(prefix="bench-") as directory:
        host = lab.host("web01", "198.51.100.179/24")
        kind.start(host, GROUPS, preferred=True, directory=Path(directory))
        wait_owns(host, COUNT, OWN_WITHIN)
        files = ["--config-dir", f"{directory}/{host.name}"]
        vipctl = [sys.executable, "-m", "vipd.cli.main", *files]
        words = {each: [*vipctl, *each.split()] for each in COMMANDS}
        complete = ["env", "COMP_WORDS=vipctl status ", "COMP_CWORD=2"]
        words[TAB] = [*complete, "_VIPCTL_COMPLETE=bash_complete", *vipctl]
        failed = []
        for name, command in words.items():
            try:
                yield {name: _median(host, command)}
            except (LabError, TimeoutError) as error:
                failed.append(str(error))
        if failed:
            raise LabError("; ".join(failed))


def _median(host: Host, words: list[str]) -> float:
    times = []
    for _ in range(REPEATS):
        began = time.monotonic()
        done = host.run(words, timeout=30)
        times.append((time.monotonic() - began) * 1000)
        if done.returncode not in (*_STATUSES, *[_ALONE] * ("-e" in words)):
            raise LabError(f"{' '.join(words)}: status {done.returncode}: {done.stderr.strip()}")
    return sorted(times)[REPEATS // 2]
