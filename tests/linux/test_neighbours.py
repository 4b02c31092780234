"""ARP of others about our addresses: how many we can watch, and what counts."""

import select
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from random import Random

import pytest
from helpers.configured import WEB01
from helpers.forging import FORGER_MAC, send

from linux.test_wire import IN_A_VLAN, tagged
from vipd.lab import Host
from vipd.linux.addresses import AnyAddress
from vipd.linux.announce import announcement, probe, question, solicitation
from vipd.linux.neighbours import Neighbours

pytestmark = pytest.mark.lab

FIRST = IPv4Address("198.18.0.0")  # of a network for tests of this kind (RFC 2544)
END = IPv4Address("203.0.113.200")
SPARSE = sorted(Random(1).sample(range(1 << 17), 4000))


@pytest.fixture
def neighbours(web01: Host) -> Iterator[Neighbours]:
    opened = Neighbours(web01.cable().interface)
    yield opened
    opened.close()


def claim(address: AnyAddress) -> bytes:
    return announcement(address, FORGER_MAC)


def heard(
    neighbours: Neighbours, sender: Host, *frames: bytes, end: AnyAddress = END
) -> list[AnyAddress]:
    """Whose claims come out of the socket when these are sent; ``end`` must be watched, and be of
    their family, because each has a socket of its own."""
    found: list[AnyAddress] = []
    for begin in range(0, len(frames) or 1, 100):  # there is room for a few hundred
        send(sender, *frames[begin : begin + 100], claim(end))
        while end not in found:
            assert select.select(neighbours.filenos(), [], [], 5)[0], (
                "the last packet did not arrive"
            )
            for address, mac in neighbours.receive():
                assert mac == FORGER_MAC
                found.append(address)
        found.remove(end)
    return found


@pytest.mark.parametrize("numbers", [range(1020), range(4000), SPARSE], ids=["1020", "4000", "far"])
def test_any_number_of_addresses_can_be_watched_with_little_memory(
    web01: Host, web02: Host, neighbours: Neighbours, numbers: list[int]
) -> None:
    """Debian 12 and EL9 have an optmem_max of 20,480: 829 addresses, one instruction for each."""
    done = web01.run(["sysctl", "-w", "net.core.optmem_max=20480"])
    assert done.returncode == 0, done.stderr
    watched = [FIRST + number for number in numbers]
    neighbours.watch([*watched, END])
    some = watched[::97]
    strangers = [address + 1 for address in some if address + 1 not in watched]
    frames = [claim(address) for address in (*strangers, *some)]
    assert heard(neighbours, web02, *frames) == some


@pytest.mark.parametrize("vlan", [*IN_A_VLAN], ids=str)
def test_another_vlan_is_another_segment(web02: Host, neighbours: Neighbours, vlan: str) -> None:
    neighbours.watch([FIRST, END])
    assert heard(neighbours, web02, IN_A_VLAN[vlan](claim(FIRST))) == []
    assert heard(neighbours, web02, tagged(claim(FIRST), 0)) == [FIRST]


def test_a_probe_is_answered_by_the_owner_and_changes_nobody(
    web01: Host, web02: Host, neighbours: Neighbours
) -> None:
    """The kernel of another owner answers; what it and others know of us stays as it is."""
    web02.must(["ip", "addr", "add", f"{FIRST}/32", "dev", "eth1"])
    wrong = "lladdr 02:00:00:00:bb:bb dev eth1 nud stale"
    web02.must(["sh", "-c", f"ip neigh add {web01.cable().addresses[0].split('/')[0]} {wrong}"])
    before = web02.run(["ip", "neigh"]).stdout
    neighbours.watch([FIRST, END])
    mac = bytes.fromhex(
        web01.run(["cat", "/sys/class/net/eth1/address"]).stdout.strip().replace(":", "")
    )
    theirs = web02.run(["cat", "/sys/class/net/eth1/address"]).stdout.strip().replace(":", "")
    send(web01, probe(FIRST, mac))
    assert select.select(neighbours.filenos(), [], [], 5)[0]
    assert list(neighbours.receive()) == [(FIRST, bytes.fromhex(theirs))]
    assert "02:00:00:00:bb:bb" in before
    assert web02.run(["ip", "neigh"]).stdout == before


def test_a_probe_is_not_answered_by_a_proxy(
    web01: Host, web02: Host, neighbours: Neighbours
) -> None:
    """One that answers everything else, and at once."""
    settings = "eth1.proxy_arp=1", "all.forwarding=1"
    words = [f"net.ipv4.conf.{each}" for each in settings]
    web02.must(["sysctl", "-w", *words, "net.ipv4.neigh.eth1.proxy_delay=0"])
    web02.must(["ip", "link", "add", "other", "up", "type", "veth"])
    web02.must(["ip", "route", "add", f"{FIRST}/32", "dev", "other"])
    neighbours.watch([FIRST, END])
    mac, theirs = (
        bytes.fromhex(each.must(["cat", "/sys/class/net/eth1/address"]).strip().replace(":", ""))
        for each in (web01, web02)
    )
    send(web01, probe(FIRST, mac), question(FIRST, mac, IPv4Address(WEB01)))
    assert select.select(neighbours.filenos(), [], [], 5)[0], "it is no proxy"
    assert list(neighbours.receive()) == [(FIRST, theirs)]
    assert heard(neighbours, web02) == []


TARGET, OTHERS = IPv6Address("2001:db8::154"), IPv6Address("2001:db8::99")
NOBODY = IPv6Address("::")
END_IPV6 = IPv6Address("2001:db8:f::f")


def asks(target: IPv6Address, source: IPv6Address) -> bytes:
    return solicitation(target, FORGER_MAC, source)


@pytest.mark.parametrize(
    ("packet", "claims"),
    [
        pytest.param(announcement(TARGET, FORGER_MAC), True, id="it has it"),
        pytest.param(asks(TARGET, NOBODY), True, id="it is about to use it"),
        pytest.param(asks(OTHERS, TARGET), True, id="it asks from it"),
        pytest.param(asks(TARGET, OTHERS), False, id="it asks for it"),
        pytest.param(asks(OTHERS, NOBODY), False, id="it is about to use another"),
        pytest.param(announcement(OTHERS, FORGER_MAC), False, id="it has another"),
        pytest.param(announcement(TARGET, FORGER_MAC)[:60], False, id="cut"),
        pytest.param(
            announcement(TARGET, FORGER_MAC).replace(b"\x3a\xff", b"\x3a\xfe", 1),
            False,
            id="it crossed a router",
        ),
    ],
)
def test_who_claims_an_ipv6_address(
    web02: Host, neighbours: Neighbours, packet: bytes, claims: bool
) -> None:
    neighbours.watch([TARGET, END_IPV6])
    assert heard(neighbours, web02, packet, end=END_IPV6) == ([TARGET] if claims else [])


def test_any_number_of_ipv6_addresses_can_be_watched(web02: Host, neighbours: Neighbours) -> None:
    watched = [TARGET + 7 * number for number in range(4000)]
    neighbours.watch([*watched, END_IPV6])
    some = watched[::97]
    frames = [announcement(a, FORGER_MAC) for each in some for a in (each, each + 1)]
    assert heard(neighbours, web02, *frames, end=END_IPV6) == some
