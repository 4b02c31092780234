"""PEERS: advertisements to each host of the group, where multicast does not get through."""

import re
from collections.abc import Mapping
from pathlib import Path
from signal import SIGHUP, SIGKILL

import pytest
from helpers.asking import Client
from helpers.configured import VIP, write_vip
from helpers.hosts import complaints, ip, transitions, until

from owner.group import ADDRESSES, GAP, IPV6, SECOND, THIRD, VIP_IPV6, Group, Report
from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

NO_MULTICAST = """table netdev no_multicast {
  chain in {
    type filter hook ingress device eth1 priority 0
    ip daddr 224.0.0.18 drop
    ip6 daddr ff02::12 drop
  }
}
"""
HOSTS = ("web01", "web02", "web03")


class Network:
    """A group on one segment, in which no multicast of CARP arrives."""

    def __init__(self, group: Group, own: Mapping[str, str]) -> None:
        self.group = group
        self._own = {name: own[name].replace("/24", "").replace("/64", "") for name in HOSTS}

    def host(self, name: str) -> Host:
        if name not in self.group.lab.hosts:
            made = self.group.host(name)
            done = made.run(["nft", "-f", "-"], text=NO_MULTICAST)
            assert done.returncode == 0, done.stderr
        return self.group.host(name)

    def own(self, name: str) -> str:
        return self._own[name]

    def vipd(self, name: str, *options: str, peers: tuple[str, ...]) -> Process:
        self.host(name)
        listed = " ".join(self.own(each) for each in peers if each != name)
        return self.group.vipd(name, *options, PEERS=listed)

    def pair(self, *common: str) -> tuple[Process, Process]:
        first = self.vipd("web01", *common, peers=HOSTS[:2])
        second = self.vipd("web02", SECOND, *common, peers=HOSTS[:2])
        self.group.belongs_to("web01")
        return first, second


@pytest.fixture(params=["IPv4", "IPv6", "link-local"])
def network(lab: Lab, tmp_path: Path, request: pytest.FixtureRequest) -> Network:
    if request.param == "IPv4":
        return Network(Group(lab, tmp_path), ADDRESSES)
    group = Group(lab, tmp_path, addresses=(IPV6,), vip=VIP_IPV6)
    if request.param == "IPv6":
        return Network(group, IPV6)
    local = {}
    for name in HOSTS:
        ip(group.host(name), f"addr add fe80::{name[-1]}/64 dev eth1 nodad")
        (made,) = re.findall(
            r"inet6 (fe80::\S+:\S+)/64", group.host(name).run(["ip", "addr"]).stdout
        )
        ip(group.host(name), f"addr del {made}/64 dev eth1")
        local[name] = f"fe80::{name[-1]}"
    return Network(group, local)


@pytest.fixture
def ipv4(lab: Lab, tmp_path: Path) -> Network:
    return Network(Group(lab, tmp_path), ADDRESSES)


def problems(daemon: Process) -> list[str]:
    with Client(daemon) as client:
        return [problem["code"] for problem in client.problems()]


def test_a_pair_starts_hands_over_and_heals_without_multicast(
    network: Network, report: Report
) -> None:
    group = network.group
    first, second = network.pair()
    group.belongs_to("web01", lasting=4)
    assert transitions(second) == ["BACKUP"]
    with group.seen() as seen:
        assert first.stop() == 0
        group.belongs_to("web02", lasting=1)
    report(gap=seen.gap, noise=seen.noise, overlap=seen.overlap)
    assert seen.gap < GAP + seen.noise
    first = network.vipd("web01", "--preempt", peers=HOSTS[:2])
    group.belongs_to("web01", lasting=1)
    network.host("web01").isolate()
    until(lambda: group.lab.owners(group.vip) == ["web01", "web02"], group.lab.tails)
    network.host("web01").rejoin()
    group.belongs_to("web01", lasting=4)
    network.host("web01").crash()
    group.belongs_to("web02", lasting=1)


def test_nothing_of_the_group_is_multicast_and_no_kernel_objects(network: Network) -> None:
    """A kernel without a socket for protocol 112 answers each packet with "unreachable"."""
    on = "web02"
    capture = network.host(on).capture("not arp and not udp and not port 53", options=["-e"])
    first, _ = network.pair()
    until(lambda: "Advertisement, vrid 1" in capture.log(), capture.tail)
    network.group.belongs_to("web01", lasting=4)
    said = capture.log()
    assert "unreachable" not in said
    assert "parameter problem" not in said
    assert "224.0.0.18" not in said
    assert "ff02::12 " not in said
    assert first.stop() == 0


def test_three_hosts_that_list_each_other_have_one_owner(network: Network) -> None:
    group = network.group
    daemons = {
        name: network.vipd(name, options, peers=HOSTS)
        for name, options in zip(HOSTS, ("--advskew=0", SECOND, THIRD), strict=True)
    }
    group.belongs_to("web01", lasting=4)
    network.host("web01").crash()
    group.belongs_to("web02", lasting=4)
    assert daemons["web02"].stop() == 0
    group.belongs_to("web03", lasting=4)
    assert transitions(daemons["web03"]) == ["BACKUP", "MASTER"]


def test_a_peer_that_is_not_there_does_not_keep_the_others_from_being_told(
    network: Network,
) -> None:
    network.host("web03").crash()
    first = network.vipd("web01", peers=HOSTS)
    second = network.vipd("web02", SECOND, peers=HOSTS)
    network.group.belongs_to("web01", lasting=8)
    assert transitions(first) == ["BACKUP", "MASTER"]
    assert transitions(second) == ["BACKUP"]
    assert complaints(first, "send") == []


def test_a_killed_master_hands_over(network: Network) -> None:
    """Its guard does that."""
    first, second = network.pair()
    mark = second.mark()
    first.signal(SIGKILL)
    second.wait_for("state: MASTER .the master is leaving", since=mark)


def test_a_host_that_is_not_listed_is_not_heard_and_is_named(ipv4: Network) -> None:
    ipv4.pair()
    mark = ipv4.group.processes[1].mark()
    ipv4.vipd("web03", "--preempt", peers=HOSTS)
    line = f"packet from {ipv4.own('web03')} for VHID 1 dropped: .*PEERS"
    for daemon in ipv4.group.processes[:2]:
        daemon.wait_for(line, since=0 if daemon is ipv4.group.processes[0] else mark)


def test_multicast_is_not_heard_beside_peers(lab: Lab, tmp_path: Path) -> None:
    """The other host has no PEERS yet: each says what to do."""
    group = Group(lab, tmp_path)
    second = group.vipd("web02", SECOND, PEERS=ADDRESSES["web01"].removesuffix("/24"))
    group.belongs_to("web02")
    first = group.vipd("web01")
    first.wait_for(r"dropped: .*PEERS on both")
    assert first.stop() == second.stop() == 0


def test_peers_change_while_it_runs(ipv4: Network) -> None:
    daemons = ipv4.pair()
    marks = [daemon.mark() for daemon in daemons]  # it may find out by itself, before it is told
    for name, peers in (("web01", HOSTS), ("web02", HOSTS)):
        listed = " ".join(ipv4.own(each) for each in peers if each != name)
        options = SECOND if name == "web02" else ""
        write_vip(ipv4.group.directory / name, OPTIONS=options, PEERS=listed)
    for daemon, mark in zip(daemons, marks, strict=True):
        daemon.signal(SIGHUP)
        daemon.wait_for("changed in place: peers", since=mark)
    third = ipv4.vipd("web03", THIRD, peers=HOSTS)
    ipv4.group.belongs_to("web01", lasting=4)
    assert daemons[0].stop() == 0
    ipv4.group.belongs_to("web02", lasting=4)
    assert transitions(third) == ["BACKUP"]


def test_a_packet_filter_that_drops_what_we_send_is_named(ipv4: Network) -> None:
    first, second = ipv4.pair()
    rule = (
        "table ip out { chain out { type filter hook output priority 0; ip protocol 112 drop; }; }"
    )
    done = ipv4.host("web01").run(["nft", "-f", "-"], text=rule)
    assert done.returncode == 0, done.stderr
    first.wait_for("packet filter of this host")
    ipv4.group.belongs_to("web02", lasting=1)
    assert second.stop() == 0


def test_a_backup_reminds_switches_of_its_place(ipv4: Network) -> None:
    """By a frame to itself, which no other host gets."""
    here = ipv4.host("web02").capture("ether proto 0x9000", options=["-e"])
    there = ipv4.host("web01").capture("ether proto 0x9000", options=["-e"])
    ipv4.pair()
    mac = ipv4.host("web02").run(["cat", "/sys/class/net/eth1/address"]).stdout.strip()
    until(lambda: f"{mac} > {mac}" in here.log(), here.tail)
    assert f"{mac} >" not in there.log()


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_hosts_in_different_networks(lab: Lab, tmp_path: Path, family: str) -> None:
    """As FreeBSD's unicast_v4: a router is between them, so TTL and hop limit are 254."""
    networks = {"web01": "left", "web02": "right"}
    prefix = {"left": "198.51.100.", "right": "203.0.113."}
    if family == "IPv6":
        prefix = {"left": "2001:db8:a::", "right": "2001:db8:b::"}
    length, gateway = ("/24", "1") if family == "IPv4" else ("/64", "1")
    router = lab.host(
        "router",
        interfaces={f"to-{n}": [f"{prefix[n]}{gateway}{length}"] for n in prefix},
        bridge={f"to-{n}": n for n in prefix},
    )
    for switch in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
        assert router.run(["sysctl", "-w", f"{switch}=1"]).returncode == 0
    own = {name: f"{prefix[net]}{9}" for name, net in networks.items()}
    daemons = {}
    vip = VIP if family == "IPv4" else VIP_IPV6
    for name, net in networks.items():
        host = lab.host(name, f"{own[name]}{length}", bridge=net)
        ip(host, f"route add default via {prefix[net]}{gateway}")
        peer = next(other for each, other in own.items() if each != name)
        files = write_vip(
            tmp_path / name,
            VIP_ADDRESS=vip,
            PEERS=peer,
            OPTIONS=SECOND if name == "web02" else "",
        ).parent
        daemons[name] = host.vipd(files)
        daemons[name].wait_for("state: BACKUP")
    lab.wait_owner(vip, "web01", timeout=60, stable=4)
    assert transitions(daemons["web02"]) == ["BACKUP"]
    assert daemons["web01"].stop() == 0
    lab.wait_owner(vip, "web02", timeout=60, stable=1)
    daemons["web02"].wait_for("the master is leaving")
