"""Interfaces that are not there, go away, come back, or will not do."""

import json
from pathlib import Path
from signal import SIGHUP

import pytest
from helpers.captured import advertisements, capture
from helpers.configured import QUICK, VIP, WEB01, write_vip

from vipd.lab import Host, Lab
from vipd.lab.waiting import wait_until

pytestmark = pytest.mark.lab

ETH9 = "link add eth9 type veth peer name eth9peer"


def ip(host: Host, *commands: str) -> None:
    done = host.run(["ip", "-batch", "-"], text="\n".join(commands))
    assert done.returncode == 0, done.stderr


def make_eth9(host: Host, *more: str) -> None:
    up = ("link set eth9 up", "link set eth9peer up", "addr add 192.0.2.9/24 dev eth9")
    ip(host, ETH9, *up, *more)


def test_an_interface_that_is_not_there_is_waited_for(lab: Lab, web01: Host, files: Path) -> None:
    write_vip(files, BIND_INTERFACE="eth9", OPTIONS=QUICK)
    daemon = web01.vipd(files)
    daemon.wait_for(r"^<4>001: waiting: interface eth9 is not there$")
    make_eth9(web01)
    lab.wait_owner(VIP, "web01")
    assert daemon.stop() == 0


def test_an_interface_may_be_removed_and_made_again(lab: Lab, web01: Host, files: Path) -> None:
    make_eth9(web01)
    write_vip(files, BIND_INTERFACE="eth9", OPTIONS=QUICK)
    daemon = web01.vipd(files)
    for _ in range(2):
        lab.wait_owner(VIP, "web01")
        mark = daemon.mark()
        ip(web01, "link del eth9")
        daemon.wait_for("state: INIT", since=mark)
        daemon.wait_for("waiting: interface eth9 is not there", since=mark)
        make_eth9(web01)
    lab.wait_owner(VIP, "web01")
    assert "failed" not in daemon.log()


def test_an_interface_may_be_renamed_away_and_another_take_its_name(
    lab: Lab, web01: Host, files: Path
) -> None:
    make_eth9(web01)
    write_vip(files, BIND_INTERFACE="eth9", OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    mark = daemon.mark()
    ip(web01, "link set eth9 name old9")
    daemon.wait_for("state: INIT", since=mark)
    lab.wait_owner(VIP, None)
    ip(web01, "link add eth9 type veth peer name other9", "link set other9 up")
    ip(web01, "link set eth9 up", "addr add 192.0.2.99/24 dev eth9")
    lab.wait_owner(VIP, "web01")
    shown = json.loads(web01.run(["ip", "-j", "addr", "show", "dev", "eth9"]).stdout)
    assert VIP in [info["local"] for info in shown[0]["addr_info"]]


def test_without_carrier_it_lets_go_at_once_and_comes_back(
    lab: Lab, web01: Host, files: Path
) -> None:
    write_vip(files, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    web01.cut()
    lab.wait_owner(VIP, None)
    daemon.wait_for(r"^<4>001: waiting: eth1 has no carrier$")
    web01.join()
    lab.wait_owner(VIP, "web01")


def test_an_interface_that_is_set_down_is_said_so(lab: Lab, web01: Host, files: Path) -> None:
    write_vip(files, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    ip(web01, "link set eth1 down")
    lab.wait_owner(VIP, None)
    daemon.wait_for(r"^<4>001: waiting: interface eth1 is down$")
    ip(web01, "link set eth1 up")
    lab.wait_owner(VIP, "web01")


def test_ignoreifstate_goes_on_without_carrier(lab: Lab, web01: Host, files: Path) -> None:
    write_vip(files, OPTIONS=f"{QUICK} --ignoreifstate")
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    web01.cut()
    wait_until(
        lambda: "NO-CARRIER" in web01.run(["ip", "link", "show", "eth1"]).stdout or None,
        timeout=30,
        complaint=lambda: "the carrier stays",
    )
    lab.wait_owner(VIP, "web01", stable=1.5)
    assert len(lab.ownership(VIP).changes) == 1
    assert daemon.log().count("Switching to state") == 2
    assert daemon.stop() == 0


def test_ignoreifstate_starts_without_carrier(lab: Lab, web01: Host, files: Path) -> None:
    web01.cut()
    write_vip(files, OPTIONS=f"{QUICK} --ignoreifstate")
    web01.vipd(files)
    lab.wait_owner(VIP, "web01")


def test_loopback_is_refused_and_the_others_run(lab: Lab, web01: Host, files: Path) -> None:
    write_vip(files, BIND_INTERFACE="lo", SOURCE_ADDRESS="192.0.2.7", OPTIONS=QUICK)
    write_vip(files, "002", VIP_ADDRESS="198.51.100.155", OPTIONS=QUICK)
    daemon = web01.vipd(files)
    daemon.wait_for(
        r"^<4>001: waiting: interface lo is a loopback interface, on which CARP cannot run$"
    )
    lab.wait_owner("198.51.100.155", "web01")
    assert VIP not in web01.run(["ip", "addr", "show", "dev", "lo"]).stdout


def test_a_source_address_that_is_left_out_is_the_interfaces_own(
    web01: Host, web02: Host, files: Path
) -> None:
    dump = capture(web02, "proto", "112")
    ip(web01, "addr add 198.51.100.42/24 dev eth1")  # a secondary one does not count
    write_vip(files, OPTIONS=QUICK)
    web01.vipd(files)
    dump.wait_for("CARPv2")
    assert {ad.source for ad in advertisements(dump)} == {WEB01}


def test_without_any_address_it_waits_for_one_or_for_source_address(
    lab: Lab, web01: Host, files: Path
) -> None:
    ip(web01, "addr flush dev eth1")
    write_vip(files, OPTIONS=QUICK)
    write_vip(files, "002", VIP_ADDRESS="192.0.2.155", OPTIONS=QUICK)
    daemon = web01.vipd(files)
    daemon.wait_for(r"^<4>001: waiting: eth1 has no IPv4 address to send from; set SOURCE_ADDRESS")
    write_vip(files, "002", VIP_ADDRESS="192.0.2.155", SOURCE_ADDRESS=WEB01, OPTIONS=QUICK)
    daemon.signal(SIGHUP)
    lab.wait_owner("192.0.2.155", "web01")
    assert lab.owners(VIP) == []
    ip(web01, "addr flush dev eth1", "addr add 198.51.100.5/24 dev eth1")
    lab.wait_owner(VIP, "web01")


@pytest.mark.parametrize(("written", "length"), [(VIP, 32), (f"{VIP}/24", 24), (f"{VIP}/32", 32)])
def test_an_address_has_the_prefix_length_of_the_file(
    lab: Lab, web01: Host, files: Path, written: str, length: int
) -> None:
    write_vip(files, VIP_ADDRESS=written, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    shown = json.loads(web01.run(["ip", "-j", "addr", "show", "dev", "eth1"]).stdout)
    assert {"local": VIP, "prefixlen": length}.items() <= next(
        info for info in shown[0]["addr_info"] if info["local"] == VIP
    ).items()
    daemon.stop()
    assert lab.owners(VIP) == []
    assert WEB01 in web01.addresses()


def test_what_an_earlier_life_left_behind_is_cleared_at_the_start(
    lab: Lab, web01: Host, files: Path
) -> None:
    ip(web01, f"addr add {VIP}/32 dev eth1")
    write_vip(files, OPTIONS="--advbase=200")  # long before it could be master
    web01.vipd(files)
    lab.wait_owner(VIP, None, timeout=60)
