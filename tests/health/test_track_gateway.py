"""TRACK_GATEWAY: whether a router answers, and what it learns from being asked."""

import asyncio
import json
import time
from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from helpers.captured import capture
from helpers.configured import WEB01, WEB02
from helpers.forging import FORGER_MAC, send
from helpers.hosts import ip

from health.witness import Make, Witness, play
from vipd.config.health_fields import Gateway
from vipd.daemon.health.track_gateway import Place, TrackGateway
from vipd.daemon.health.verdict import Changed, Source
from vipd.lab import Host
from vipd.linux.announce import announcement, announcement_to
from vipd.linux.links import Links
from vipd.linux.netlink import Netlink

pytestmark = pytest.mark.lab

QUICK = (0.1, 3, 2)  # interval, fall, rise
GATEWAY = "203.0.113.1"  # of a network in which we have no address
OWN6, GATEWAY6 = "2001:db8::1", "2001:db8::fe"


@pytest.fixture
def links(web01: Host) -> Iterator[Links]:
    assert web01.alive
    netlink = Netlink()
    opened = Links(netlink)
    yield opened
    opened.close()
    netlink.close()


def track(gateway: str, links: Links, pace: tuple[float, int, int] = QUICK, hold: int = 0) -> Make:
    def place() -> Place | None:
        links.changes()
        link = links.get("eth1")
        return Place(link.name, link.mac, links.addresses(link)) if link and link.up else None

    def make(loop: asyncio.AbstractEventLoop, changed: Changed) -> Source:
        return TrackGateway(Gateway(ip_address(gateway), *pace, hold), place, loop, changed)

    return make


def mac_of(host: Host) -> str:
    return host.run(["cat", "/sys/class/net/eth1/address"]).stdout.strip()


def known(host: Host) -> dict[str, str]:
    """Which MAC address the host knows for which address."""
    entries = json.loads(host.run(["ip", "-j", "neigh"]).stdout or "[]")
    return {each["dst"]: each["lladdr"] for each in entries if "lladdr" in each}


def ready6(*hosts: tuple[Host, str]) -> None:
    for host, address in hosts:
        ip(host, f"addr add {address}/64 dev eth1 nodad")


def test_a_gateway_is_well_while_it_answers(web01: Host, web02: Host, links: Links) -> None:
    assert web01.alive

    async def story(seen: Witness) -> None:
        await seen.sees(True)
        web02.isolate()
        gone = await seen.sees(False, f"{WEB02} does not answer")
        assert gone.ends == "after 2 answers, one every 0.1 s"
        web02.rejoin()
        assert (await seen.sees(True)).said == ""

    play(track(WEB02, links), story)


def test_a_gateway_that_comes_and_goes_is_held(web01: Host, web02: Host, links: Links) -> None:
    assert web01.alive

    async def story(seen: Witness) -> None:
        await seen.sees(True)
        web02.isolate()
        await seen.sees(False, f"{WEB02} does not answer")
        web02.rejoin()
        await seen.sees(True)
        web02.isolate()
        await seen.sees(False, f"{WEB02} does not answer")
        web02.rejoin()
        await asyncio.sleep(1)  # ten answers
        assert seen.now.well is False
        assert seen.now.ends.endswith("(CHECK_HOLD)")

    play(track(WEB02, links, hold=1000), story)


def test_other_times_do_not_bring_it_back(web01: Host, web02: Host, links: Links) -> None:
    assert web01.alive

    async def story(seen: Witness) -> None:
        web02.isolate()
        gone = await seen.sees(False, f"{WEB02} does not answer")
        web02.rejoin()
        after = track(WEB02, links, (0.1, 3, 100))(asyncio.get_running_loop(), lambda: None)
        assert isinstance(after, TrackGateway)
        assert isinstance(seen.source, TrackGateway)
        after.resume(seen.source)
        after.start()
        await asyncio.sleep(1)  # ten answers
        after.close()
        assert (after.verdict.well, after.verdict.since) == (False, gone.since)
        assert after.verdict.ends == "after 100 answers, one every 0.1 s"

    play(track(WEB02, links), story)


def test_an_ipv6_gateway(web01: Host, web02: Host, links: Links) -> None:
    ready6((web01, OWN6), (web02, GATEWAY6))

    async def story(seen: Witness) -> None:
        await seen.sees(True)
        web02.isolate()
        await seen.sees(False, f"{GATEWAY6} does not answer")
        web02.rejoin()
        await seen.sees(True)

    play(track(GATEWAY6, links), story)


@pytest.mark.parametrize(
    ("gateway", "said"),
    [
        (WEB01, f"{WEB01} is an address of this host"),
        (OWN6, f"{OWN6} is an address of this host"),
        ("203.0.113.9", "203.0.113.9 does not answer; eth1 has no address in its network"),
    ],
)
def test_one_that_cannot_answer_says_why(
    web01: Host, links: Links, gateway: str, said: str
) -> None:
    ready6((web01, OWN6))

    async def story(seen: Witness) -> None:
        await seen.sees(False, said)

    play(track(gateway, links), story)


def test_a_gateway_learns_where_we_are_and_nothing_else(
    web01: Host, web02: Host, links: Links
) -> None:
    """It is asked from an own address, first among all, and then alone."""
    ip(web01, "addr add 198.51.100.200/32 dev eth1")  # a floating one, say
    right = mac_of(web01)
    heard = capture(web02, "arp")

    async def story(seen: Witness) -> None:
        await seen.sees(True)
        while heard.log().count("Request who-has") < 3:
            await asyncio.sleep(0.05)

    play(track(WEB02, links), story)
    assert known(web02).get(WEB01) == right
    assert "198.51.100.200" not in known(web02)
    asked = [line for line in heard.log().splitlines() if "Request who-has" in line]
    assert all(f"tell {WEB01}" in line for line in asked)


def test_without_an_address_in_its_network_nobody_asks(
    web01: Host, web02: Host, links: Links
) -> None:
    ip(web02, f"addr add {GATEWAY}/24 dev eth1")
    before = known(web02)

    async def story(seen: Witness) -> None:
        await seen.sees(True)

    play(track(GATEWAY, links), story)
    assert known(web02) == before
    assert web01.alive


def claims(web01: Host) -> list[bytes]:
    """What others send about the gateway that is no answer of it to us."""
    ours, them = ip_address(WEB01), ip_address(WEB02)
    mac = bytes.fromhex(mac_of(web01).replace(":", ""))
    return [
        announcement(them, FORGER_MAC),
        announcement(them, FORGER_MAC, reply=True),
        announcement_to(ours, mac, ip_address("192.0.2.77"), FORGER_MAC),
        announcement_to(ours, FORGER_MAC, them, FORGER_MAC),
    ]


@pytest.mark.parametrize("everybody", [False, True])
def test_only_its_answers_to_us_count(
    web01: Host, web02: Host, links: Links, everybody: bool
) -> None:
    """A host that we hear and do not reach does not answer; some answer by a broadcast."""
    ip(web02, "link set eth1 arp off")
    frames = claims(web01)

    async def story(seen: Witness) -> None:
        for _ in range(3):
            send(web02, *frames)
            await asyncio.sleep(0.1)
        await seen.sees(False)
        assert all(not verdict.well for verdict in seen.told)
        mac = bytes.fromhex(mac_of(web01).replace(":", ""))
        reply = announcement_to(ip_address(WEB01), mac, ip_address(WEB02), FORGER_MAC)
        if everybody:
            reply = b"\xff" * 6 + reply[6:]
        while not seen.now.well:
            send(web02, reply)
            await asyncio.sleep(0.02)

    play(track(WEB02, links, (0.5, 1, 1)), story)


def test_a_gateway_that_is_another_machine_now_is_found(
    web01: Host, web02: Host, links: Links
) -> None:
    assert web01.alive

    async def story(seen: Witness) -> None:
        await seen.sees(True)
        ip(web02, "link set eth1 down", "link set eth1 address 02:00:00:00:aa:aa")
        ip(web02, "link set eth1 up")
        await asyncio.sleep(0)
        await until_answered(seen)

    async def until_answered(seen: Witness) -> None:
        probes = seen.source
        assert isinstance(probes, TrackGateway)
        async with asyncio.timeout(30):
            while probes.mac != bytes.fromhex("02000000aaaa"):
                await asyncio.sleep(0.05)
        assert seen.now.well

    play(track(WEB02, links, (0.1, 100, 1)), story)


def test_fall_and_rise(web01: Host, web02: Host, links: Links) -> None:
    """One lost probe is nothing, and one answer is not yet a recovery."""
    assert web01.alive

    async def story(seen: Witness) -> None:
        await seen.sees(True)
        web02.isolate()
        down = await seen.sees(False)
        web02.rejoin()
        up = await seen.sees(True)
        assert up.since - down.since > 5 * 0.1

    play(track(WEB02, links, (0.1, 2, 6)), story)


def test_an_interface_that_goes_and_comes_back(web01: Host, web02: Host, links: Links) -> None:
    assert web02.alive

    async def story(seen: Witness) -> None:
        await seen.sees(True)
        ip(web01, "link set eth1 down")
        await seen.sees(False, "the interface is not up")
        ip(web01, "link set eth1 up")
        await seen.sees(True)

    play(track(WEB02, links), story)


def test_a_round_that_ends_late_says_nothing(web01: Host, web02: Host, links: Links) -> None:
    """The loop stands still at the end of each: it could not tell whether an answer was in time."""
    assert web01.alive

    async def story(seen: Witness) -> None:
        await seen.sees(True)
        web02.isolate()
        for _ in range(4):
            time.sleep(1.0)
            await asyncio.sleep(0.01)
        assert all(verdict.well for verdict in seen.told)
        await seen.sees(False)

    play(track(WEB02, links, (0.5, 1, 1)), story)


def test_without_an_ipv6_address_it_cannot_be_asked(web01: Host, links: Links) -> None:
    ip(web01, "addr flush dev eth1")
    web01.must(["sysctl", "-w", "net.ipv6.conf.eth1.disable_ipv6=1"])

    async def story(seen: Witness) -> None:
        await seen.sees(False, f"eth1 has no IPv6 address to ask {GATEWAY6} from")

    play(track(GATEWAY6, links), story)
