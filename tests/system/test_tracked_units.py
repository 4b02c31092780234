"""TRACK_UNIT beside the real systemd: its units are where they are looked for, and a restart counts
as one. The machine's control groups are a part of this computer's."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from health.witness import Make, Witness, play

from system.machine import Machine
from system.tree import tree
from vipd.daemon.health.settings import Times
from vipd.daemon.health.track_unit import TrackUnit
from vipd.daemon.health.verdict import Changed, Source
from vipd.lab import Lab
from vipd.linux import cgroups

#: What systemd does not do within this time takes longer than a restart, seconds.
RESTART = Times(5.0, 0.05, hold=0)
QUICK = Times(0.1, 0.05, hold=0)

SERVICE = """
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/bin/sleep infinity
RestartSec=0.1
Restart=on-failure
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if os.geteuid() != 0:
        pytest.fail("machines are booted by root: sudo make test-system", pytrace=False)
    with Lab() as lab:
        host = lab.host("web01", "198.51.100.179/24")
        disk = tmp_path_factory.mktemp("web01")
        made = Machine(host, tree(), disk, f"vipd-test-{os.getpid()}-units")
        try:
            made.boot()
            for name in ("app.service", "app-db@.service"):
                made.write(f"/etc/systemd/system/{name}", SERVICE, "644")
            made.write("/etc/systemd/system/inside.service", SERVICE + "Slice=own-web.slice", "644")
            made.run("systemctl daemon-reload")
            yield made
        finally:
            made.switch_off()


@pytest.fixture
def root(machine: Machine) -> Path:
    """The root of the machine's control groups."""
    leader = Path(f"/proc/{machine.leader()}/cgroup").read_text()
    (own,) = (line[3:] for line in leader.splitlines() if line.startswith("0::"))
    mounted = cgroups.mounted()
    assert mounted
    return mounted / own.removesuffix("/init.scope").lstrip("/")


def track(unit: str, root: Path, times: Times = QUICK) -> Make:
    def make(loop: asyncio.AbstractEventLoop, changed: Changed) -> Source:
        return TrackUnit(unit, times, loop, changed, root)

    return make


async def systemctl(machine: Machine, *words: str) -> None:
    """Run it beside the loop."""
    await asyncio.to_thread(machine.run, " ".join(("systemctl", *words)))


@pytest.mark.parametrize("unit", ["app.service", "app-db@16-main.service", "inside.service"])
def test_a_unit_is_well_while_systemd_runs_it(machine: Machine, root: Path, unit: str) -> None:
    async def story(seen: Witness) -> None:
        await seen.sees(False, f"no process of {unit} runs")
        for _ in range(2):
            await systemctl(machine, "start", unit)
            await seen.sees(True)
            await systemctl(machine, "stop", unit)
            await seen.sees(False)

    play(track(unit, root), story)


def test_a_slice_is_well_while_a_unit_in_it_runs(machine: Machine, root: Path) -> None:
    async def story(seen: Witness) -> None:
        await seen.sees(False)
        await systemctl(machine, "start", "inside")
        await seen.sees(True)
        await systemctl(machine, "stop", "inside")
        await seen.sees(False)

    play(track("own-web.slice", root), story)


def test_a_restart_does_not_count(machine: Machine, root: Path) -> None:
    """One that is asked for, and one after a crash."""

    async def story(seen: Witness) -> None:
        await systemctl(machine, "start", "app")
        await seen.sees(True)
        for _ in range(3):
            await systemctl(machine, "restart", "app")
        await systemctl(machine, "kill", "--signal=KILL", "app")
        while await asyncio.to_thread(machine.property, "NRestarts", "app") != "1":
            await asyncio.sleep(0.1)
        await systemctl(machine, "restart", "app")
        assert [verdict.well for verdict in seen.told] == [True]
        await systemctl(machine, "stop", "app")
        await seen.sees(False)

    play(track("app.service", root, RESTART), story)


def test_what_systemd_itself_runs_is_found(root: Path) -> None:
    async def story(seen: Witness) -> None:
        await seen.sees(True)

    for unit in ("init.scope", "systemd-journald.service", "system.slice"):
        play(track(unit, root), story)
