"""Groups of IPv6 addresses alone: what holds for IPv4 holds for them."""

import struct
from ipaddress import IPv6Address
from pathlib import Path

import pytest
from helpers.forging import send
from helpers.hosts import until

from owner.group import GAP, IPV6, OVERLAP, SECOND, VIP_IPV6, Group, Report
from vipd.lab import Host, Lab

pytestmark = pytest.mark.lab


@pytest.fixture
def group(lab: Lab, tmp_path: Path) -> Group:
    """Hosts without any IPv4 address."""
    return Group(lab, tmp_path, addresses=(IPV6,), vip=VIP_IPV6)


def test_a_stopped_master_answers_until_its_peer_has_taken_over(
    group: Group, report: Report
) -> None:
    first, _ = group.pair()
    with group.seen() as seen:
        assert first.stop() == 0
        group.belongs_to("web02", lasting=1)
    report(gap=seen.gap, noise=seen.noise, overlap=seen.overlap, none=seen.none)
    assert seen.changes == [("web01", True), ("web01", False), ("web02", True)]
    assert seen.gap < GAP + seen.noise
    assert seen.overlap < OVERLAP


def test_a_preferred_host_takes_the_address_without_a_gap(group: Group, report: Report) -> None:
    group.vipd("web02", SECOND)
    group.belongs_to("web02")
    with group.seen() as seen:
        group.vipd("web01", "--preempt")
        group.belongs_to("web01", lasting=1)
    report(gap=seen.gap, noise=seen.noise, overlap=seen.overlap, none=seen.none)
    assert seen.gap < GAP + seen.noise
    assert seen.overlap < OVERLAP


def test_a_crashed_master_is_replaced_after_its_master_down_time(
    group: Group, report: Report
) -> None:
    group.pair()
    with group.seen() as seen:
        group.host("web01").crash()
        group.belongs_to("web02", lasting=4)
    report(gap=seen.gap, noise=seen.noise, none=seen.none)
    assert seen.gap < 3 + 10 / 256 + GAP + seen.noise


@pytest.mark.parametrize("extra", ["", "2001:db8::155/64@eth1"])
def test_a_master_announces_its_address_at_its_take_over_and_not_with_each_renewal(
    group: Group, extra: str
) -> None:
    """The kernel does not tell who renewed an IPv6 address."""
    capture = group.host("web02").capture("icmp6[icmp6type] == 136 and dst ff02::1")
    daemon = group.vipd("web01", **({"EXTRA_ADDRESSES": extra} if extra else {}))
    group.belongs_to("web01", lasting=6)
    assert daemon.stop() == 0
    assert 2 <= capture.log().count(f"tgt is {VIP_IPV6}") <= 4


def test_of_two_equal_hosts_one_is_master(group: Group) -> None:
    first, second = group.vipd("web01"), group.vipd("web02")
    owner = group.owner()
    group.belongs_to(owner, lasting=4)
    group.host(owner).cut()
    other = "web02" if owner == "web01" else "web01"
    group.belongs_to(other)
    group.host(owner).join()
    group.belongs_to(other, lasting=4)
    assert first.stop() == second.stop() == 0


def test_a_frozen_master_gives_way(group: Group, report: Report) -> None:
    first, _ = group.pair()
    with group.seen() as seen:
        first.freeze()
        group.belongs_to("web02", lasting=1)
        first.thaw()
        group.belongs_to("web02", lasting=4)
    report(gap=seen.gap, overlap=seen.overlap, none=seen.none)
    assert seen.overlap < OVERLAP


def advertised_router(host: Host, source: str) -> bytes:
    """The frame of a router advertisement from this link-local address at the host's MAC."""
    mac = bytes.fromhex(mac_of(host).replace(":", ""))
    all_nodes = IPv6Address("ff02::1")
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    sender = IPv6Address(source)
    pseudo = sender.packed + all_nodes.packed + struct.pack("!II", len(body), 58)
    checksum = -int.from_bytes(pseudo + body, "big") % 0xFFFF
    body = body[:2] + checksum.to_bytes(2, "big") + body[4:]
    head = struct.pack("!IHBB", 0x60000000, len(body), 58, 255)
    ethernet = bytes.fromhex("333300000001") + mac + b"\x86\xdd"
    return ethernet + head + sender.packed + all_nodes.packed + body


def mac_of(host: Host) -> str:
    return host.run(["cat", "/sys/class/net/eth1/address"]).stdout.strip()


def test_a_clients_default_route_survives_a_hand_over_of_its_router(group: Group) -> None:
    """Its router is a shared link-local address. An announcement without the router flag deletes
    such a route at once."""
    router = "fe80::1"
    for name in ("web01", "web02"):
        done = group.host(name).run(["sysctl", "-w", "net.ipv6.conf.eth1.forwarding=1"])
        assert done.returncode == 0, done.stderr
    group.shared = f"{VIP_IPV6} {router}"
    first, _ = group.pair()
    client = group.lab.host("client", IPV6["client"])
    send(group.host("web01"), advertised_router(group.host("web01"), router))

    def route() -> str:
        return client.run(["ip", "-6", "route", "show", "default"]).stdout

    def learnt(host: str) -> bool:
        client.run(["ping", "-c1", "-W1", f"{router}%eth1"])
        shown = client.run(["ip", "-6", "neigh", "show", router]).stdout
        return mac_of(group.host(host)) in shown and "router" in shown

    until(lambda: router in route() and learnt("web01"), route)
    assert first.stop() == 0
    group.belongs_to("web02", lasting=2)
    until(lambda: learnt("web02"), route)
    assert router in route()
