"""TRACK_UNIT: real control groups, made and removed as systemd does for its units."""

import asyncio
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from health.witness import Make, Witness, play
from vipd.daemon.health.settings import Times
from vipd.daemon.health.track_unit import TrackUnit
from vipd.daemon.health.verdict import Changed, Source
from vipd.linux import cgroups

QUICK = Times(0.1, 0.05, hold=0)
NEVER = 1000.0


class Manager:
    """Starts and stops units under a control group of its own, as systemd does."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, place: str) -> None:
        cgroup = self.root / place
        cgroup.mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen(["sleep", "1000"])
        (cgroup / "cgroup.procs").write_text(str(process.pid))
        self._running[place] = process

    def stop(self, place: str, *, remove: bool = True) -> None:
        process = self._running.pop(place)
        process.kill()
        process.wait()
        if remove:
            (self.root / place).rmdir()

    def close(self) -> None:
        for place in list(self._running):
            self.stop(place, remove=False)
        for directory, _, _ in os.walk(self.root, topdown=False):
            os.rmdir(directory)  # noqa: PTH106


@pytest.fixture
def manager() -> Iterator[Manager]:
    mounted = cgroups.mounted()
    assert mounted, "no cgroup v2 here"
    root = mounted / f"vipd-test-{os.getpid()}"
    root.mkdir()
    made = Manager(root)
    yield made
    made.close()


def track(unit: str, manager: Manager, times: Times = QUICK) -> Make:
    def make(loop: asyncio.AbstractEventLoop, changed: Changed) -> Source:
        return TrackUnit(unit, times, loop, changed, manager.root)

    return make


@pytest.mark.parametrize(
    ("unit", "place"),
    [
        ("nginx.service", "system.slice/nginx.service"),
        ("postgresql@16-main.service", "system.slice/system-postgresql.slice/{}"),
        ("a-b@c.service", "system.slice/system-a\\x2db.slice/{}"),
        ("machine-web.slice", "machine.slice/machine-web.slice"),
        ("own-web.service", "own.slice/own-slice.slice/{}"),  # Slice=own-slice.slice
        ("memory.service", "system.slice/_memory.service"),
        ("init.scope", "init.scope"),
    ],
)
def test_a_unit_is_well_while_a_process_of_it_runs(manager: Manager, unit: str, place: str) -> None:
    place = place.format(unit)

    async def story(seen: Witness) -> None:
        await seen.sees(False, f"no process of {unit} runs")
        for _ in range(2):
            manager.start(place)
            assert (await seen.sees(True)).said == ""
            manager.stop(place)
            await seen.sees(False, f"no process of {unit} runs")

    play(track(unit, manager), story)


def test_its_processes_may_be_in_control_groups_of_its_own(manager: Manager) -> None:
    """Of a service that has Delegate=yes, and of a slice."""
    inner = "system.slice/docker.service/payload"
    manager.start(inner)

    async def story(seen: Witness) -> None:
        await seen.sees(True)
        manager.stop(inner)
        await seen.sees(False)

    play(track("docker.service", manager), story)


def test_a_control_group_without_processes_may_stay(manager: Manager) -> None:
    place = "system.slice/nginx.service"
    manager.start(place)

    async def story(seen: Witness) -> None:
        await seen.sees(True)
        manager.stop(place, remove=False)
        await seen.sees(False)
        manager.start(place)
        await seen.sees(True)

    play(track("nginx.service", manager), story)


def test_a_restart_has_track_down(manager: Manager) -> None:
    place = "system.slice/nginx.service"
    manager.start(place)

    async def story(seen: Witness) -> None:
        await seen.sees(True)
        for _ in range(5):
            manager.stop(place)
            await asyncio.sleep(0.05)
            manager.start(place)
            await asyncio.sleep(0.05)
        # The last control group is the one that is looked at.
        manager.stop(place)
        await asyncio.sleep(0.05)
        manager.start(place)
        await asyncio.sleep(0.6)
        assert [verdict.well for verdict in seen.told] == [True]

    play(track("nginx.service", manager, Times(NEVER, 0.05)), story)


def test_a_unit_that_starts_when_we_do_has_time(manager: Manager) -> None:
    async def story(seen: Witness) -> None:
        await asyncio.sleep(0)
        assert seen.now.well is None
        manager.start("system.slice/nginx.service")
        await seen.sees(True)

    play(track("nginx.service", manager, Times(NEVER, NEVER)), story)


def test_a_unit_moves_to_another_slice(manager: Manager) -> None:
    before, after = "system.slice/nginx.service", "web.slice/nginx.service"
    manager.start(before)

    async def story(seen: Witness) -> None:
        await seen.sees(True)
        manager.stop(before)
        await seen.sees(False)
        manager.start(after)
        await seen.sees(True)
        manager.stop(after)
        await seen.sees(False)

    play(track("nginx.service", manager), story)


def test_the_end_of_a_unit_that_has_just_started_is_not_missed(manager: Manager) -> None:
    """The kernel does not tell of it (cgroup_file_notify, cgroup_rm_file)."""
    place = "system.slice/nginx.service"

    async def story(seen: Witness) -> None:
        for _ in range(2):
            manager.start(place)
            await seen.sees(True)
            manager.stop(place)
            manager.start(place)
            manager.stop(place)
            await seen.sees(False)

    play(track("nginx.service", manager), story)


def test_want_of_files_says_nothing_about_a_unit(manager: Manager) -> None:
    place = "system.slice/nginx.service"
    manager.start(place)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def story(seen: Witness) -> None:
        await seen.sees(True)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
        try:
            manager.stop(place)
            await seen.sees(True, "nginx.service cannot be looked at: Too many open files")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        await seen.sees(False, "no process of nginx.service runs")

    play(track("nginx.service", manager), story)


def test_no_file_is_left_open(manager: Manager) -> None:
    place = "system.slice/nginx.service"
    before = len(list(Path("/proc/self/fd").iterdir()))

    async def story(seen: Witness) -> None:
        for _ in range(3):
            manager.start(place)
            await seen.sees(True)
            manager.stop(place)
            await seen.sees(False)
        manager.start(place)
        await seen.sees(True)

    play(track("nginx.service", manager), story)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
