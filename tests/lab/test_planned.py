"""A plan of `vipctl plan`, played: 4 hosts and 13 addresses, any one and any two hosts dead."""

import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from vipd.config.load import load
from vipd.lab import Host, Lab
from vipd.lab.waiting import wait_until

pytestmark = pytest.mark.lab

NAMES = ("web01", "web02", "web03", "web04")
WALK = (0, 1, 2, 3, 0, 2, 1, 3)
"""Along these, each host is once the only one that is dead, and each pair once the only pair."""


def test_whoever_dies_the_owners_are_those_of_the_plan(lab: Lab, tmp_path: Path) -> None:
    hosts = [f"--host={name}=192.0.2.{n}" for n, name in enumerate(NAMES, 1)]
    words = ["plan", *hosts, "--interface=eth1", "--output", str(tmp_path / "plan")]
    command = [sys.executable, "-m", "vipd.cli.main", *words, "192.0.2.101-192.0.2.113"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60)
    skews = {
        name: {str(v.addresses[0].ip): v.advskew for v in load(tmp_path / "plan" / name).vips}
        for name in NAMES
    }
    made = {name: lab.host(name, f"192.0.2.{n}/24") for n, name in enumerate(NAMES, 1)}

    def owned(host: Host) -> set[str]:
        return host.addresses() & skews["web01"].keys()

    def settle(dead: Collection[str]) -> None:
        living = [name for name in NAMES if name not in dead]
        expected: dict[str, set[str]] = {name: set() for name in NAMES}
        for address in skews["web01"]:
            expected[min(living, key=lambda name: skews[name][address])].add(address)
        loads = [len(expected[name]) for name in living]
        assert max(loads) - min(loads) <= 1
        wait_until(
            lambda: {name: owned(host) for name, host in made.items()} == expected or None,
            timeout=40,
            complaint=lambda: (
                f"without {' and '.join(dead) or 'a failure'} the owners should be {expected}, and "
                f"are { ({name: owned(host) for name, host in made.items()}) }{lab.tails()}"
            ),
        )

    def start(name: str) -> None:
        made[name].vipd(tmp_path / "plan" / name)

    for name in NAMES:
        start(name)
    settle(())
    last = NAMES[WALK[0]]
    made[last].crash()
    settle({last})
    for name in (NAMES[each] for each in WALK[1:]):
        made[name].crash()
        settle({last, name})
        made[last].boot()
        start(last)
        settle({name})
        last = name
