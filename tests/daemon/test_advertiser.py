"""What a VIP says: each time something later, as things are now."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface
from types import SimpleNamespace
from typing import Any

import pytest

from vipd.carp.digest import Digest, Keyed, hash_input
from vipd.carp.host import by_address
from vipd.carp.machine import Machine
from vipd.carp.packet import MULTICAST, Advertisement, Drop, decode
from vipd.config.model import VipConfig
from vipd.config.secret import SecretBytes
from vipd.daemon.vips.advertiser import Advertiser
from vipd.daemon.vips.counter import Counter
from vipd.daemon.vips.outbox import Departed
from vipd.daemon.vips.sources import parameters
from vipd.linux.family import ETHERNET_HEADER, Family

OURS = IPv4Address("192.0.2.1")
VIP = IPv4Interface("198.51.100.154/32")
CONFIG = VipConfig(
    id="001",
    file="f",
    vhid=1,
    interface="eth1",
    password=SecretBytes(b"love"),
    addresses=(VIP,),
    source=OURS,
)


class Stage:
    """An advertiser whose wire and outbox keep the frames."""

    def __init__(self, config: VipConfig = CONFIG) -> None:
        self.sent: list[bytes] = []
        self.interface = SimpleNamespace(wire=self.wire())
        self.counter = Counter(None)
        services: Any = SimpleNamespace(
            counter=self.counter, netlink=None, clock=lambda: 0.0, outbox=self
        )
        interface: Any = self.interface
        complaints: Any = None
        self.advertiser = Advertiser(config, interface, services, complaints)
        self.ours = parameters(CONFIG, (OURS,))

    def wire(self, mac: bytes = bytes(6)) -> Any:
        def header(to: bytes, family: Family) -> bytes:
            return to + mac + family.ethertype.to_bytes(2, "big")

        return SimpleNamespace(mac=mac, interface="eth1", header=header, send=self.sent.append)

    def post(self, wire: Any, frames: list[bytes], _departed: Departed) -> None:
        assert wire is self.interface.wire
        self.sent += frames

    def says(self, advbase: int = 1, advskew: int = 0) -> Advertisement:
        """What left; it has to be authentic."""
        assert self.advertiser.send(advbase, advskew, self.ours, lambda: False)
        return self.last()

    def goes_on(self) -> Advertisement:
        """What is to leave with the others; likewise."""
        assert self.advertiser.post(self.ours, lambda *_: None)
        return self.last()

    def last(self) -> Advertisement:
        ad = decode(self.sent[-1][ETHERNET_HEADER:], {1: MULTICAST})
        assert isinstance(ad, Advertisement)
        assert self.advertiser.passwords.doubts(ad, (), [0]) is None
        return ad


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_each_is_later_than_the_one_before_it_however_it_leaves(stage: Stage) -> None:
    said = [stage.says(), stage.goes_on(), stage.goes_on(), stage.says(255, 255), stage.goes_on()]
    counters = [ad.counter for ad in said]
    assert counters == sorted(set(counters))
    assert {(ad.advbase, ad.advskew) for ad in said} == {(1, 0), (255, 255)}


def test_it_says_what_it_is_to_say_now(stage: Stage) -> None:
    stage.goes_on()
    stage.ours = replace(stage.ours, advskew=7)
    assert stage.goes_on().advskew == 7


def test_it_leaves_through_the_card_that_is_there_now(stage: Stage) -> None:
    stage.goes_on()
    stage.interface.wire = stage.wire(b"\x02" * 6)
    stage.goes_on()
    assert stage.sent[-1][6:12] == b"\x02" * 6
    stage.interface.wire = None
    assert not stage.advertiser.post(stage.ours, lambda *_: None)


def test_what_the_kernel_routes_does_not_wait_for_others() -> None:
    peers = IPv4Address("192.0.2.2"), IPv4Address("192.0.2.3")
    stage = Stage(replace(CONFIG, peers=peers))
    assert not stage.advertiser.post(stage.ours, lambda *_: None)


def test_it_goes_on_behind_what_the_guard_has_said(stage: Stage) -> None:
    stage.goes_on()
    guards = stage.counter.of(1).last
    stage.counter.of(1).skip(guards)
    tags = stage.advertiser.passwords
    guards_counter, _ = tags.sign(guards, by_address(OURS), (255, 255, 0))[0]
    assert stage.goes_on().counter > guards_counter


def test_a_will_is_not_taken_for_what_was_said(stage: Stage) -> None:
    """What comes back of the last one is an echo, whatever was written down meanwhile."""
    ad = stage.goes_on()
    machine = Machine(stage.ours)
    assert stage.advertiser.final(machine, stage.counter.of(1).last)
    assert stage.advertiser.doubts(ad, (OURS,)) is Drop.ECHO


def test_it_is_signed_in_the_form_that_another_host_has_shown() -> None:
    """FreeBSD takes none but its own."""
    local = IPv6Interface("fe80::154/128")
    stage = Stage(replace(CONFIG, addresses=(*CONFIG.addresses, local)))
    theirs = Digest(b"love", 1, [VIP.ip, local.ip])
    assert theirs.sign(1) != stage.goes_on().digest
    with_it = Keyed(b"love", hash_input(1, VIP.ip.packed + local.ip.packed, 5))(b"")
    assert theirs.verify(5, with_it)
    ad = Advertisement(IPv4Address("192.0.2.2"), MULTICAST, 1, 1, 0, 0, 5, with_it)
    assert stage.advertiser.doubts(ad, ()) is None
    sent = stage.goes_on()
    assert theirs.sign(sent.counter) == sent.digest
