"""FreeBSD's own tests of carp(4) (tests/sys/netinet/carp.sh), played with vipd on both hosts: what
they set up and what they assert. Those for unicast and VRRP are left out."""

import sys
from ipaddress import ip_interface
from pathlib import Path
from time import monotonic

import pytest
from helpers.configured import write_vip
from helpers.hosts import until

from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

PATIENCE = 60.0


class Jails:
    """Two hosts and one that only looks on, as FreeBSD's bridge does."""

    def __init__(self, lab: Lab, files: Path, looker: str, one: str, two: str, vip: str) -> None:
        self.lab, self.files, self.vip = lab, files, vip
        self.looker = lab.host("looker", looker)
        self.hosts = {"one": lab.host("one", one), "two": lab.host("two", two)}

    @property
    def address(self) -> str:
        return str(ip_interface(self.vip).ip)

    def start(self, *, one: str = "", two: str = "", in_turn: bool = False) -> dict[str, Process]:
        """``in_turn``: two when one listens already, so that its advskew decides, and not who was
        let run first."""
        daemons = {}
        for name, options in (("one", one), ("two", two)):
            directory = self.files / name
            write_vip(directory, VIP_ADDRESS=self.vip, OPTIONS=options)
            daemons[name] = self.hosts[name].vipd(directory)
            if in_turn:
                daemons[name].wait_for("state: BACKUP", timeout=PATIENCE)
        return daemons

    def master(self) -> str:
        """Wait until one of them is, and stays it (`wait_for_carp`). Equal ones may both be for a
        moment."""
        owners, since = list[str](), monotonic()

        def lasting() -> bool:
            nonlocal owners, since
            if (now := self.lab.owners(self.address)) != owners:
                owners, since = now, monotonic()
            return len(owners) == 1 and monotonic() - since >= 3.5

        until(lasting, self.lab.tails, PATIENCE)
        return owners[0]

    def answers(self, host: Host, *options: str) -> bool:
        done = host.run(["ping", "-c3", "-i0.2", "-W1", *options])
        return done.returncode == 0


@pytest.fixture
def basic_v4(lab: Lab, tmp_path: Path) -> Jails:
    addresses = "192.0.2.4/29", "192.0.2.2/29", "192.0.2.3/29"
    return Jails(lab, tmp_path, *addresses, "192.0.2.1/29")


@pytest.fixture
def basic_v6(lab: Lab, tmp_path: Path) -> Jails:
    addresses = "2001:db8::4/64", "2001:db8::1:2/64", "2001:db8::1:3/64"
    return Jails(lab, tmp_path, *addresses, "2001:db8::1/64")


@pytest.mark.parametrize("jails", ["basic_v4", "basic_v6"])
def test_two_equal_hosts_have_one_master_that_answers(
    request: pytest.FixtureRequest, jails: str
) -> None:
    pair: Jails = request.getfixturevalue(jails)
    pair.start()
    pair.master()
    assert pair.answers(pair.looker, pair.address)


def test_the_master_alone_sends_from_the_address(basic_v6: Jails) -> None:
    """nd6_ns_source_mac; the neighbour has the master's own MAC address, not a virtual one."""
    basic_v6.start(two="--advskew=100", in_turn=True)
    assert basic_v6.master() == "one"
    from_vip = "-I", basic_v6.address, "2001:db8::4"
    assert not basic_v6.answers(basic_v6.hosts["two"], *from_vip)
    assert basic_v6.answers(basic_v6.hosts["one"], *from_vip)
    mac = basic_v6.hosts["one"].run(["cat", "/sys/class/net/eth1/address"]).stdout.strip()
    assert mac in basic_v6.looker.run(["ip", "-6", "neigh", "show", basic_v6.address]).stdout


def test_a_change_of_skew_makes_no_second_master(basic_v4: Jails) -> None:
    """negative_demotion (PR 259528): vipd has no negative demotion, and a lower advskew is what it
    does to the advertisements."""
    daemons = basic_v4.start(
        one="--preempt --advskew=1", two="--preempt --advskew=100", in_turn=True
    )
    assert basic_v4.master() == "one"
    options = "--preempt --advskew=0"
    write_vip(basic_v4.files / "one", VIP_ADDRESS=basic_v4.vip, OPTIONS=options)
    daemons["one"].wait_for("changed in place: advskew", timeout=PATIENCE)
    assert basic_v4.master() == "one"  # and stays it
    changes = basic_v4.lab.ownership(basic_v4.address)
    assert changes.longest_overlap() == 0


def test_a_single_host_is_made_backup_and_master_again(basic_v4: Jails) -> None:
    """switch."""
    directory = basic_v4.files / "one"
    write_vip(directory, VIP_ADDRESS=basic_v4.vip, OPTIONS="--advskew=100")
    host = basic_v4.hosts["one"]
    daemon = host.vipd(directory)
    basic_v4.lab.wait_owner(basic_v4.address, "one", timeout=PATIENCE)
    vipctl = [sys.executable, "-m", "vipd.cli.main"]
    host.run([*vipctl, "maintenance", "on", "001"])
    basic_v4.lab.wait_owner(basic_v4.address, None, timeout=PATIENCE)
    done = host.run([*vipctl, "maintenance", "off", "001"])
    assert done.returncode == 0, done.stderr
    basic_v4.lab.wait_owner(basic_v4.address, "one", timeout=PATIENCE)
    assert daemon.alive
