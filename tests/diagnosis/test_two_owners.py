"""Two hosts that were given one address and nothing else in common: both are told the cure."""

import re
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from helpers.asking import Client
from helpers.configured import QUICK, VIP, WEB01, WEB02, write_vip
from helpers.forging import FORGER_MAC, send
from helpers.hosts import complaints, ip, transitions, until

from vipd.lab import Host, Lab, Process
from vipd.linux.announce import announcement

pytestmark = pytest.mark.lab

#: An owner asks a moment after it has been master for a master-down time, looks again a second
#: later, and listens to all VHIDs for four.
FOUND = 30.0


def mac_of(host: Host) -> str:
    return host.run(["cat", "/sys/class/net/eth1/address"]).stdout.strip()


def told(daemon: Process) -> str:
    daemon.wait_for("answers for", timeout=FOUND)
    (line,) = complaints(daemon, "answers for")
    return line


def words(other: Host, address: str, theirs: int, ours: int) -> str:
    return (
        f"<4>{ours:03}: {mac_of(other)} on eth1 answers for {VIP}, which is ours: it is host "
        f"{address}, which advertises VHID {theirs} where we have VHID {ours}, so that both own "
        "the address. Write the same ID and PASSWORD on both hosts"
    )


def test_two_hosts_with_another_vhid_and_password_are_told_of_each_other(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    write_vip(files, "001", OPTIONS=QUICK)
    write_vip(files.parent / "other", "007", PASSWORD="hope", OPTIONS=QUICK)
    one, seven = web01.vipd(files), web02.vipd(files.parent / "other")
    assert told(one) == words(web02, WEB02, 7, 1)
    assert told(seven) == words(web01, WEB01, 1, 7)
    assert lab.owners(VIP) == ["web01", "web02"]
    with Client(one) as client:
        (problem,) = client.problems()
    assert problem["code"] == "claimed"
    for daemon, name in ((one, "001"), (seven, "007")):
        assert transitions(daemon, name) == ["BACKUP", "MASTER"]


def test_a_ucarp_with_another_vhid_and_password_is_named(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    """It advertises from a virtual MAC address, and its kernel answers from the real one."""
    write_vip(files, "001", OPTIONS=QUICK)
    daemon = web01.vipd(files)
    web02.ucarp(vhid=7, address=VIP, password="hope", options=["--deadratio=1"])
    assert told(daemon) == words(web02, WEB02, 7, 1)
    assert lab.owners(VIP) == ["web01", "web02"]


def test_a_host_with_the_address_that_advertises_nothing_is_found_by_itself(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    """It never says a word about the address; only its kernel answers."""
    ip(web02, f"addr add {VIP}/32 dev eth1")
    write_vip(files, "001", OPTIONS=QUICK)
    daemon = web01.vipd(files)
    assert told(daemon) == (
        f"<4>001: {mac_of(web02)} on eth1 answers for {VIP}, which is ours: find that host, and "
        "take the address off it"
    )
    assert lab.owners(VIP) == ["web01", "web02"]


def test_our_own_other_interface_in_the_segment_is_no_other_host(
    lab: Lab, files: Path, web02: Host
) -> None:
    """Either of them answers for the other (arp_ignore is 0)."""
    both = {"eth1": [f"{WEB01}/24"], "eth2": ["198.51.100.181/24"]}
    web01 = lab.host("web01", interfaces=both)
    dump = web02.capture("arp", options=["-e"])
    write_vip(files, "001", OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    dump.wait_for(rf"Request who-has {re.escape(VIP)} tell 0\.0\.0\.0", timeout=FOUND)
    with pytest.raises(TimeoutError):
        daemon.wait_for("answers for", timeout=8)
    assert lab.owners(VIP) == ["web01"]


def test_a_single_forged_packet_is_not_believed(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    """Somebody says once that it has the address, and does not answer when it is asked."""
    write_vip(files, "001", OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01", stable=2.5)
    dump = web02.capture("arp", options=["-e"])
    send(web02, announcement(IPv4Address(VIP), FORGER_MAC))
    dump.wait_for(rf"Request who-has {re.escape(VIP)} tell 0\.0\.0\.0")
    with pytest.raises(TimeoutError):
        daemon.wait_for("answers for", timeout=8)


def test_addresses_beyond_a_kernels_little_memory_for_filters(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    """Four addresses for each of 250 VIPs; optmem_max as on Debian 12 and EL9."""
    for host in (web01, web02):
        done = host.run(["sysctl", "-w", "net.core.optmem_max=20480"])
        assert done.returncode == 0, done.stderr
    for directory, options in ((files, ""), (files.parent / "other", "--advskew=100")):
        for vhid in range(1, 251):
            own = " ".join(f"198.18.{number}.{vhid}" for number in range(4))
            write_vip(directory, str(vhid), VIP_ADDRESS=own, OPTIONS=options)
    master = web01.vipd(files)
    until(lambda: "198.18.3.250" in web01.addresses(), master.tail, 60)
    groups = web01.run(["ip", "maddress", "show", "dev", "eth1"]).stdout
    assert "224.0.0.18" in groups
    backup = web02.vipd(files.parent / "other")
    backup.wait_for(r"^<4>250: Switching to state: BACKUP", timeout=60)
    lab.wait_owner("198.18.3.250", "web01", stable=6, timeout=30)
    for daemon in (master, backup):
        assert "cannot" not in daemon.log(), daemon.tail()
