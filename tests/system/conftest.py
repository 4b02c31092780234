"""Two machines on one bridge, in three stages: with ucarp, with vipd beside it, with vipd instead.

Making and installing takes long, so all tests share the machines, and each leaves them as it found
them: running, with both addresses at home.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from system import epel
from system.building import build
from system.machine import Machine
from system.pair import OWN, Pair
from system.tree import tree
from vipd.lab import Lab


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is a system test."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("system")


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The .deb of this checkout, and the same once more as the next revision."""
    output = tmp_path_factory.mktemp("deb")
    made: list[Path] = []
    for revision in ("1", "2"):
        build("deb", output=output, environment={"REVISION": revision, "COMPRESSION": "none"})
        made += output.glob(f"vipd_*-{revision}_*.deb")
    return made[0], made[1]


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two machines that run ucarp as EPEL sets it up, each with its own address."""
    if os.geteuid() != 0:
        pytest.fail("machines are booted by root: sudo make test-system", pytrace=False)
    with Lab() as lab:
        web01, web02 = (
            Machine(
                lab.host(name, f"{address}/24"),
                tree(),
                tmp_path_factory.mktemp(name),
                f"vipd-test-{os.getpid()}-{name}",
            )
            for name, address in OWN.items()
        )
        try:
            for machine in (web01, web02):
                machine.boot()
                machine.write("/etc/dpkg/dpkg.cfg.d/fast", "force-unsafe-io\n", "644")
                epel.set_up(machine)
            pair = Pair(lab, web01, web02)
            pair.at_home()
            yield pair
        finally:
            for machine in (web01, web02):
                machine.switch_off()


@pytest.fixture(scope="module")
def installed(machines: Pair, packages: tuple[Path, Path]) -> Pair:
    """The package has been installed, and that is all."""
    for machine in machines.machines:
        machine.bring(packages, "/root")
        machines.before[machine.name] = machine.files()
        machine.run(f"DEBIAN_FRONTEND=noninteractive dpkg -i /root/{packages[0].name}")
    return machines


@pytest.fixture(scope="module")
def enabled(installed: Pair) -> Pair:
    """vipd in ucarp's place, on one machine after the other."""
    for machine in reversed(installed.machines):
        machine.run("systemctl disable --now ucarp@001 ucarp@002")
        machine.run("systemctl enable --now vipd")
        installed.at_home()
    return installed


@pytest.fixture
def pair(enabled: Pair) -> Iterator[Pair]:
    """Both machines run vipd and have their addresses; they have to in the end, too."""
    enabled.at_home()
    yield enabled
    enabled.at_home()
