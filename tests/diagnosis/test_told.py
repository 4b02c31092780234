"""What is wrong between two hosts is one line: who, what, and what to do about it."""

import re
from ipaddress import IPv4Address
from pathlib import Path
from time import sleep

import pytest
from carp.handmade import Packet
from helpers.configured import QUICK, VIP, WEB01, WEB02, write_vip
from helpers.forging import FORGER_MAC, frame, send, signed
from helpers.hosts import complaints, ip, transitions, until

from vipd.lab import Host, Lab, Process
from vipd.linux.announce import announcement

pytestmark = pytest.mark.lab

SECOND = "198.51.100.155"
THIRD = "198.51.100.156"
#: Enough packets of the same kind to be told again, were it not within a minute.
OFTEN = 4
BETTER = signed(source="198.51.100.7")


def once(daemon: Process, pattern: str) -> str:
    """Wait for a complaint that matches; it must be the only one that does."""
    daemon.wait_for(rf"^<4>.*{pattern}")
    (line,) = complaints(daemon, pattern)
    return line


@pytest.fixture
def master(lab: Lab, web01: Host, files: Path) -> Process:
    """A vipd that owns its address; another of its addresses is SECOND, with its own password."""
    write_vip(files, OPTIONS=QUICK)
    write_vip(files, "002", VIP_ADDRESS=f"{SECOND} {THIRD}", PASSWORD="hope", OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    lab.wait_owner(SECOND, "web01")
    return daemon


def ucarp(host: Host, vhid: int, address: str, password: str) -> Process:
    """A real ucarp as the peer, with something wrong in its settings."""
    return host.ucarp(vhid=vhid, address=address, password=password, options=["--advskew=100"])


@pytest.mark.parametrize(
    ("vhid", "address", "password", "cure"),
    [
        (1, VIP, "hate", "Compare ID, PASSWORD and VIP_ADDRESS on both hosts"),
        (1, VIP, "hope", "It has the PASSWORD of our VIP 002: correct it on one of the hosts"),
        (2, VIP, "hope", "It has the VIP_ADDRESS of our VIP 001: correct it on one of the hosts"),
        (2, SECOND, "hope", f"It has {SECOND} alone as VIP_ADDRESS, we have more: make them"),
    ],
    ids=["unproven", "another password", "another address", "a subset of the addresses"],
)
def test_a_digest_that_does_not_verify_is_explained_as_far_as_it_can_be_proved(
    web02: Host, master: Process, vhid: int, address: str, password: str, cure: str
) -> None:
    peer = ucarp(web02, vhid, address, password)
    line = once(master, "bad digest")
    assert line.startswith(
        f"<4>{vhid:03}: eth1: packet from {WEB02} for VHID {vhid} dropped: bad digest"
    )
    assert cure in line
    peer.wait_for("Bad digest", timeout=60)  # ucarp is told as well, so it has advertised for long
    once(master, "bad digest")


def test_a_peer_that_reads_our_octal_id_otherwise_is_found_out(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    """ID=010 is VHID 8 for ucarp and for us; somebody else took it for ten."""
    write_vip(files, "010", OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    ucarp(web02, 10, VIP, "love")
    line = once(daemon, "as VHID 10")
    assert f"{WEB02} runs our VIP 010 as VHID 10, we run it as 8" in line
    assert "write ID without zeros, or VHID=, on both hosts" in line


def test_somebody_elses_group_is_nobodys_business(
    web01: Host, web02: Host, master: Process
) -> None:
    mark = master.mark()
    peer = ucarp(web02, 77, "198.51.100.77", "secret")
    peer.wait_for("state: MASTER")
    until(lambda: "198.51.100.77" in web02.addresses(), peer.tail)
    assert complaints(master, WEB02, mark) == []
    assert web01.addresses() >= {VIP, SECOND}


@pytest.mark.parametrize(
    ("packet", "what", "cure"),
    [
        (
            signed().but(ttl=64),
            "TTL is not 255",
            "CARP hosts have to be in one network segment",
        ),
        (
            signed(source=WEB01),
            "another host sends with our own source address",
            "Two hosts have the same SOURCE_ADDRESS",
        ),
        (signed().but(carp_version=4), "not CARP version 2", "Run CARP version 2 on all hosts"),
    ],
    ids=["TTL", "own source", "version"],
)
def test_a_packet_that_cannot_be_right_is_told_once_with_its_cure(
    web02: Host, master: Process, packet: Packet, what: str, cure: str
) -> None:
    send(web02, *[frame(packet.build())] * OFTEN)
    line = once(master, what)
    assert cure in line
    mark = master.mark()
    send(web02, *[frame(packet.build())] * OFTEN, frame(BETTER.build()))
    master.wait_for("Preferred master advertised", since=mark)  # the last one is believed
    once(master, what)


@pytest.mark.parametrize("version", [2, 3])
def test_keepalived_on_the_same_group_is_told_for_what_it_is(
    lab: Lab, web02: Host, master: Process, tmp_path: Path, version: int
) -> None:
    """VRRP has CARP's protocol number and group, and VRRP 2 its version and type, too."""
    config = tmp_path / "keepalived.conf"
    config.write_text(
        f"global_defs {{ vrrp_version {version} }}\n"
        "vrrp_instance peer { state MASTER\n interface eth1\n virtual_router_id 1\n priority 100\n"
        " advert_int 1\n virtual_ipaddress { 198.51.100.77/32 } }\n"
    )
    web02.start(["keepalived", "-n", "-l", "-P", "-f", config, "-p", "/run/kp", "-r", "/run/kvrrp"])
    line = once(master, "VRRP")
    assert line.startswith(f"<4>001: eth1: packet from {WEB02} for VHID 1 dropped: ")
    assert "It is VRRP, which has the same protocol number and group: give it another" in line
    lab.wait_owner(VIP, "web01", stable=2.5)
    once(master, WEB02)
    assert transitions(master) == ["BACKUP", "MASTER"]


def test_two_masters_are_told_by_the_one_that_hears_the_other(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    """Packets get lost in one direction only: web02 does not hear us."""
    deaf = (
        "table netdev deaf {\nchain in {\ntype filter hook ingress device eth1 priority 0;\n"
        "ip protocol 112 drop\n}\n}\n"
    )
    done = web02.run(["nft", "-f", "-"], text=deaf)
    assert done.returncode == 0, done.stderr
    write_vip(files, OPTIONS=QUICK)
    write_vip(files.parent / "other", OPTIONS=f"{QUICK} --advskew=100")
    web02.vipd(files.parent / "other")
    daemon = web01.vipd(files)
    daemon.wait_for("two masters", timeout=60)
    line = once(daemon, "two masters")
    assert line.startswith(
        f"<4>001: two masters: {WEB02} (advbase 1, advskew 100) goes on advertising although we do"
    )
    assert "packet filters between the hosts" in line
    assert lab.owners(VIP) == ["web01", "web02"]


def test_another_host_that_has_our_address_is_named_by_its_mac(
    lab: Lab, web02: Host, master: Process
) -> None:
    mac = web02.run(["cat", "/sys/class/net/eth1/address"]).stdout.strip()
    ip(web02, f"addr add {VIP}/32 dev eth1")
    speak = ["ping", "-c", "1", "-W", "1", "-I", VIP]
    neighbours = [f"198.51.100.{number}" for number in range(1, 40)]

    def told() -> bool:
        web02.run([*speak, neighbours.pop()])  # asks who has it, in the name of our address
        return bool(complaints(master, "answers for"))

    until(told, master.tail, timeout=60)
    for _ in range(2):
        web02.run([*speak, neighbours.pop()])
    line = once(master, "answers for")
    assert line == (
        f"<4>001: {mac} on eth1 answers for {VIP}, which is ours: find that host, and take the "
        "address off it"
    )
    assert transitions(master) == ["BACKUP", "MASTER"]
    assert "web01" in lab.owners(VIP)


def test_another_host_that_has_our_ipv6_address_is_named_by_its_mac(
    web01: Host, web02: Host, files: Path
) -> None:
    """An owner asks a moment after it became master, and the kernel of the other one answers."""
    address = "2001:db8::154"
    ip(web02, f"addr add {address}/128 dev eth1 nodad")
    write_vip(files, VIP_ADDRESS=address, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    mac = web02.run(["cat", "/sys/class/net/eth1/address"]).stdout.strip()
    daemon.wait_for("answers for", timeout=60)
    line = once(daemon, "answers for")
    assert line == (
        f"<4>001: {mac} on eth1 answers for {address}, which is ours: find that host, and take the "
        "address off it"
    )


def test_an_election_that_does_not_settle_is_told_with_both_sides_numbers(
    web02: Host, web01: Host, files: Path
) -> None:
    """A better host whose advertisements get lost now and then, and little patience here."""
    write_vip(files, OPTIONS=f"{QUICK} --advskew=7")
    daemon = web01.vipd(files)
    counter = 1 << 62
    mark = 0
    for cycle in range(8):
        daemon.wait_for("state: MASTER", since=mark)
        mark = daemon.mark()
        send(web02, frame(signed(counter=counter + cycle).build()))
    line = once(daemon, "does not settle")
    assert re.search(
        rf"became master 5 times in [\d.]+ s, the election does not settle\. {WEB02} has advbase 1 "
        r"and advskew 0, we have 1 and 7, deadratio 1\. Use the same --advbase on all hosts",
        line,
    )


def test_a_master_announces_again_when_another_host_has_announced_its_address(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    """A backup that was deaf for a moment took over and yielded: only its announcement was heard.
    Clients believe it until they hear another one."""
    write_vip(files, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    client = lab.host("client", "198.51.100.10/24")

    def believes(mac: str) -> bool:
        client.run(["ping", "-c1", "-W1", VIP])
        return mac in client.run(["ip", "neigh", "show", VIP]).stdout

    ours = web01.run(["cat", "/sys/class/net/eth1/address"]).stdout.strip()
    until(lambda: believes(ours), daemon.tail)
    sleep(3)  # until it has been master for longer than the last owner may take to let go

    def forge_until_believed() -> bool:
        send(web02, announcement(IPv4Address(VIP), FORGER_MAC))
        return FORGER_MAC.hex(":") in client.run(["ip", "neigh", "show", VIP]).stdout

    until(forge_until_believed, daemon.tail)
    until(lambda: ours in client.run(["ip", "neigh", "show", VIP]).stdout, daemon.tail)
