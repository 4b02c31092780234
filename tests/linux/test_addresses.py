"""Addresses on a real interface, as `ip` shows them."""

import errno
import json
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_interface
from typing import Any

import pytest

from vipd.lab import Host
from vipd.linux.addresses import Address
from vipd.linux.netlink import Netlink, NetlinkError

pytestmark = pytest.mark.lab

BOTH_FAMILIES = ("198.51.100.154/32", "198.51.100.155/24", "2001:db8::154/128", "2001:db8::155/64")


@pytest.fixture
def netlink(web01: Host) -> Iterator[Netlink]:
    assert web01.alive
    opened = Netlink()
    yield opened
    opened.close()


@pytest.fixture
def index(netlink: Netlink) -> int:
    assert netlink
    return socket.if_nametoindex("eth1")


def shown(host: Host, address: str) -> list[dict[str, Any]]:
    """What the kernel says of one address, with its prefix length."""
    links = json.loads(host.run(["ip", "-j", "addr", "show", "dev", "eth1"]).stdout)
    return [
        info for info in links[0]["addr_info"] if f"{info['local']}/{info['prefixlen']}" == address
    ]


@pytest.mark.parametrize("written", BOTH_FAMILIES)
def test_adding_and_deleting_may_be_repeated(
    web01: Host, netlink: Netlink, index: int, written: str
) -> None:
    address = Address(index, ip_interface(written), None)
    for _ in range(2):
        address.add(netlink)
        assert len(shown(web01, written)) == 1
    assert address.delete(netlink) is True
    assert shown(web01, written) == []
    assert address.delete(netlink) is False
    address.add(netlink)
    assert len(shown(web01, written)) == 1


@pytest.mark.parametrize("written", BOTH_FAMILIES)
def test_the_first_lease_may_be_another(
    web01: Host, netlink: Netlink, index: int, written: str
) -> None:
    address = Address(index, ip_interface(written), 3)
    address.add(netlink, 500)
    assert 490 < shown(web01, written)[0]["valid_life_time"] <= 500
    address.add(netlink)
    assert shown(web01, written)[0]["valid_life_time"] <= 3
    address.delete(netlink)
    assert address.restore(netlink, 500)
    assert not address.restore(netlink, 700)
    assert 490 < shown(web01, written)[0]["valid_life_time"] <= 500


def test_an_ipv6_address_is_usable_at_once(web01: Host, netlink: Netlink, index: int) -> None:
    web01.must(["sh", "-c", "echo 2 >/proc/sys/net/ipv6/conf/eth1/accept_dad"])
    Address(index, ip_interface("2001:db8::154/128"), None).add(netlink)
    (info,) = shown(web01, "2001:db8::154/128")
    assert "tentative" not in info
    assert info["nodad"] is True


def test_deleting_leaves_the_other_addresses_alone(
    web01: Host, netlink: Netlink, index: int
) -> None:
    before = web01.addresses()
    floating = [Address(index, ip_interface(written), None) for written in BOTH_FAMILIES]
    for address in floating:
        address.add(netlink)
    for address in floating:
        address.delete(netlink)
    assert web01.addresses() == before


def test_what_the_kernel_refuses_is_an_error_with_its_number(netlink: Netlink) -> None:
    nowhere = Address(4711, ip_interface("198.51.100.154/32"), None)
    with pytest.raises(NetlinkError) as refused:
        nowhere.add(netlink)
    assert refused.value.errno == errno.ENODEV
    assert nowhere.delete(netlink) is False  # it is not there, which is what was asked for


def test_a_refused_request_does_not_disturb_the_next(
    web01: Host, netlink: Netlink, index: int
) -> None:
    with pytest.raises(NetlinkError):
        Address(4711, ip_interface("198.51.100.154/32"), None).add(netlink)
    Address(index, ip_interface("198.51.100.154/32"), None).add(netlink)
    assert shown(web01, "198.51.100.154/32")


def test_a_lease_that_is_not_renewed_ends_by_itself(
    web01: Host, netlink: Netlink, index: int
) -> None:
    renewed, left = (Address(index, ip_interface(f"198.51.100.{n}/32"), 1) for n in (154, 155))
    renewed.add(netlink)
    left.add(netlink)
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        assert netlink.post([renewed.renewal]) == {}
        time.sleep(0.1)
    assert shown(web01, "198.51.100.154/32")
    assert not shown(web01, "198.51.100.155/32")


def test_adding_without_a_lease_ends_a_lease(web01: Host, netlink: Netlink, index: int) -> None:
    Address(index, ip_interface("198.51.100.154/32"), 100).add(netlink)
    assert "dynamic" in shown(web01, "198.51.100.154/32")[0]
    Address(index, ip_interface("198.51.100.154/32"), None).add(netlink)
    assert "dynamic" not in shown(web01, "198.51.100.154/32")[0]


def test_errors_of_a_batch_are_told_and_the_rest_is_done(
    web01: Host, netlink: Netlink, index: int
) -> None:
    nowhere = Address(4711, ip_interface("198.51.100.154/32"), 3)
    here = Address(index, ip_interface("198.51.100.155/32"), 3)
    assert netlink.post([here.renewal, nowhere.renewal, here.renewal]) == {1: errno.ENODEV}
    assert shown(web01, "198.51.100.155/32")
