"""EXTRA_ADDRESSES move with a VIP, on its own and on other interfaces."""

from pathlib import Path
from signal import SIGKILL

import pytest
from helpers.asking import Client
from helpers.configured import VIP, write_vip
from helpers.hosts import address_of, ip, until

from owner.group import PATIENCE
from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

OUTSIDE = ("203.0.113.7", "2001:db8:1::7")
HERE = "198.51.100.99"
EXTRAS = f"{OUTSIDE[0]}/24@eth2 {OUTSIDE[1]}/64@eth2 {HERE}"


class Pair:
    """Two hosts on two networks; the first is master."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.files = {name: directory / name for name in ("web01", "web02")}
        for number, name in enumerate(self.files, 1):
            lab.host(
                name,
                interfaces={
                    "eth1": [f"198.51.100.{number}/24"],
                    "eth2": [f"203.0.113.{number}/24", f"2001:db8:1::{number}/64"],
                },
                bridge={"eth1": "inside", "eth2": "outside"},
            )

    def start(self, name: str, *options: str, extras: str = EXTRAS) -> Process:
        write_vip(self.files[name], OPTIONS=" ".join(options), EXTRA_ADDRESSES=extras)
        daemon = self.lab.hosts[name].vipd(self.files[name])
        daemon.wait_for("state: BACKUP", timeout=PATIENCE)
        return daemon

    def all_on(self, name: str) -> None:
        for address in (VIP, HERE, *OUTSIDE):
            self.lab.wait_owner(address, name, timeout=PATIENCE)

    def host(self, name: str) -> Host:
        return self.lab.hosts[name]


@pytest.fixture
def pair(lab: Lab, tmp_path: Path) -> Pair:
    return Pair(lab, tmp_path)


def leased(host: Host, address: str, interface: str) -> bool:
    found = address_of(host, address, interface)
    return found is not None and found["valid_life_time"] < 100


def problems(daemon: Process) -> list[str]:
    with Client(daemon) as client:
        return [problem["text"] for problem in client.problems()]


def test_they_move_with_the_vip_are_leased_and_answer_clients(pair: Pair) -> None:
    first, _ = pair.start("web01"), pair.start("web02", "--advskew=50")
    pair.all_on("web01")
    assert leased(pair.host("web01"), OUTSIDE[0], "eth2")
    assert leased(pair.host("web01"), OUTSIDE[1], "eth2")
    assert leased(pair.host("web01"), HERE, "eth1")
    client = pair.lab.observer(
        interfaces={"eth1": ["203.0.113.10/24", "2001:db8:1::10/64"]}, bridge={"eth1": "outside"}
    )
    with client.watch(*OUTSIDE) as watch:
        assert first.stop() == 0
        pair.all_on("web02")
        pair.lab.wait_owner(VIP, "web02", stable=1)
    for address in OUTSIDE:
        print(f"{address}: {1000 * watch.longest(address):.0f} ms without an answer")
        assert watch.longest(address) < 0.5


def test_they_are_put_back_and_go_when_the_daemon_is_killed(pair: Pair) -> None:
    daemon = pair.start("web01")
    pair.all_on("web01")
    ip(pair.host("web01"), f"addr del {OUTSIDE[0]}/24 dev eth2")
    daemon.wait_for(f"{OUTSIDE[0]} was taken off eth2 by somebody; put back", timeout=PATIENCE)
    pair.all_on("web01")
    daemon.signal(SIGKILL)
    daemon.wait()
    for address in (VIP, HERE, *OUTSIDE):  # their leases end
        pair.lab.wait_owner(address, None, timeout=PATIENCE)


def test_an_interface_that_is_not_there_keeps_its_own_away_until_it_is(pair: Pair) -> None:
    host = pair.host("web01")
    daemon = pair.start("web01", extras=f"192.0.2.7/24@eth3 {HERE}")
    pair.lab.wait_owner(HERE, "web01", timeout=PATIENCE)
    until(lambda: "interface eth3 is not there" in str(problems(daemon)), daemon.tail)
    ip(host, "link add eth3 type veth peer name eth4", "link set eth3 up", "link set eth4 up")
    pair.lab.wait_owner("192.0.2.7", "web01", timeout=PATIENCE)
    until(lambda: problems(daemon) == [], daemon.tail)
    ip(host, "link del eth3")
    until(lambda: "interface eth3 is not there" in str(problems(daemon)), daemon.tail)
    pair.lab.wait_owner(VIP, "web01", stable=4)


def test_a_ucarp_peer_need_not_know_them(pair: Pair) -> None:
    """Its scripts move the same addresses; the digest is over VIP_ADDRESS alone."""
    daemon = pair.start("web01")
    pair.all_on("web01")
    peer = pair.host("web02").ucarp(vhid=1, address=VIP, options=["--advskew=50"])
    peer.wait_for("state: BACKUP", timeout=PATIENCE)
    assert daemon.stop() == 0
    pair.lab.wait_owner(VIP, "web02", timeout=PATIENCE)
    pair.lab.wait_owner(HERE, None, timeout=PATIENCE)
    assert "Bad digest" not in peer.log()


def test_an_interface_without_ipv6_keeps_only_its_own_away(pair: Pair) -> None:
    host = pair.host("web01")
    done = host.run(["sysctl", "-w", "net.ipv6.conf.eth2.disable_ipv6=1"])
    assert done.returncode == 0, done.stderr
    daemon = pair.start("web01")
    for address in (VIP, HERE, OUTSIDE[0]):
        pair.lab.wait_owner(address, "web01", timeout=PATIENCE)
    until(lambda: f"cannot add {OUTSIDE[1]}" in str(problems(daemon)), daemon.tail)
    pair.lab.wait_owner(VIP, "web01", stable=4)


@pytest.mark.parametrize("interface", ["eth1", "eth2"])
def test_one_that_an_interface_loses_with_ipv6_is_back_with_it(pair: Pair, interface: str) -> None:
    """The kernel refuses to put it back, and to renew its lease; all else goes on."""
    host, extra = pair.host("web01"), "2001:db8:2::7"
    where = "" if interface == "eth1" else f"@{interface}"
    daemon = pair.start("web01", extras=f"{HERE} {extra}/64{where}")
    pair.lab.wait_owner(extra, "web01", timeout=PATIENCE)
    daemon.wait_for("state: MASTER", timeout=PATIENCE)  # which it says last
    mark = daemon.mark()

    def ipv6(off: int) -> None:
        done = host.run(["sysctl", "-w", f"net.ipv6.conf.{interface}.disable_ipv6={off}"])
        assert done.returncode == 0, done.stderr

    ipv6(off=1)
    until(lambda: f"cannot add {extra}" in str(problems(daemon)), daemon.tail)
    for address in (VIP, HERE):
        pair.lab.wait_owner(address, "web01", stable=4)
    ipv6(off=0)
    pair.lab.wait_owner(extra, "web01", timeout=PATIENCE)
    assert "Switching" not in daemon.log(mark), daemon.tail()


def test_a_backup_reports_no_interface_that_it_does_not_need(pair: Pair) -> None:
    pair.start("web01")
    pair.all_on("web01")
    backup = pair.start("web02", "--advskew=50", extras=f"192.0.2.7/24@eth3 {HERE}")
    pair.lab.wait_owner(VIP, "web01", stable=2)
    assert problems(backup) == []
