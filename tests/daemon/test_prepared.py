"""An advertisement that was signed before its turn is sent if it still holds, and signed once."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface
from types import SimpleNamespace
from typing import Any

import pytest

from vipd.carp.digest import Digest, Keyed, hash_input
from vipd.carp.host import by_address
from vipd.carp.machine import Machine
from vipd.carp.packet import MULTICAST, Advertisement, decode
from vipd.carp.states import Mode
from vipd.config.model import VipConfig
from vipd.config.secret import SecretBytes
from vipd.daemon.vips.advertiser import Advertiser
from vipd.daemon.vips.counter import Counter
from vipd.daemon.vips.sources import parameters
from vipd.linux.family import ETHERNET_HEADER

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
    """An advertiser whose wire keeps the frames."""

    def __init__(self, config: VipConfig = CONFIG) -> None:
        self.sent: list[bytes] = []
        self.interface = SimpleNamespace(wire=self.wire())
        self.counter = Counter(None)
        services: Any = SimpleNamespace(counter=self.counter, netlink=None, clock=lambda: 0.0)
        interface: Any = self.interface
        complaints: Any = None
        self.advertiser = Advertiser(config, interface, services, complaints)
        self.machine = Machine(parameters(CONFIG, (OURS,)))
        self.machine.mode, self.machine.due = Mode.MASTER, 0.0

    def wire(self, mac: bytes = bytes(6)) -> Any:
        def frame(to: bytes, packet: bytes) -> bytes:
            return to + mac + b"\x08\x00" + packet

        return SimpleNamespace(mac=mac, frame=frame, send=self.sent.append)

    def prepare(self) -> None:
        self.advertiser.prepare(self.machine, 1.0)

    def send(self, advbase: int = 1, advskew: int = 0) -> Advertisement:
        """What left; it has to be authentic."""
        assert self.advertiser.send(advbase, advskew, self.machine.parameters)
        ad = decode(self.sent[-1][ETHERNET_HEADER:], {1: MULTICAST})
        assert isinstance(ad, Advertisement)
        assert self.advertiser.passwords.doubts(ad, (), [0]) is None
        return ad


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_it_is_signed_once_however_many_turns_pass(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed: list[int] = []
    sign = stage.advertiser.passwords.sign

    def counted(sequence: int, *rest: Any) -> list[tuple[int, bytes]]:
        signed.append(sequence)
        return sign(sequence, *rest)

    monkeypatch.setattr(stage.advertiser.passwords, "sign", counted)
    for _ in range(3):
        stage.prepare()
    first = stage.send()
    assert len(signed) == 1
    stage.prepare()
    assert stage.send().counter > first.counter
    assert len(signed) == 2


def test_it_is_signed_again_when_it_says_something_else(stage: Stage) -> None:
    stage.prepare()
    ad = stage.send(255, 255)
    assert (ad.advbase, ad.advskew) == (255, 255)
    stage.prepare()
    stage.machine.parameters = replace(stage.machine.parameters, advskew=7)
    stage.prepare()
    assert stage.send(1, 7).advskew == 7


def test_it_is_signed_again_on_another_card(stage: Stage) -> None:
    stage.prepare()
    stage.interface.wire = stage.wire(b"\x02" * 6)
    stage.prepare()
    stage.send()
    assert stage.sent[-1][6:12] == b"\x02" * 6


def test_it_is_signed_again_when_the_guard_has_spoken_meanwhile(stage: Stage) -> None:
    stage.prepare()
    guards = stage.counter.of(1).last
    stage.counter.of(1).skip(guards)
    stage.prepare()
    tags = stage.advertiser.passwords
    guards_counter, _ = tags.sign(guards, by_address(OURS), (255, 255, 0))[0]
    assert stage.send().counter > guards_counter


def test_it_is_signed_again_when_another_host_has_shown_another_form() -> None:
    """FreeBSD takes none but its own, and may speak between the two."""
    local = IPv6Interface("fe80::154/128")
    stage = Stage(replace(CONFIG, addresses=(*CONFIG.addresses, local)))
    stage.prepare()
    theirs = Digest(b"love", 1, [VIP.ip, local.ip])
    with_it = Keyed(b"love", hash_input(1, VIP.ip.packed + local.ip.packed, 5))(b"")
    assert theirs.verify(5, with_it)
    ad = Advertisement(IPv4Address("192.0.2.2"), MULTICAST, 1, 1, 0, 0, 5, with_it)
    assert stage.advertiser.doubts(ad, ()) is None
    stage.prepare()
    sent = stage.send()
    assert theirs.sign(sent.counter) == sent.digest
