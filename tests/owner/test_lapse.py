"""The master cannot go on, and nobody tells it: its lease ends, and with it what it owns."""

import re
from signal import SIGKILL
from time import sleep

import pytest
from helpers import captured
from helpers.configured import VIP, write_vip

from owner.group import OVERLAP, PATIENCE, SECOND, Group, Report
from vipd.lab import Host, Process

pytestmark = pytest.mark.lab

#: Longer than the lease (3 s) and what the kernel may be late with it.
LONG = 4.5
LEASE = 3.0
#: How late the kernel may be with the end of a lease; and the machine has other things to do.
LATE = 1.0
#: Shorter than a lease can have left: it was renewed a second ago at most.
SHORT = 1.5

#: Advertisements find the queue full (ENOBUFS), all the rest is as ever.
NO_ADVERTISEMENTS = """
table netdev congested {
    chain sending {
        type filter hook egress device "eth1" priority 0;
        ip protocol 112 drop;
    }
}
"""


def late(process: Process) -> list[float]:
    """How late it says it was, in seconds, each time."""
    found = re.findall(r"^<3>event loop stalled for ([\d.]+) s", process.log(), re.MULTILINE)
    return [float(seconds) for seconds in found]


def stop_advertisements(host: Host) -> None:
    done = host.run(["nft", "-f", "-"], text=NO_ADVERTISEMENTS)
    assert done.returncode == 0, done.stderr


def allow_advertisements(host: Host) -> None:
    done = host.run(["nft", "delete", "table", "netdev", "congested"])
    assert done.returncode == 0, done.stderr


def test_a_killed_master_loses_the_address_when_the_backup_takes_it(
    group: Group, report: Report
) -> None:
    first, _ = group.pair()
    with group.seen() as seen:
        first.signal(SIGKILL)
        group.belongs_to("web02", lasting=1)
    report(overlap=seen.overlap, none=seen.none, gap=seen.gap)
    assert seen.overlap < OVERLAP
    assert seen.none < OVERLAP


def test_a_frozen_master_that_wakes_up_follows_the_one_that_took_over(
    group: Group, report: Report
) -> None:
    first, second = group.pair()
    with group.seen() as seen:
        first.freeze()
        group.belongs_to("web02")
        sleep(1.5)
        first.thaw()
        first.wait_for(r"state: BACKUP \(lease expired: no adv", timeout=PATIENCE)
        group.belongs_to("web02", lasting=4)
    report(overlap=seen.overlap, none=seen.none, gap=seen.gap)
    assert seen.changes == [("web01", True), ("web01", False), ("web02", True)]
    assert seen.overlap < OVERLAP
    assert group.transitions("MASTER") == 2
    (how_late,) = late(first)
    assert 3 < how_late < 10
    assert late(second) == []


def test_a_frozen_master_that_is_preferred_gets_the_address_back_by_election(
    group: Group, report: Report
) -> None:
    first, _ = group.pair("--preempt")
    with group.seen() as seen:
        first.freeze()
        group.belongs_to("web02")
        sleep(1.5)
        first.thaw()
        first.wait_for(r"BACKUP \(lease expired: no adv(.|\n)*MASTER \(the master adv")
        group.belongs_to("web01", lasting=1.5)
    report(overlap=seen.overlap, none=seen.none, gap=seen.gap)
    assert seen.overlap < OVERLAP
    assert group.transitions("MASTER") == 3


def test_a_frozen_master_that_was_not_preferred_does_not_come_back(group: Group) -> None:
    second = group.vipd("web02", SECOND, "--preempt")
    group.belongs_to("web02")
    group.vipd("web01")
    sleep(1.5)
    second.freeze()
    group.belongs_to("web01")
    second.thaw()
    group.belongs_to("web01", lasting=4)
    assert group.lab.ownership(VIP).longest_overlap() < OVERLAP
    assert group.transitions("MASTER") == 2


def test_a_short_freeze_changes_nothing(group: Group) -> None:
    first, _ = group.pair()
    for _ in range(2):
        first.freeze()
        sleep(SHORT)
        first.thaw()
        sleep(0.5)
    sleep(2)
    assert len(group.lab.ownership(VIP).changes) == 1
    assert group.transitions("MASTER") == 1


@pytest.mark.parametrize("common", [(), ("--preempt",)], ids=["patient", "preempting"])
def test_a_frozen_backup_that_wakes_up_hears_first_what_it_has_missed(
    group: Group, common: tuple[str, ...]
) -> None:
    _, second = group.pair(*common)
    second.freeze()
    sleep(LONG)
    second.thaw()
    sleep(3.5)
    assert len(group.lab.ownership(VIP).changes) == 1
    assert group.transitions("MASTER") == 1
    assert len(late(second)) == 1


def test_when_all_hosts_freeze_and_wake_up_one_of_them_owns_the_address(
    group: Group, report: Report
) -> None:
    """As virtual machines that were paused together."""
    both = group.pair()
    with group.seen() as seen:
        for daemon in both:
            daemon.freeze()
        sleep(LONG)
        for daemon in reversed(both):
            daemon.thaw()
        group.belongs_to(group.owner(), lasting=4)
    report(overlap=seen.overlap, none=seen.none, gap=seen.gap)
    assert seen.overlap < OVERLAP


@pytest.mark.parametrize("moments", [(0.002, 0.01), (0.0005, 0.001, 0.004), (0.003, 0.006, 0.015)])
def test_a_starved_master_hands_over_and_recovers_by_itself(
    group: Group, report: Report, moments: tuple[float, ...]
) -> None:
    """It gets the processor for a few milliseconds every few seconds."""
    first, _ = group.pair()
    with group.seen() as seen:
        for moment in moments:
            first.freeze()
            sleep(LONG)
            first.thaw()
            sleep(moment)
        group.belongs_to("web02", lasting=4)
    report(overlap=seen.overlap, none=seen.none, gap=seen.gap)
    assert seen.overlap < OVERLAP
    assert group.transitions("MASTER") == 2
    assert 1 <= len(late(first)) <= len(moments)


def test_no_lease_is_renewed_while_advertisements_cannot_be_sent(
    group: Group, report: Report
) -> None:
    first, _ = group.pair()
    with group.seen() as seen:
        stop_advertisements(group.host("web01"))
        group.belongs_to("web02", lasting=4)
        allow_advertisements(group.host("web01"))
        group.belongs_to("web02", lasting=1.5)
    report(overlap=seen.overlap, none=seen.none, gap=seen.gap)
    assert seen.overlap < OVERLAP
    assert group.transitions("MASTER") == 2
    assert first.log().count("cannot send on eth1: [Errno 105]") == 1


def test_an_address_that_is_put_back_is_held_for_no_longer_than_before(
    group: Group, report: Report
) -> None:
    """Only an advertisement makes a lease longer, and none leaves."""
    first, _ = group.pair()
    with group.seen() as seen:
        stop_advertisements(group.host("web01"))
        sleep(SHORT)
        group.host("web01").must(["ip", "address", "flush", "dev", "eth1", "to", VIP])
        group.belongs_to("web02", lasting=2)
    report(overlap=seen.overlap, none=seen.none)
    assert seen.overlap < OVERLAP
    assert "put back" in first.log()


def test_a_preferred_host_that_cannot_send_leaves_the_other_alone_until_it_can(
    group: Group, report: Report
) -> None:
    first, _ = group.pair("--preempt")
    with group.seen() as seen:
        stop_advertisements(group.host("web01"))
        group.belongs_to("web02", lasting=12)
        report(overlap=seen.overlap, none=seen.none, gap=seen.gap)
        assert "preempt" not in first.log(), first.tail()  # it tried, but was never an owner
        allow_advertisements(group.host("web01"))
        group.belongs_to("web01", lasting=1.5)
    report(overlap=seen.overlap, none=seen.none, gap=seen.gap)
    assert seen.overlap < OVERLAP
    assert seen.gap < OVERLAP + seen.noise  # it did not even announce itself


def test_a_host_that_cannot_send_does_not_own_the_address_when_it_is_alone(group: Group) -> None:
    stop_advertisements(group.host("web01"))
    first = group.vipd("web01")
    first.wait_for(r"state: BACKUP \(advertisements cannot be sent", timeout=PATIENCE)
    sleep(LONG)
    had_it, let_go = group.lab.ownership(VIP).changes  # the first time; then it knew better
    assert let_go.time - had_it.time < OVERLAP
    assert group.transitions("MASTER") == 1
    allow_advertisements(group.host("web01"))
    group.belongs_to("web01", lasting=1)


def test_a_master_on_a_downed_interface_that_it_is_to_ignore_lets_go(
    group: Group, report: Report
) -> None:
    """ENETDOWN: nothing leaves, whatever --ignoreifstate says."""
    first, _ = group.pair("--ignoreifstate")
    with group.seen() as seen:
        group.host("web01").must(["ip", "link", "set", "eth1", "down"])
        group.belongs_to("web02", lasting=1)
    report(overlap=seen.overlap, none=seen.none)
    assert seen.overlap < OVERLAP
    first.wait_for(r"state: BACKUP \(lease expired: no adv", timeout=PATIENCE)


def test_several_addresses_go_at_the_end_of_their_leases_whenever_they_came(
    group: Group, report: Report
) -> None:
    """The kernel, having ended one lease, looks at the others a second later at the earliest: so
    they have to end together."""
    dump = captured.capture(group.host("web03"), "proto", "112")
    addresses = {vhid: f"203.0.113.{vhid}" for vhid in (1, 2, 3, 4)}
    skews = dict(zip(addresses, (0, 0, 60, 120), strict=True))
    files = group.directory / "web01"
    files.mkdir()
    vipd = group.host("web01").vipd(files)
    for vhid, address in addresses.items():
        keys = {"VIP_ADDRESS": address, "OPTIONS": f"--advskew={skews[vhid]}"}
        write_vip(files, f"{vhid:03}", **keys)
        vipd.wait_for(f"^<4>{vhid:03}: Switching to state: BACKUP", timeout=PATIENCE)
        sleep(0.1)
    for vhid in addresses:
        vipd.wait_for(f"^<4>{vhid:03}: Switching to state: MASTER", timeout=PATIENCE)
    sleep(2.5)
    vipd.freeze()
    sleep(LONG)
    late = {}
    for vhid, address in addresses.items():
        (*_, last) = group.lab.ownership(address).changes
        assert not last.added
        said = [ad.time for ad in captured.advertisements(dump) if ad.vhid == vhid]
        late[f"vhid{vhid}"] = last.time - said[-1] - LEASE
    report(**late)
    assert max(late.values()) < LATE
