"""Busy processors and forged packets: nothing changes hands, and nothing is late.

VIPD_LOAD_SECONDS=60 makes each load last so long; by default it is no longer than other tests are.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from time import sleep, time

import pytest
from helpers import captured, forging
from helpers.configured import VIP, WEB01, WEB02, write_vip
from helpers.hosts import until
from helpers.machine import Delay

from owner import flood
from owner.group import PATIENCE, Group, Report
from vipd.lab import Host, Process

pytestmark = [pytest.mark.lab, pytest.mark.alone]

SECONDS = float(os.environ.get("VIPD_LOAD_SECONDS", "0"))
SATURATED = SECONDS or 20.0
SATURATED_IN_REALTIME = SECONDS or 10.0
FLOODED = SECONDS or 10.0
RATE = 20_000  # forged packets a second
#: The longest time between two advertisements, but for what vipd waited for a processor: it is 1 s,
#: and a backup waits for 3.
LATE = 1.3

BUSY = "while :; do :; done"
PROCESSORS = os.cpu_count() or 1
UNPRIVILEGED = (
    *("setpriv", "--bounding-set=-sys_nice,-ipc_lock,-sys_resource"),
    "--inh-caps=-sys_nice,-ipc_lock,-sys_resource",
    *("prlimit", "--rtprio=0", "--memlock=65536"),
)


@contextmanager
def saturated(host: Host) -> Iterator[None]:
    """Twice as many processes as processors want all of them."""
    hogs = [host.start(["sh", "-c", BUSY], name="busy") for _ in range(2 * PROCESSORS)]
    try:
        yield
    finally:
        for hog in hogs:
            hog.kill()


def longest_pause(dump: Process, start: float, delay: Delay | None = None) -> float:
    """Seconds of the longest time between two advertisements since `start`, up to the next one from
    now; without those in which their sender was not let run, if `delay` knows of them."""
    now = time()
    until(lambda: bool(captured.advertisements(dump, now)), dump.tail, PATIENCE)
    times = [ad.time for ad in captured.advertisements(dump, start)]
    return max(
        later - earlier - (delay.between(earlier, later) if delay else 0.0)
        for earlier, later in pairwise([start, *times])
    )


def status(process: Process, field: str) -> str:
    """A line of /proc/PID/status."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    (value,) = [line.split(":")[1].strip() for line in lines if line.startswith(f"{field}:")]
    return value


def nothing_changed(group: Group) -> None:
    assert len(group.lab.ownership(VIP).changes) == 1, group.lab.tails()
    assert group.transitions("MASTER") == 1


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [((), SATURATED), (("--realtime",), SATURATED_IN_REALTIME)],
    ids=["ordinary", "realtime"],
)
def test_busy_processors_change_nothing(
    group: Group, report: Report, arguments: tuple[str, ...], seconds: float
) -> None:
    """In real time, whatever the others want; as an ordinary process, but for its turns."""
    group.arguments = arguments
    first, _ = group.pair()
    delay = None if arguments else Delay(first)
    dump = captured.capture(group.host("web03"), "proto", "112", "and", "src", "host", WEB01)
    with saturated(group.host("web03")):
        start = time()
        sleep(seconds)
        pause = longest_pause(dump, start, delay)
    report(pause=pause)
    nothing_changed(group)
    assert pause < LATE


def test_a_flood_of_forged_packets_changes_nothing(group: Group, report: Report) -> None:
    """Right VHID, wrong digest, in the name of the backup."""
    delay = Delay(group.pair()[0])
    dump = captured.capture(group.host("web03"), "proto", "112", "and", "src", "host", WEB01)
    frame = forging.frame(forging.signed(source=WEB02, password="guess", advskew=0).build())
    forger = group.lab.host("forger", "198.51.100.66/24")
    start = time()
    python = ("nice", "-n", "-15", sys.executable, "-I", "-S")  # it has to keep its rate
    file = group.directory / "frames"
    file.write_text(frame.hex())
    load = ("eth1", str(file), str(RATE), str(FLOODED))
    process = forger.start([*python, flood.__file__, *load], name="flood")
    assert process.wait(FLOODED + PATIENCE) == 0, process.tail()
    pause = longest_pause(dump, start, delay)
    report(pause=pause)
    rate = int(process.log().split()[0])
    print(f"{rate} forged packets a second")
    assert rate > RATE / 2
    nothing_changed(group)
    assert pause < LATE
    for vipd in group.processes:
        assert vipd.log().count("digest") <= 2, vipd.tail()  # said, but not 20,000 times


def test_realtime_is_for_vipd_and_not_for_its_scripts(group: Group) -> None:
    script = group.directory / "vip-up"
    script.write_text("#!/bin/sh\nchrt -p $$ >/run/lab/scheduling\n")
    script.chmod(0o755)
    group.arguments = ("--realtime",)
    vipd = group.vipd("web01", "--deadratio=1", UPSCRIPT=str(script))
    vipd.wait_for("upscript ended", timeout=PATIENCE)
    assert os.sched_getscheduler(vipd.pid) == os.SCHED_RR | os.SCHED_RESET_ON_FORK
    assert int(status(vipd, "VmLck").split()[0]) > 0
    seen = group.host("web01").run(["cat", "/run/lab/scheduling"]).stdout
    assert "SCHED_OTHER" in seen
    assert "may not" not in vipd.log()


def test_realtime_that_is_not_permitted_is_said_and_done_without(group: Group) -> None:
    write_vip(group.directory, OPTIONS="--deadratio=1")
    arguments = ("--config-dir", str(group.directory), "--realtime")
    vipd = group.host("web01").start(
        [*UNPRIVILEGED, sys.executable, "-m", "vipd.daemon", *arguments], name="vipd"
    )
    group.belongs_to("web01")
    assert os.sched_getscheduler(vipd.pid) == os.SCHED_OTHER
    for refused in ("run in real time", "lock memory"):
        assert vipd.log().count(f"may not {refused}: ") == 1
