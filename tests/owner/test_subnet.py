"""Addresses with a prefix length: none goes with another, whatever the kernel would do."""

import sys
from pathlib import Path
from time import time

import pytest
from helpers.configured import QUICK, VIP, WEB01, write_vip
from helpers.faults import NO_PROMOTION, faulty
from helpers.guarding import die_with_guard
from helpers.hosts import address_of, ip, until

from owner.group import ADDRESSES, GAP
from vipd.daemon.cleanup import farewell
from vipd.lab import Host, Lab, Process
from vipd.lab.host import RUNTIME_DIR

pytestmark = pytest.mark.lab

OTHER = "198.51.100.155"
ELSEWHERE = "192.0.2.1"
#: A machine that runs other tests takes this long, in seconds, to start a daemon.
PATIENCE = 60.0
ONE_BY_ONE = ("demoted", "removed", "stopped", "killed", "frozen")


def promotes(host: Host) -> str:
    return host.run(["sysctl", "-n", "net.ipv4.conf.eth1.promote_secondaries"]).stdout.strip()


def demote(host: Host, vip: str) -> None:
    command = [sys.executable, "-m", "vipd.cli.main", "demote", vip, "--hold=60"]
    done = host.run(command, timeout=PATIENCE)
    assert done.returncode in (0, 1), done.stderr


def carry_out(host: Host, runtime_dir: str) -> None:
    program = [sys.executable, "-IS", str(Path(farewell.__file__))]
    done = host.run([*program, "--runtime-dir", runtime_dir])
    assert done.returncode == 0, done.stderr


class Neighbours:
    """web01 with no address of its own in the subnet of two VIPs, the first of which is primary."""

    def __init__(self, lab: Lab, files: Path, lease: str, env: dict[str, str]) -> None:
        self.lab, self.files = lab, files
        self.host = lab.host("web01", f"{ELSEWHERE}/24")
        assert promotes(self.host) == "0"  # the kernel's default
        for name, address in (("001", VIP), ("002", OTHER)):
            keys = {"VIP_ADDRESS": f"{address}/24", "LEASE": lease, "OPTIONS": QUICK}
            write_vip(files, name, SOURCE_ADDRESS=ELSEWHERE, **keys)
        self.env = env
        self.daemons: list[Process] = []

    def start(self, *, apart: bool) -> None:
        """Both in one daemon, or each in its own."""
        if not apart:
            self.daemons.append(self.host.vipd(self.files, env=self.env))
        for name, address in (("001", VIP), ("002", OTHER)):
            if apart:
                own = f"{RUNTIME_DIR}/{name}"
                extra = ("--only", name, "--runtime-dir", own)
                self.daemons.append(self.host.vipd(self.files, *extra, env=self.env))
            self.lab.wait_owner(address, "web01", timeout=PATIENCE)
        first = address_of(self.host, VIP)
        assert first
        assert not first.get("secondary")


def leave(neighbours: Neighbours, how: str) -> None:
    """Have the first VIP leave."""
    host, first = neighbours.host, neighbours.daemons[0]
    match how:
        case "demoted":
            demote(host, "001")
        case "removed":
            (neighbours.files / "vip-001.conf").unlink()
        case "stopped":
            assert first.stop() == 0
        case "killed":
            die_with_guard(host, first)
            carry_out(host, f"{RUNTIME_DIR}/001")
        case "frozen":
            first.freeze()
    until(lambda: address_of(host, VIP) is None, first.tail, PATIENCE)


@pytest.mark.parametrize("how", ONE_BY_ONE)
def test_a_vip_that_leaves_takes_no_other_along(lab: Lab, tmp_path: Path, how: str) -> None:
    neighbours = Neighbours(lab, tmp_path / "files", "auto", {})
    neighbours.start(apart=how not in ("demoted", "removed"))
    with lab.observer(ADDRESSES["client"]).watch(OTHER) as watch:
        began = time()
        leave(neighbours, how)
        lab.wait_owner(OTHER, "web01", timeout=PATIENCE, stable=0.5)
    print(f"{how}: {1000 * watch.longest(OTHER, since=began):.0f} ms without an answer")
    assert watch.longest(OTHER, since=began) < GAP
    assert len(lab.ownership(OTHER).changes) == 1  # not for a moment
    assert promotes(neighbours.host) == "1"
    said = "".join(daemon.log() for daemon in neighbours.daemons)
    assert "eth1: promote_secondaries set to 1, so that the other addresses" in said
    assert "put back" not in said


@pytest.mark.parametrize("lease", ["auto", "off"])
@pytest.mark.parametrize("how", ["demoted", "removed", "stopped"])
def test_what_the_kernel_deleted_with_another_vips_address_is_back_at_once(
    lab: Lab, tmp_path: Path, lease: str, how: str
) -> None:
    env = faulty(tmp_path / "faults", NO_PROMOTION)
    neighbours = Neighbours(lab, tmp_path / "files", lease, env)
    apart = how == "stopped"
    neighbours.start(apart=apart)
    daemon = neighbours.daemons[-1]
    with lab.observer(ADDRESSES["client"]).watch(OTHER) as watch:
        began = time()
        leave(neighbours, how)
        lab.wait_owner(OTHER, "web01", timeout=PATIENCE, stable=1.5)  # longer than its lease
    print(f"{how}: {1000 * watch.longest(OTHER, since=began):.0f} ms without an answer")
    assert watch.longest(OTHER, since=began) < GAP
    if apart:  # another program deleted it, and perhaps goes on
        daemon.wait_for(f"^<4>002: {OTHER} was taken off eth1 by somebody; put back")
    else:
        daemon.wait_for(
            rf"^<4>002: {OTHER} went from eth1 together with {VIP}/24, the primary address of its "
            r"subnet \(vipd took it off\), because promote_secondaries is 0; put back"
        )
    assert "001: " not in "".join(line for line in daemon.log().splitlines() if "put back" in line)
    assert "eth1: cannot set promote_secondaries: " in daemon.log()


def test_what_the_kernel_deleted_with_an_address_whose_lease_ended_is_back_at_once(
    lab: Lab, tmp_path: Path
) -> None:
    neighbours = Neighbours(lab, tmp_path / "files", "auto", {})
    neighbours.start(apart=True)
    neighbours.host.must(["sysctl", "-w", "net.ipv4.conf.eth1.promote_secondaries=0"])
    leave(neighbours, "frozen")
    neighbours.daemons[1].wait_for(
        rf"^<4>002: {OTHER} went from eth1 together with {VIP}/24, the primary address of its "
        r"subnet \(its lease ended\), because promote_secondaries is 0; put back",
        timeout=PATIENCE,
    )
    lab.wait_owner(OTHER, "web01", timeout=PATIENCE, stable=1.5)


@pytest.mark.parametrize("how", ONE_BY_ONE)
def test_a_vip_that_has_become_primary_leaves_the_hosts_own_address_alone(
    lab: Lab, tmp_path: Path, how: str
) -> None:
    """Its own address was removed and put back, or came later than vipd."""
    files = tmp_path / "files"
    web01 = lab.host("web01", f"{ELSEWHERE}/24")
    write_vip(files, VIP_ADDRESS=f"{VIP}/24", SOURCE_ADDRESS=ELSEWHERE, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    ip(web01, f"addr add {WEB01}/24 dev eth1")
    own = address_of(web01, WEB01)
    assert own
    assert own["secondary"] is True
    match how:
        case "demoted":
            demote(web01, "001")
        case "removed":
            (files / "vip-001.conf").unlink()
        case "stopped":
            daemon.stop()
        case "killed":
            die_with_guard(web01, daemon)
            carry_out(web01, RUNTIME_DIR)
        case "frozen":
            daemon.freeze()
    until(lambda: address_of(web01, VIP) is None, daemon.tail, PATIENCE)
    own = address_of(web01, WEB01)
    assert own
    assert not own.get("secondary")
    assert len(lab.ownership(WEB01).changes) == 1


def test_ipv6_has_no_primary_addresses_and_nothing_is_set(lab: Lab, tmp_path: Path) -> None:
    files, six = tmp_path / "files", "2001:db8::154"
    web01 = lab.host("web01", f"{WEB01}/24")
    write_vip(files, VIP_ADDRESS=f"{VIP} {six}/64", OPTIONS=QUICK)
    web01.vipd(files)
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    lab.wait_owner(six, "web01", timeout=PATIENCE)
    assert promotes(web01) == "0"


def sent(host: Host) -> int:
    """Frames that have left eth1."""
    return int(host.run(["cat", "/sys/class/net/eth1/statistics/tx_packets"]).stdout)


def test_hundreds_of_addresses_of_one_vip_are_put_back_and_announced_once(
    lab: Lab, tmp_path: Path
) -> None:
    env = faulty(tmp_path / "faults", NO_PROMOTION)
    neighbours = Neighbours(lab, tmp_path / "files", "auto", env)
    many = [f"198.51.100.{n}" for n in range(1, 121)]
    write_vip(
        neighbours.files,
        "002",
        VIP_ADDRESS=" ".join(f"{address}/24" for address in many),
        SOURCE_ADDRESS=ELSEWHERE,
        OPTIONS=f"{QUICK} --advskew=100",  # VIP is there before, and primary
    )
    host = neighbours.host
    daemon = host.vipd(neighbours.files, env=env)
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    lab.wait_owner(many[-1], "web01", timeout=PATIENCE)
    before, began = sent(host), time()
    demote(host, "001")
    daemon.wait_for("went from eth1 together with", timeout=PATIENCE)
    for address in many:
        lab.wait_owner(address, "web01", timeout=PATIENCE)
    frames, seconds = sent(host) - before, time() - began
    print(f"{frames} frames in {seconds:.1f} s")
    assert frames < 5 * len(many) + 10 * seconds  # each for all of them would be 14,400
