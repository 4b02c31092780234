"""255 masters on one interface: how late advertisements leave, in peace and while others take the
processors, and while all files are rewritten."""

import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from math import floor
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.contestants import Contestant, Vipd
from bench.crowd import GROUPS, OWN_WITHIN, wait_owns
from vipd.lab import Host, Lab
from vipd.lab.waiting import wait_until

SECONDS = 12.0
SETTLE = 8.0
#: Advertisements are taken down for so many seconds in a piece, if it is for long.
_PIECE = 60.0
ADVSKEW = 8  # of the rewritten files

IDLE, BUSY = "idle", "busy"
APPLIED = "255 files rewritten: all applied after"
RELOAD_LATE = "255 files rewritten: latest advertisement"

_LINE = re.compile(
    r"^(\d+\.\d+) .*?(?:vhid=(\d+) advbase=(\d+) advskew=(\d+)|vrid (\d+), prio)", re.MULTILINE
)


def late(when: str) -> str:
    """The name of the figure: how late the latest of all advertisements left, ms."""
    return f"latest {when}"


def typically_late(when: str) -> str:
    """The name of the figure: how late 99 of 100 advertisements left at most, ms."""
    return f"99 % {when}"


def spread(when: str) -> str:
    """The name of the figure: from the first to the last advertisement of the worst second, ms."""
    return f"spread {when}"


def typical_spread(when: str) -> str:
    """The name of the figure: the same of the median second."""
    return f"median spread {when}"


@dataclass(frozen=True, slots=True)
class Sent:
    """An advertisement."""

    at: float
    group: int
    interval: float  # that it announces, s


def regularity(kind: Contestant) -> dict[str, float]:
    """Advertisements in peace, then with every processor busy."""
    with Lab(history=False) as lab, TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        host, listener = _hosts(lab)
        kind.start(host, GROUPS, preferred=True, directory=directory)
        wait_owns(host, len(GROUPS), OWN_WITHIN)
        time.sleep(SETTLE)
        values = {}
        for when in (IDLE, BUSY):
            with capture(listener, directory / when) as sent:
                if when is BUSY:
                    with busy(host):
                        time.sleep(SECONDS)
                else:
                    time.sleep(SECONDS)
            row = sorted(lateness(sent()))
            values[late(when)] = row[-1] * 1000
            values[typically_late(when)] = row[int(len(row) * 0.99)] * 1000
            if isinstance(kind, Vipd):  # the others spread them over the second
                seconds = sorted(spreads(sent()))
                values[spread(when)] = seconds[-1] * 1000
                values[typical_spread(when)] = median(seconds) * 1000
    return values


def endurance(minutes: float) -> Iterator[dict[str, float]]:
    """The worst of each minute of a vipd with 255 masters that nothing disturbs, ms."""
    with Lab(history=False) as lab, TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        host, listener = _hosts(lab)
        Vipd().start(host, GROUPS, preferred=True, directory=directory)
        wait_owns(host, len(GROUPS), OWN_WITHIN)
        time.sleep(SETTLE)
        for _ in range(max(1, round(minutes * 60 / _PIECE))):
            with capture(listener, directory / IDLE) as sent:
                time.sleep(_PIECE)
            yield {
                late(IDLE): max(lateness(sent())) * 1000,
                spread(IDLE): max(spreads(sent())) * 1000,
            }


def reload() -> dict[str, float]:
    """All files of a vipd rewritten with another advskew: applied how soon, and at what cost."""
    with Lab(history=False) as lab, TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        host, listener = _hosts(lab)
        daemon = Vipd().start(host, GROUPS, preferred=True, directory=directory)
        wait_owns(host, len(GROUPS), OWN_WITHIN)
        time.sleep(SETTLE)
        with capture(listener, directory / "packets") as sent:
            mark = daemon.mark()
            for file in sorted((directory / host.name).iterdir()):
                text = file.read_text()
                file.write_text(text.replace("--advskew=0", f"--advskew={ADVSKEW}"))
            written = time.monotonic()
            wait_until(
                lambda: daemon.log(mark).count("changed in place") >= len(GROUPS) or None,
                timeout=30,
                interval=0.005,
                complaint=lambda: f"not all of 255 changes were applied{daemon.tail()}",
            )
            applied = time.monotonic() - written
            time.sleep(3)
        return {APPLIED: applied * 1000, RELOAD_LATE: max(lateness(sent())) * 1000}


def _hosts(lab: Lab) -> tuple[Host, Host]:
    return lab.host("web01", "198.51.100.179/24"), lab.host("web02", "198.51.100.180/24")


@contextmanager
def capture(
    host: Host, file: Path, what: str = "ip proto 112"
) -> Iterator[Callable[[], list[Sent]]]:
    """Take down what arrives; what is yielded tells it after the end."""
    options = ["-s", "128", "-U", "-Z", "root", "-w", str(file)]
    process = host.capture(what, options=options)

    def sent() -> list[Sent]:
        shown = host.run(["tcpdump", "-r", file, "-n", "-tt", "-T", "carp"], timeout=60).stdout
        vrrp = host.run(["tcpdump", "-r", file, "-n", "-tt"], timeout=60).stdout
        found = _LINE.findall(shown) + [row for row in _LINE.findall(vrrp) if row[4]]
        return [
            Sent(float(at), int(vhid or vrid), int(base or 1) + int(skew or 0) / 256)
            for at, vhid, base, skew, vrid in found
        ]

    try:
        yield sent
    finally:
        process.stop()


@contextmanager
def busy(host: Host) -> Iterator[None]:
    """Twice as many processes as processors that do nothing but count."""
    loop = [sys.executable, "-c", "while True: pass"]
    processes = [host.start(loop, name="busy") for _ in range(2 * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def lateness(sent: Sequence[Sent]) -> list[float]:
    """How much later than announced each advertisement came, seconds; 0 for those in time."""
    groups: dict[int, list[Sent]] = {}
    for each in sent:
        groups.setdefault(each.group, []).append(each)
    return [
        max(0.0, after.at - before.at - before.interval)
        for row in groups.values()
        for before, after in pairwise(row)
    ]


def spreads(sent: Sequence[Sent]) -> list[float]:
    """From the first to the last advertisement of each second, where they leave together."""
    times = sorted(each.at for each in sent)
    gaps = [(after - before, after) for before, after in pairwise(times[: 2 * len(GROUPS)])]
    _, begin = max(gaps)
    seconds: dict[int, list[float]] = {}
    for at in times:
        seconds.setdefault(floor(at - begin + 0.25), []).append(at)
    return [row[-1] - row[0] for row in seconds.values() if len(row) >= len(GROUPS)]
