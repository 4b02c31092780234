"""What the lease is on, how long it is, and what an earlier life left behind."""

import json
from time import sleep, time

import pytest
from helpers.configured import VIP
from helpers.hosts import until

from owner.group import OVERLAP, PATIENCE, SECOND, Group, Report
from vipd.lab import Host
from vipd.lab.host import VIP_DOWN, VIP_UP

pytestmark = pytest.mark.lab

FOR_EVER = 0xFFFFFFFF  # linux/if_addr.h: INFINITY_LIFE_TIME
#: Options of a host that becomes master after a second of silence.
ALONE = "--deadratio=1"
SCRIPTS = {"UPSCRIPT": VIP_UP, "DOWNSCRIPT": VIP_DOWN}


def lease(host: Host) -> int:
    """Seconds that the kernel will keep the address for."""
    (link,) = json.loads(host.run(["ip", "-j", "addr", "show", "dev", "eth1"]).stdout)
    (seconds,) = [info["valid_life_time"] for info in link["addr_info"] if info.get("local") == VIP]
    return int(seconds)


def leased(host: Host) -> None:
    """Wait until what a script has added has a lease of three seconds."""
    until(lambda: lease(host) <= 3, lambda: f"a lease of {lease(host)} s", PATIENCE)


def leave_behind(host: Host) -> None:
    """The address is there, for ever, and nobody's."""
    done = host.run(["ip", "addr", "add", f"{VIP}/32", "dev", "eth1"])
    assert done.returncode == 0, done.stderr


def test_the_lease_is_as_long_as_a_backup_waits(group: Group) -> None:
    group.vipd("web01")
    group.belongs_to("web01")
    leases = []
    for _ in range(15):
        leases.append(lease(group.host("web01")))
        sleep(0.2)
    assert set(leases) <= {1, 2, 3}


def test_a_shorter_lease_ends_before_a_backup_takes_over(group: Group, report: Report) -> None:
    first = group.vipd("web01", LEASE="2")
    group.vipd("web02", SECOND)
    group.belongs_to("web01")
    assert lease(group.host("web01")) <= 2
    with group.seen() as seen:
        first.freeze()
        group.belongs_to("web02", lasting=1)
    report(overlap=seen.overlap, none=seen.none)
    assert seen.overlap == 0
    assert seen.none < OVERLAP  # the guard tells the backup, which does not wait for a third second


def test_without_a_lease_a_frozen_master_keeps_the_address(group: Group) -> None:
    first, _ = group.pair(LEASE="off")
    assert lease(group.host("web01")) == FOR_EVER
    first.freeze()
    sleep(5)
    assert group.lab.owners(VIP) == ["web01", "web02"]
    first.thaw()
    group.belongs_to("web01", lasting=1)


def test_the_lease_may_be_changed_while_the_address_is_owned(group: Group) -> None:
    first = group.vipd("web01", ALONE, LEASE="off")
    group.belongs_to("web01")
    for setting, expected in (("5", range(3, 6)), ("off", [FOR_EVER]), ("3", range(1, 4))):
        file = group.directory / "web01" / "vip-001.conf"
        lines = [line for line in file.read_text().splitlines() if not line.startswith("LEASE")]
        file.write_text("\n".join([*lines, f"LEASE={setting}\n"]))
        # The watch settles, the file is read, and an advertisement renews it.
        until(lambda: lease(group.host("web01")) in expected, first.tail, PATIENCE)  # noqa: B023
    assert first.log().count("state: MASTER") == 1


def test_what_an_upscript_adds_is_leased_too(group: Group, report: Report) -> None:
    first, _ = group.pair("--shutdown", **SCRIPTS)
    leased(group.host("web01"))
    with group.seen() as seen:
        first.freeze()
        group.belongs_to("web02")
        sleep(1)
        first.thaw()
        group.belongs_to("web02", lasting=4)
    report(overlap=seen.overlap, none=seen.none)
    assert seen.overlap < OVERLAP


def test_what_an_upscript_added_goes_when_vipd_is_killed(group: Group, report: Report) -> None:
    first, _ = group.pair("--shutdown", **SCRIPTS)
    leased(group.host("web01"))
    with group.seen() as seen:
        first.kill()
        group.belongs_to("web02", lasting=1)
    report(overlap=seen.overlap, none=seen.none)
    assert seen.overlap < OVERLAP


def test_an_upscript_that_is_late_with_the_address_gets_a_lease_as_well(
    group: Group, report: Report
) -> None:
    slow = group.directory / "vip-up"
    slow.write_text(f"#!/bin/sh\nsleep 0.5\nexec {VIP_UP} $*\n")
    slow.chmod(0o755)
    first, _ = group.pair("--shutdown", UPSCRIPT=str(slow), DOWNSCRIPT=VIP_DOWN)
    with group.seen() as seen:
        first.freeze()
        group.belongs_to("web02", lasting=1)
    report(overlap=seen.overlap, none=seen.none)
    assert seen.overlap < OVERLAP  # although the script came half a second after the advertisement


@pytest.mark.parametrize("setting", ["auto", "off"], ids="lease_{}".format)
def test_a_master_that_starts_again_after_a_crash_clears_the_address_before_it_listens(
    group: Group, report: Report, setting: str
) -> None:
    first, _ = group.pair(LEASE=setting)
    first.kill()
    group.vipd("web01", LEASE=setting)
    with group.seen() as seen:
        group.belongs_to("web02", lasting=4)
    report(overlap=seen.overlap, none=seen.none)
    assert seen.overlap == 0
    assert "web01" not in [host for host, _ in seen.changes]


@pytest.mark.parametrize(
    "keys",
    [{}, SCRIPTS, {"MANAGE_ADDRESS": "yes", "LEASE": "off"}],
    ids=["by_vipd", "by_script", "unleased"],
)
def test_an_address_left_by_hand_is_cleared_before_anything_else(
    group: Group, keys: dict[str, str]
) -> None:
    group.vipd("web01")
    group.belongs_to("web01")
    leave_behind(group.host("web02"))
    assert group.lab.owners(VIP) == ["web01", "web02"]
    group.vipd("web02", SECOND, **keys)
    listening = time()
    group.belongs_to("web01", lasting=1)
    *_, let_go = group.lab.ownership(VIP).changes
    assert (let_go.host, let_go.added) == ("web02", False)
    assert let_go.time < listening + OVERLAP


def test_an_address_left_by_hand_on_a_lone_host_is_taken_over_properly(group: Group) -> None:
    leave_behind(group.host("web01"))
    group.vipd("web01")
    group.belongs_to("web01", lasting=0.5)
    sleep(3.5)
    assert group.lab.owners(VIP) == ["web01"]
    assert lease(group.host("web01")) <= 3


def test_the_guard_hands_over_though_the_kernel_was_first(group: Group, report: Report) -> None:
    """The kernel removes addresses when their lease ends, or up to a second later."""
    first = group.vipd("web01", LEASE="2")
    second = group.vipd("web02", SECOND)
    group.belongs_to("web01")
    with group.seen() as seen:
        first.freeze()
        gone = group.host("web01").run(["ip", "addr", "del", f"{VIP}/32", "dev", "eth1"])
        assert gone.returncode == 0, gone.stderr
        group.belongs_to("web02", lasting=1)
    report(none=seen.none)
    assert "MASTER (the master is leaving or going to time out)" in second.log()
