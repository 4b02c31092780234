"""Interfaces as the kernel has them, and the news of their changes."""

import select
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_interface

import pytest
from helpers.configured import WEB01

from vipd.lab import Host
from vipd.linux.addresses import Address
from vipd.linux.links import Cause, Links, Loss, News
from vipd.linux.messages import ifinfmsg
from vipd.linux.netlink import NLM_F_DUMP, Netlink, encode

pytestmark = pytest.mark.lab


@pytest.fixture
def netlink(web01: Host) -> Iterator[Netlink]:
    assert web01.alive
    opened = Netlink()
    yield opened
    opened.close()


@pytest.fixture
def links(netlink: Netlink) -> Iterator[Links]:
    opened = Links(netlink)
    yield opened
    opened.close()


def ip(host: Host, command: str) -> None:
    done = host.run(["ip", *command.split()])
    assert done.returncode == 0, done.stderr


def wait_for_news(links: Links, name: str) -> None:
    """Read news until there is some of this interface."""
    while True:
        assert select.select([links], [], [], 5)[0], f"no news of {name}"
        if name in links.changes().names:
            return


def gained_until(links: Links, address: str) -> list[str]:
    """Read news until others have added this address; all that they have added."""
    gained: list[str] = []
    while address not in gained:
        assert select.select([links], [], [], 5)[0], f"no news of {address}"
        gained += [str(each) for _, each in links.changes().gained]
    return gained


def test_what_is_there_is_known_from_the_start(links: Links, web01: Host) -> None:
    eth1 = links.get("eth1")
    assert eth1 is not None
    mac = web01.run(["cat", "/sys/class/net/eth1/address"]).stdout.strip()
    assert eth1.mac.hex(":") == mac
    assert (eth1.up, eth1.running, eth1.unsuitable) == (True, True, "")
    assert links.get("eth9") is None


def test_interfaces_that_cannot_speak_carp_say_why(links: Links, web01: Host) -> None:
    loopback = links.get("lo")
    assert loopback is not None
    assert loopback.unsuitable == "is a loopback interface"
    ip(web01, "tuntap add dev tun9 mode tun")
    wait_for_news(links, "tun9")
    tunnel = links.get("tun9")
    assert tunnel is not None
    assert tunnel.unsuitable == "is a point-to-point interface"


def test_carrier_and_administrative_state_are_told_apart(links: Links, web01: Host) -> None:
    def state() -> tuple[bool, bool]:
        link = links.get("eth1")
        assert link is not None
        return link.up, link.running

    def wait_for_state(*expected: bool) -> None:
        while state() != expected:
            wait_for_news(links, "eth1")

    web01.cut()
    wait_for_state(True, False)
    web01.join()
    wait_for_state(True, True)
    ip(web01, "link set eth1 down")
    wait_for_state(False, False)
    ip(web01, "link set eth1 up")
    wait_for_state(True, True)


def test_interfaces_come_go_and_change_their_names(links: Links, web01: Host) -> None:
    ip(web01, "link add eth9 type veth peer name eth9peer")
    wait_for_news(links, "eth9")
    first = links.get("eth9")
    assert first is not None
    ip(web01, "link set eth9 name eth8")
    wait_for_news(links, "eth9")  # the old name has news, too: it is gone
    assert links.get("eth9") is None
    renamed = links.get("eth8")
    assert renamed is not None
    assert renamed.index == first.index
    ip(web01, "link del eth8")
    while links.get("eth8"):
        wait_for_news(links, "eth8")
    ip(web01, "link add eth9 type veth peer name eth9peer")
    wait_for_news(links, "eth9")
    second = links.get("eth9")
    assert second is not None
    assert second.index != first.index


@pytest.mark.parametrize("address", ["192.0.2.1/24", "2001:db8::1/64"])
def test_an_address_that_comes_or_goes_is_news_of_its_interface(
    links: Links, web01: Host, address: str
) -> None:
    for verb in ("add", "del"):
        links.changes()
        ip(web01, f"addr {verb} {address} dev eth1")
        wait_for_news(links, "eth1")


def test_an_address_that_is_only_renewed_is_no_news(links: Links, web01: Host) -> None:
    """A router advertisement does that with an address of the host's own, as often as it comes; and
    so do we with an IPv6 address of ours."""
    address = "2001:db8::1/64"
    ip(web01, f"addr add {address} dev eth1 nodad valid_lft 1000 preferred_lft 1000")
    assert address in gained_until(links, address)
    time.sleep(0.05)  # the kernel dates a change in hundredths of a second
    while select.select([links], [], [], 0)[0]:
        links.changes()
    ip(web01, f"addr change {address} dev eth1 nodad valid_lft 2000 preferred_lft 2000")
    ip(web01, "addr add 2001:db8::2/64 dev eth1 nodad")
    assert address not in gained_until(links, "2001:db8::2/64")


def test_news_that_were_lost_are_made_up_for(links: Links, web01: Host) -> None:
    """More news than the socket holds: everything is read anew."""
    ip(web01, "link add eth9 type veth peer name eth9peer")
    flood = "\n".join(
        f"addr {verb} 192.0.2.{number}/32 dev eth9"
        for _ in range(60)
        for verb in ("add", "del")
        for number in range(1, 255)
    )
    done = web01.run(["ip", "-batch", "-"], text=flood, timeout=60)
    assert done.returncode == 0, done.stderr
    ip(web01, "link set eth9 up")
    ip(web01, "link set eth9 name eth8")
    wait_for_news(links, "eth8")
    eth8 = links.get("eth8")
    assert eth8 is not None
    assert eth8.up
    assert links.get("eth9") is None


def test_addresses_are_listed_primary_ones_first(links: Links, web01: Host) -> None:
    ip(web01, "addr add 198.51.100.3/24 dev eth1")  # secondary
    ip(web01, "addr add 192.0.2.1/24 dev eth1")
    ip(web01, "addr add 2001:db8::1/64 dev eth1")
    wait_for_news(links, "eth1")
    eth1 = links.get("eth1")
    assert eth1 is not None
    listed = [str(address) for address in links.addresses(eth1) if not address.is_link_local]
    assert listed == [f"{WEB01}/24", "192.0.2.1/24", "2001:db8::1/64", "198.51.100.3/24"]


def test_an_ipv6_address_that_we_add_and_renew_is_no_news_and_one_of_others_is(
    links: Links, netlink: Netlink, web01: Host
) -> None:
    """Here the kernel does not say who did it."""
    eth1 = links.get("eth1")
    assert eth1 is not None
    while select.select([links], [], [], 0.1)[0]:
        links.changes()
    ours = ip_interface("2001:db8::154/128")
    address = Address(eth1.index, ours, 5)
    for _ in range(3):
        address.add(netlink)
        time.sleep(0.02)
        assert not netlink.post([address.renewal])
    assert not address.restore(netlink)
    assert links.changes() == News(frozenset())
    ip(web01, "addr del 2001:db8::154/128 dev eth1")
    ip(web01, "addr add 2001:db8::154/128 dev eth1 nodad")
    lost: list[object] = []
    gained: list[object] = []
    while not gained:  # a worker of the kernel sends that notice
        assert select.select([links], [], [], 5)[0], "no news"
        news = links.changes()
        lost += [loss.address for loss in news.lost]
        gained += news.gained
    assert lost == [ours]
    assert gained == [(eth1.index, ours)]


def test_what_we_do_ourselves_is_no_news_and_what_others_do_is(
    links: Links, netlink: Netlink, web01: Host
) -> None:
    eth1 = links.get("eth1")
    assert eth1 is not None
    ours = ip_interface("198.51.100.154/32")
    Address(eth1.index, ours, None).add(netlink)
    assert links.changes() == News(frozenset())
    ip(web01, "addr del 198.51.100.154/32 dev eth1")
    ip(web01, "addr add 198.51.100.154/24 dev eth1")
    news = links.changes()
    assert news.lost == (Loss(eth1.index, "eth1", ours, Cause.OTHERS),)
    assert news.gained == ((eth1.index, ip_interface("198.51.100.154/24")),)


def test_after_lost_news_only_what_is_really_gone_is_told_as_gone(
    links: Links, web01: Host
) -> None:
    ip(web01, "addr add 192.0.2.1/32 dev eth1")
    ip(web01, "addr add 192.0.2.2/32 dev eth1")
    wait_for_news(links, "eth1")
    while links.changes().names:
        pass
    # As large as a socket must be: a handful of news is more than it holds.
    links._monitor._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    many = "\n".join(f"addr add 203.0.113.{number}/32 dev eth1" for number in range(1, 101))
    done = web01.run(["ip", "-batch", "-"], text=f"{many}\naddr del 192.0.2.1/32 dev eth1")
    assert done.returncode == 0, done.stderr
    news = links.changes()
    while not news.gap:
        assert select.select([links], [], [], 5)[0], "no news"
        news = links.changes()
    assert [loss.address for loss in news.lost] == [ip_interface("192.0.2.1/32")]
    assert ip_interface("203.0.113.100/32") in {address for _, address in news.gained}


def test_a_dump_that_was_changed_while_it_was_made_is_asked_for_again(
    netlink: Netlink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel sets NLM_F_DUMP_INTR (0x10) in the message; here in the first two dumps."""
    dumps = 0

    class Socket(socket.socket):
        def send(self, data: bytes, *_: int) -> int:  # type: ignore[override]
            nonlocal dumps
            dumps += 1
            return super().send(data)

        def recv_into(self, buffer: bytearray, *_: int) -> int:  # type: ignore[override]
            size = super().recv_into(buffer)
            if dumps <= 2:
                buffer[6] |= 0x10
            return size

    changing = Socket(socket.AF_NETLINK, socket.SOCK_RAW, 0, netlink._socket.detach())
    monkeypatch.setattr(netlink, "_socket", changing)
    found = netlink.dump(encode(ifinfmsg(), 18, NLM_F_DUMP))
    assert dumps == 3
    assert len(found) >= 2  # lo and eth1
