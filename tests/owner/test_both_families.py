"""Groups with IPv4 and IPv6 addresses: both families are sent, and any of them is enough."""

from pathlib import Path
from signal import SIGKILL

import pytest
from helpers.asking import Client, vip_of
from helpers.configured import VIP
from helpers.hosts import complaints, ip, transitions, until

from owner.group import ADDRESSES, GAP, IPV6, SECOND, VIP_IPV6, Group, Report
from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

BOTH = f"{VIP} {VIP_IPV6}"
DROPPED = {4: "ip protocol 112", 6: "ip6 nexthdr 112"}


@pytest.fixture
def group(lab: Lab, tmp_path: Path) -> Group:
    return Group(lab, tmp_path, addresses=(ADDRESSES, IPV6), shared=BOTH)


def deaf(host: Host, family: int) -> None:
    """No advertisement of this family arrives any more."""
    table = (
        "table netdev deaf {\nchain in {\ntype filter hook ingress device eth1 priority 0;\n"
        f"{DROPPED[family]} drop\n}}\n}}\n"
    )
    done = host.run(["nft", "-f", "-"], text=table)
    assert done.returncode == 0, done.stderr


def hearing(host: Host) -> None:
    done = host.run(["nft", "delete", "table", "netdev", "deaf"])
    assert done.returncode == 0, done.stderr


def problems(daemon: Process) -> list[str]:
    with Client(daemon) as client:
        return [problem["code"] for problem in client.problems()]


@pytest.mark.parametrize("vip", [VIP, VIP_IPV6])
def test_both_addresses_move_together_without_a_gap(group: Group, report: Report, vip: str) -> None:
    group.vip = vip
    first, _ = group.pair()
    with group.seen() as seen:
        assert first.stop() == 0
        group.belongs_to("web02", lasting=1)
    report(gap=seen.gap, noise=seen.noise, overlap=seen.overlap)
    assert seen.gap < GAP + seen.noise
    assert group.lab.owners(VIP) == group.lab.owners(VIP_IPV6) == ["web02"]


def test_each_interval_has_one_advertisement_of_each_family(group: Group) -> None:
    """With one counter, as OpenBSD's: the 36 bytes are the same."""
    group.pair()
    capture = group.host("web02").capture(
        "proto", "112", "or", "ip6", "proto", "112", options=["-x"]
    )
    until(lambda: capture.log().count("224.0.0.18") >= 3, capture.tail)
    until(lambda: capture.log().count("ff02::12") >= 3, capture.tail)
    seen = capture.log()
    assert abs(seen.count("> 224.0.0.18") - seen.count("> ff02::12")) <= 1


def test_equal_hosts_whose_families_disagree_have_one_owner(group: Group) -> None:
    """By IPv4 the first host wins, by IPv6 the second. With a tie-break for each family both would
    yield to each other, or neither. One family may be lost in one direction."""
    sources = {"web01": f"{own('web01')} 2001:db8::b", "web02": f"{own('web02')} 2001:db8::a"}
    for name, both in sources.items():
        ip(group.host(name), f"addr add {both.split()[1]}/64 dev eth1")
    first = group.vipd("web01", SOURCE_ADDRESS=sources["web01"])
    second = group.vipd("web02", SOURCE_ADDRESS=sources["web02"])
    for how in ("hears all", "web01 hears IPv6 only", "web02 hears IPv6 only"):
        if "only" in how:
            deaf(group.host(how.partition(" ")[0]), 4)
        for host in group.lab.hosts.values():
            host.isolate()
        until(lambda: group.lab.owners(VIP) == ["web01", "web02"], group.lab.tails)
        for host in group.lab.hosts.values():
            host.rejoin()
        group.belongs_to("web01", lasting=4)
        if "only" in how:
            hearing(group.host(how.partition(" ")[0]))
    assert first.stop() == second.stop() == 0


def own(name: str) -> str:
    return ADDRESSES[name].partition("/")[0]


@pytest.mark.parametrize("lost", [4, 6])
def test_a_family_that_is_lost_moves_nothing_and_is_reported_until_it_is_back(
    group: Group, lost: int
) -> None:
    first, second = group.pair()
    until(lambda: vip_of(second)["received"] > 1, second.tail)  # so it knows who sends IPv6, too
    until(lambda: problems(second) == [], second.tail)
    mark = second.mark()
    deaf(group.host("web02"), lost)
    second.wait_for(f"only IPv{10 - lost} advertisements of {own('web01')} arrive", since=mark)
    (line,) = complaints(second, "only IPv", mark)
    assert ("MLD" if lost == 6 else "IGMP") in line
    assert problems(second) == ["family"]
    group.belongs_to("web01", lasting=4)
    hearing(group.host("web02"))
    until(lambda: problems(second) == [], second.tail)
    assert transitions(first) == ["BACKUP", "MASTER"]
    assert transitions(second) == ["BACKUP"]


def test_a_backup_that_hears_one_family_takes_over_when_that_ends(group: Group) -> None:
    first, second = group.pair()
    deaf(group.host("web02"), 4)
    until(lambda: problems(second) == ["family"], second.tail)
    assert first.stop() == 0
    group.belongs_to("web02", lasting=1)


def test_a_switch_that_snoops_mld_sends_advertisements_on(group: Group) -> None:
    """Membership by a packet socket alone does not tell it that we listen: it would drop ff02::12,
    and a group of IPv6 addresses would have two owners."""
    group.addresses, group.vip, group.shared = (IPV6,), VIP_IPV6, VIP_IPV6
    first, second = group.vipd("web01"), group.vipd("web02", SECOND)
    group.lab.bridge("mcast_snooping", "1")
    group.lab.bridge("mcast_querier", "1")
    group.belongs_to("web01", lasting=6)
    assert transitions(second) == ["BACKUP"]
    assert first.stop() == 0


def test_a_killed_master_hands_over_in_both_families(group: Group) -> None:
    """Its guard sends one final advertisement of each family, and takes all addresses off. The
    backup hears IPv6 only."""
    first, second = group.pair()
    deaf(group.host("web02"), 4)
    mark = second.mark()
    first.signal(SIGKILL)
    second.wait_for("state: MASTER .the master is leaving", since=mark)
    assert group.lab.owners(VIP) == group.lab.owners(VIP_IPV6) == ["web02"]


def test_a_family_without_a_source_is_not_sent_and_moves_nothing(group: Group) -> None:
    """IPv6 is switched off on the backup while it runs, and on again."""
    first, second = group.pair()
    switch = "net.ipv6.conf.eth1.disable_ipv6"
    for value in (1, 0):
        done = group.host("web02").run(["sysctl", "-w", f"{switch}={value}"])
        assert done.returncode == 0, done.stderr
        group.belongs_to("web01", lasting=4)
    assert transitions(first) == ["BACKUP", "MASTER"]
    assert transitions(second) == ["BACKUP"]
    assert first.stop() == 0
    group.belongs_to("web02", lasting=1)
