"""One address, two hosts, a client: crash of the master, failback, planned stop.

The decision of a daemon cannot be seen from outside, its cause can: silence that has lasted for
master-down, or a packet. So the times of what follows are counted from the cause, and include how
late the daemon woke up. Crash and stop come right after an advertisement, which is the worst
moment: the backup's patience has just begun anew.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from tempfile import TemporaryDirectory

from bench.contestants import Contestant, Group
from bench.families import IPV4, Family
from bench.frames import Frames, first_after, last_before
from vipd.lab import Host, Lab
from vipd.lab.observer import Watch
from vipd.lab.waiting import wait_until

ADDRESS = IPV4.floating
GROUPS = (Group(1, ADDRESS),)
SETTLE = 2.5  # seconds of peace before something happens
FAILBACK_WITHIN = 30.0  # seconds; ucarp looks every 10 s whether its interface is back

CRASH, FAILBACK, STOP = "crash", "failback", "stop"
#: The causes of a take-over that can be seen from outside.
SILENCE, PREEMPTION = "silence", "preemption"
AD, ARP, HELD = "advertisement", "announcement", "address"


def gap(event: str) -> str:
    """The name of the figure: what a client saw of an event, ms."""
    return f"gap {event}"


def delay(cause: str, effect: str) -> str:
    """The name of the figure: how long an effect came after its cause, ms."""
    return f"{cause} → {effect}"


@dataclass(frozen=True, slots=True)
class _Stage:
    lab: Lab
    address: str
    master: Host  # the preferred host
    backup: Host
    at_master: Frames
    at_backup: Frames
    watch: Watch


def lifecycle(preferred: Contestant, other: Contestant, family: Family = IPV4) -> dict[str, float]:
    """Run both once, in about 20 s; the values in ms by figure.

    TimeoutError when one of them does not do what it should.
    """
    address = family.floating
    groups = (Group(1, address),)
    with Lab() as lab, TemporaryDirectory(prefix="bench-") as directory:
        master = lab.host("web01", family.host(179))
        backup = lab.host("web02", family.host(180))
        observer = lab.observer(family.host(10))
        process = preferred.start(master, groups, preferred=True, directory=Path(directory))
        lab.wait_owner(address, master.name)
        listener = other.start(backup, groups, preferred=False, directory=Path(directory))
        listener.wait_for(other.listening)
        at_master, at_backup = Frames(master), Frames(backup)
        with observer.watch(address) as watch:
            stage = _Stage(lab, address, master, backup, at_master, at_backup, watch)
            values = _crash(stage, other)
            values |= _failback(stage, preferred)
            time.sleep(SETTLE)
            at_backup.wait_heard()
            since = time.time()
            process.signal(SIGTERM)
            lab.wait_owner(address, backup.name, stable=1)
            values[gap(STOP)] = watch.longest(since=since) * 1000
    return values


def _crash(stage: _Stage, other: Contestant) -> dict[str, float]:
    """The master's carrier goes away."""
    time.sleep(SETTLE)
    last = stage.at_backup.wait_heard()
    stage.master.cut()
    cut = time.time()
    _wait_answer(stage, cut)
    time.sleep(0.5)
    values = {gap(CRASH): stage.watch.longest(since=cut) * 1000}
    return values | _delays(stage, stage.backup, stage.at_backup, last, other.master_down, SILENCE)


def _failback(stage: _Stage, preferred: Contestant) -> dict[str, float]:
    """The carrier comes back, and the preferred host takes its address."""
    time.sleep(SETTLE)
    since = time.time()
    stage.master.join()
    stage.lab.wait_owner(stage.address, stage.master.name, timeout=FAILBACK_WITHIN, stable=1)
    values = {gap(FAILBACK): stage.watch.longest(since=since) * 1000}
    sent = first_after(stage.at_master.advertised(), since)
    cause = last_before(stage.at_master.heard(), sent) if sent else None
    if cause and preferred.preempts_at_once:
        values |= _delays(stage, stage.master, stage.at_master, cause, 0, PREEMPTION)
    return values


def _delays(
    stage: _Stage, host: Host, frames: Frames, last: float, patience: float, cause: str
) -> dict[str, float]:
    """What ``host`` did after the advertisement at ``last`` and ``patience`` seconds of silence."""
    changes = stage.lab.ownership(stage.address).changes
    gained = [change.time for change in changes if change.host == host.name and change.added]
    effects = {
        HELD: first_after(gained, last),
        ARP: first_after(frames.announced(), last),
        AD: first_after(frames.advertised(), last),
    }
    return {
        delay(cause, effect): (moment - last - patience) * 1000
        for effect, moment in effects.items()
        if moment is not None
    }


def _wait_answer(stage: _Stage, since: float) -> None:
    """Wait until the address answers again, a moment after ``since`` (answers may be under way)."""

    def look() -> bool | None:
        last = stage.watch.last_answer(stage.address)
        return True if last and last > since + 0.05 else None

    wait_until(
        look,
        timeout=FAILBACK_WITHIN,
        complaint=lambda: f"{stage.address} does not answer any more",
    )
