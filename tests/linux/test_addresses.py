"""Addresses on a real interface, as `ip` shows them."""

import errno
import json
import socket
from collections.abc import Iterator
from ipaddress import IPv4Interface, ip_interface
from typing import Any

import pytest
from helpers.configured import WEB01

from vipd.lab import Host
from vipd.linux.addresses import Address, addresses
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
    address = Address(index, ip_interface(written))
    for _ in range(2):
        address.add(netlink)
        assert len(shown(web01, written)) == 1
    assert address.delete(netlink) is True
    assert shown(web01, written) == []
    assert address.delete(netlink) is False
    address.add(netlink)
    assert len(shown(web01, written)) == 1


def test_an_ipv6_address_is_usable_at_once(web01: Host, netlink: Netlink, index: int) -> None:
    web01.run(["sh", "-c", "echo 2 >/proc/sys/net/ipv6/conf/eth1/accept_dad"])
    Address(index, ip_interface("2001:db8::154/128")).add(netlink)
    (info,) = shown(web01, "2001:db8::154/128")
    assert "tentative" not in info
    assert info["nodad"] is True


def test_deleting_leaves_the_other_addresses_alone(
    web01: Host, netlink: Netlink, index: int
) -> None:
    before = web01.addresses()
    floating = [Address(index, ip_interface(written)) for written in BOTH_FAMILIES]
    for address in floating:
        address.add(netlink)
    for address in floating:
        address.delete(netlink)
    assert web01.addresses() == before


def test_what_the_kernel_refuses_is_an_error_with_its_number(netlink: Netlink) -> None:
    nowhere = Address(4711, ip_interface("198.51.100.154/32"))
    with pytest.raises(NetlinkError) as refused:
        nowhere.add(netlink)
    assert refused.value.errno == errno.ENODEV
    assert nowhere.delete(netlink) is False  # it is not there, which is what was asked for


def test_a_refused_request_does_not_disturb_the_next(
    web01: Host, netlink: Netlink, index: int
) -> None:
    with pytest.raises(NetlinkError):
        Address(4711, ip_interface("198.51.100.154/32")).add(netlink)
    Address(index, ip_interface("198.51.100.154/32")).add(netlink)
    assert shown(web01, "198.51.100.154/32")


def test_addresses_are_listed_primary_ones_first(web01: Host, netlink: Netlink, index: int) -> None:
    assert addresses(netlink, index)[0] == IPv4Interface(f"{WEB01}/24")
    web01.run(["ip", "addr", "add", "198.51.100.3/24", "dev", "eth1"])  # secondary
    web01.run(["ip", "addr", "add", "192.0.2.1/24", "dev", "eth1"])
    web01.run(["ip", "addr", "add", "2001:db8::1/64", "dev", "eth1"])
    listed = [str(address) for address in addresses(netlink, index) if not address.is_link_local]
    assert listed == [f"{WEB01}/24", "192.0.2.1/24", "2001:db8::1/64", "198.51.100.3/24"]
    assert addresses(netlink, 4711) == []
