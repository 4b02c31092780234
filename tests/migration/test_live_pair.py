"""The steps of docs/migrating-from-ucarp.md on a live pair: host B, then host A, and back.

What each step costs is printed (`pytest -s`), with what the restart of one ucarp costs beside it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from vipd.config.load import load
from vipd.config.model import VipConfig
from vipd.lab import Host, Lab, Process, Watch

pytestmark = pytest.mark.lab

EXAMPLE = Path(__file__).parents[2] / "conf.d.example"
FIRST, SECOND = "198.51.100.154", "198.51.100.155"
HOME = {FIRST: "web01", SECOND: "web02"}
CLIENT = "198.51.100.10/24"

#: Longer than anything takes to settle: 3 s of silence, 1 s until ucarp reads a packet.
PATIENCE = 60.0
SETTLED = 2.0
#: What ucarp shows by itself, seconds: a preempted ucarp looks at a packet up to 1 s late (its
#: capture buffer), and is an owner for so long; after one that was stopped the silence counts.
UCARP_OVERLAP, UCARP_GAP = 1.0, 3.1
#: For a machine that is shared, seconds.
MARGIN = 1.5


@dataclass(frozen=True, slots=True)
class Cost:
    """What a step cost, in seconds: the longest time in which a client got no answer, in which
    nobody owned an address, and in which two hosts did; of either address the worse."""

    gap: float
    none: float
    overlap: float

    def __str__(self) -> str:
        return f"no answer {self.gap:.2f} s, no owner {self.none:.2f} s, two {self.overlap:.2f} s"


@dataclass(slots=True)
class Pair:
    """Two hosts with the published configuration; on each runs what the test starts there."""

    lab: Lab
    hosts: dict[str, Host] = field(default_factory=dict)
    running: dict[str, dict[str, Process]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, address in (("web01", "198.51.100.179/24"), ("web02", "198.51.100.180/24")):
            self.hosts[name] = self.lab.host(name, address)
            self.running[name] = {}

    def start_ucarps(self, name: str) -> None:
        """As `systemctl start ucarp@001 ucarp@002` did."""
        for vip in load(EXAMPLE / name).vips:
            process = self.hosts[name].ucarp(
                vhid=vip.vhid, address=str(vip.addresses[0].ip), options=_options(vip)
            )
            process.wait_for("state: BACKUP", timeout=PATIENCE)
            self.running[name][vip.id] = process

    def start_vipd(self, name: str) -> Process:
        """As `systemctl start vipd` does; it listens then, or waits for the ucarps to end."""
        process = self.hosts[name].vipd(EXAMPLE / name)
        process.wait_for(r"001: (waiting|Switching to state)", timeout=PATIENCE)
        process.wait_for(r"002: (waiting|Switching to state)", timeout=PATIENCE)
        self.running[name]["vipd"] = process
        return process

    def stop(self, name: str, *which: str) -> None:
        for key in which:
            self.running[name].pop(key).stop()

    def settle(self) -> None:
        """Each address is where it belongs, and stays there."""
        for address, name in HOME.items():
            self.lab.wait_owner(address, name, timeout=PATIENCE, stable=SETTLED)

    def cost(self, watch: Watch, step: Callable[[], None]) -> Cost:
        """What it costs until everything is settled again."""
        start = time.time()
        step()
        self.settle()
        owners = [self.lab.ownership(address).since(start) for address in HOME]
        return Cost(
            max(watch.longest(address, since=start) for address in HOME),
            max(each.longest_none() for each in owners),
            max(each.longest_overlap() for each in owners),
        )


def _options(vip: VipConfig) -> list[str]:
    return ["--shutdown", "--preempt", f"--advskew={vip.advskew}"]


def test_a_live_pair_moves_to_vipd_and_back(
    lab: Lab, record_property: Callable[[str, object], None]
) -> None:
    pair = Pair(lab)
    pair.start_ucarps("web01")
    pair.start_ucarps("web02")
    pair.settle()
    costs: dict[str, Cost] = {}

    def restart_ucarps() -> None:
        pair.stop("web02", "001", "002")
        pair.start_ucarps("web02")

    def vipd_for_ucarp(name: str) -> Callable[[], None]:
        def step() -> None:
            daemon = pair.start_vipd(name)
            assert daemon.log().count("waiting: ucarp (process") == 2
            pair.stop(name, "001", "002")

        return step

    def ucarp_for_vipd(name: str) -> Callable[[], None]:
        def step() -> None:
            pair.stop(name, "vipd")
            pair.start_ucarps(name)

        return step

    with lab.observer(CLIENT).watch(*HOME) as watch:
        for what, step in (
            ("for comparison: ucarp on B restarted", restart_ucarps),
            ("B: vipd for ucarp, beside a ucarp", vipd_for_ucarp("web02")),
            ("A: vipd for ucarp, beside a vipd", vipd_for_ucarp("web01")),
            ("A back: ucarp for vipd, beside a vipd", ucarp_for_vipd("web01")),
            ("B back: ucarp for vipd, beside a ucarp", ucarp_for_vipd("web02")),
        ):
            costs[what] = pair.cost(watch, step)
    print()
    for what, cost in costs.items():
        print(f"{what}: {cost}")
        record_property(what, str(cost))
    for cost in costs.values():
        assert cost.overlap < UCARP_OVERLAP + MARGIN, costs
        assert cost.gap < UCARP_GAP + MARGIN, costs
    assert costs["A back: ucarp for vipd, beside a vipd"].gap < MARGIN
