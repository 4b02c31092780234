"""What a stranger on the network sends."""

import random
import sys
from ipaddress import ip_address

from helpers import forging
from helpers.configured import PASSWORD

from chaos import barrage, frames
from chaos.groups import GROUPS, HOSTS
from chaos.plan import Fault, Kind
from chaos.scene import Act, Players, Scene, Until
from vipd.lab import Host

#: Frames a second in a burst of forged ones, from and to; and of ARP. Seconds that it lasts.
_RATES, _ARP_RATES, _BURST = (5_000, 20_000), (4_000, 10_000), (0.2, 1.0)


class Strangers:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._bursts = {
            Kind.BURST: (scene.directory / "advertisements", _RATES),
            Kind.FLOOD: (scene.directory / "claims", _ARP_RATES),
        }
        self.players: Players = {
            Kind.ARP: self._arp,
            Kind.FORGED: self._forged,
            Kind.BURST: self._burst,
            Kind.FLOOD: self._burst,
            Kind.LOOP: self._loop,
        }

    def open(self) -> None:
        """Write what bursts consist of."""
        for kind, make in ((Kind.BURST, frames.advertisements), (Kind.FLOOD, frames.claims)):
            file, _ = self._bursts[kind]
            file.write_text("\n".join(frame.hex() for frame in make(1)))

    def _arp(self, fault: Fault, _host: Host) -> Act:
        group = self._scene.groups[fault.vhid]
        place = group.places[fault.dice % len(group.places)]
        self._scene.tell(fault, f"a stranger claims {place.address}", group)
        claim, *_ = frames.claim(ip_address(place.address))
        forging.send(self._scene.forger, *[claim] * (1 + fault.dice % 5), interface=place.interface)
        yield from ()

    def _forged(self, fault: Fault, host: Host) -> Act:
        self._scene.tell(fault, f"forged packets in the name of {host.name}")
        dice = random.Random(fault.dice)
        forging.send(self._scene.forger, *(self._nonsense(dice, host) for _ in range(20)))
        yield from ()

    def _nonsense(self, dice: random.Random, host: Host) -> bytes:
        """Something that looks like an advertisement and must be believed by nobody."""
        group = dice.choice(GROUPS)
        if dice.random() < 0.3:
            return dice.choice(frames.advertisements_ipv6(dice, group))
        base, skew = dice.choice(((0, 1), (1, 0), (1, 255), (255, 255)))
        packet = forging.signed(
            source=HOSTS[host.name],
            vhid=group.vhid,
            advbase=base,
            advskew=skew,
            counter=dice.getrandbits(64),
            password=PASSWORD,
            addresses=[place.address for place in group.shared],
        )
        spoilt = dice.choice(
            (
                packet.but(digest=dice.randbytes(20)),
                packet.but(ttl=254),
                packet.but(carp_version=3),
                packet.but(carp_flipped=1),
                packet.but(vhid=group.vhid + 100),
                packet.but(advskew=skew ^ 1, digest=bytes(20)),
            )
        ).build()
        return forging.frame(spoilt[: dice.choice((len(spoilt), dice.randrange(len(spoilt)), 56))])

    def _loop(self, fault: Fault, _host: Host) -> Act:
        with self._scene.told(fault, "loop in the network", "loop gone"):
            mirror = forging.mirror(self._scene.forger)
            yield Until.END
            mirror.kill()

    def _burst(self, fault: Fault, host: Host) -> Act:
        """To all hosts at once, or all of it to one."""
        dice = random.Random(fault.dice)
        file, rates = self._bursts[fault.kind]
        rate, seconds = dice.randint(*rates), dice.uniform(*_BURST)
        alone = host.alive and dice.random() < 0.5
        whom = host.name if alone else "all hosts"
        what = f"{fault.kind.value}: {rate} a second to {whom} for {seconds:.2f} s"
        self._scene.tell(fault, what)
        mac = host.run(["cat", "/sys/class/net/eth1/address"]).stdout.split() if alone else []
        command = [sys.executable, "-I", "-S", barrage.__file__, "eth1", str(file)]
        self._scene.forger.start([*command, str(rate), f"{seconds:.3f}", *mac], name="barrage")
        yield from ()
