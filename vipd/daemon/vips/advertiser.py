"""What a VIP says on the network: signed advertisements, and announcements of its addresses."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from errno import EPERM
from functools import partial

from vipd.carp.host import Address
from vipd.carp.machine import Machine
from vipd.carp.packet import MULTICAST_IPV6, Advertisement, Drop, Envelope
from vipd.carp.parameters import Parameters
from vipd.carp.rank import BOW_OUT
from vipd.carp.timing import master_down
from vipd.config.fields import PASSWORD_KEYS
from vipd.config.model import VipConfig
from vipd.daemon.cleanup.wills import Final
from vipd.daemon.diagnosis.problems import RateLimitedProblems
from vipd.daemon.vips.direct import targets
from vipd.daemon.vips.interface import Interface
from vipd.daemon.vips.outbox import Departed
from vipd.daemon.vips.passwords import Passwords
from vipd.daemon.vips.services import Services
from vipd.linux.addresses import AnyAddress
from vipd.linux.announce import announcement, announcement_to
from vipd.linux.family import family_of, multicast_mac
from vipd.linux.links import Link
from vipd.linux.sysctls import forwards_ipv6
from vipd.linux.unicast import NO_WAY
from vipd.linux.wire import BROADCAST, Wire


@dataclass(frozen=True, slots=True)
class _Way:
    """``destination``, and the part of a frame to it, or of a packet that the kernel routes, that
    stays the same."""

    destination: Address
    envelope: Envelope


class Advertiser:
    """Signs and sends for one VIP. What cannot be sent is a problem, reported once a minute."""

    def __init__(
        self,
        config: VipConfig,
        interface: Interface,
        services: Services,
        complaints: RateLimitedProblems,
    ) -> None:
        self._interface = interface
        self._sequence = services.counter.of(config.vhid)
        self._last = [0]  # counters of our last advertisement, by each password
        self._complaints = complaints
        self._netlink = services.netlink
        self._clock = services.clock
        self._unreachable: set[Address] = set()
        self._config = config
        self._ways: tuple[_Way, ...] = ()
        self._ways_of: tuple[Parameters, bytes] | None = None  # whose these are, with which MAC
        self._outbox = services.outbox
        self.passwords = Passwords(config)

    def change(self, config: VipConfig) -> None:
        """Go on with another configuration."""
        if config.passwords != self._config.passwords:
            self._warn_of_the_cut_off(config)
            self.passwords = Passwords(config)
        self._config, self._ways_of = config, None
        for peer in self._unreachable.difference(config.peers or ()):
            self._unreachable.discard(peer)
            self._complaints.forget(("peer", peer))

    def heard(self, sequence: int) -> None:
        """Another host has got as far as that: we go on behind it."""
        self._sequence.skip(sequence)

    def doubts(self, ad: Advertisement, sources: Collection[Address]) -> Drop | None:
        """Why an advertisement is not to be believed; None if it is. ``sources``: our own."""
        return self.passwords.doubts(ad, sources, self._last)

    def post(self, ours: Parameters, departed: Departed) -> bool:
        """Say the usual together with other VIPs; False: that cannot be, see `send`."""
        wire = self._interface.wire
        if wire is None or self._config.peers is not None:
            return False
        made = self._made(wire, ours, ours.words, next(self._sequence))
        self._outbox.post(wire, [data for _, data in made], departed)
        return True

    def send(
        self, advbase: int, advskew: int, ours: Parameters, lapsed: Callable[[], bool]
    ) -> bool | None:
        """Whether the advertisement left. None: not all of it was tried, because our lease has
        ``lapsed``: what was decided before a stop is not said after it, because another host may
        own by then."""
        wire = self._interface.wire
        if wire is None:
            return False
        words = advbase, advskew, ours.demotion
        left = False
        for destination, data in self._made(wire, ours, words, next(self._sequence)):
            if lapsed():
                return None
            try:
                if self._config.peers is None:
                    wire.send(data)
                else:
                    self._interface.unicast.send(data, destination, self._interface.index)
                left = True
            except OSError as error:
                if self._config.peers is not None and error.errno in NO_WAY:
                    left = True
                    self._no_way(destination, error)
                else:
                    self.cannot_send(error)
            else:
                if self._unreachable and destination in self._unreachable:
                    self._unreachable.discard(destination)
                    self._complaints.forget(("peer", destination))
        return left

    def _made(
        self, wire: Wire, ours: Parameters, words: tuple[int, int, int], sequence: int
    ) -> list[tuple[Address, bytes]]:
        """An advertisement in each family, or for each of PEERS, and with each password: where it
        goes to, and the frame, or the packet that the kernel routes. Both families have the same
        counter, as with OpenBSD."""
        if self._ways_of != (ours, wire.mac):
            self._ways, self._ways_of = tuple(self._find_ways(wire, ours)), (ours, wire.mac)
        signed = self.passwords.sign(sequence, ours.host, words)
        self._last = [counter for counter, _ in signed]
        return [
            (way.destination, way.envelope.around(words, counter, digest))
            for way in self._ways
            for counter, digest in signed
        ]

    def final(self, machine: Machine, sequence: int) -> Final | None:
        """The final advertisement that is sent on our behalf when the daemon is killed; None when
        the interface is not there."""
        if (wire := self._interface.wire) is None:
            return None
        ours = machine.parameters
        last = self._last  # it is not ours until the guard sends it
        made = self._made(wire, ours, (*BOW_OUT, ours.demotion), sequence)
        self._last, data = last, [each for _, each in made]
        if self._config.peers is None:
            return Final(wire.interface, data)
        return Final(wire.interface, packets=data)

    def announce(
        self,
        place: Callable[[AnyAddress], Link | None],
        only: Collection[AnyAddress] | None = None,
        *,
        reply: bool = False,
    ) -> None:
        """Announce all addresses, or ``only`` these of them, each at the interface that has it
        (``place``; None: ours), to all hosts there and to each of ANNOUNCE_TO. ``reply``: by ARP
        replies."""
        wire = self._interface.wire
        if wire is None:
            return
        hosts: dict[str, list[tuple[AnyAddress, bytes]]] = {}
        for address in self._config.moving:
            if only is not None and address.ip not in only:
                continue
            name, mac, index = wire.interface, wire.mac, self._interface.index
            if (link := place(address.ip)) and link.index != index:
                name, mac, index = link.name, link.mac, link.index
            router = address.version == 6 and forwards_ipv6(name)
            if name not in hosts:
                hosts[name] = list(targets(self._config, name, index, self._netlink))
            frames = [announcement(address.ip, mac, reply=reply, router=router)]
            frames += [
                announcement_to(host, its_mac, address.ip, mac, router=router)
                for host, its_mac in hosts[name]
                if host.version == address.version
            ]
            try:
                for frame in frames:
                    wire.send_frame(frame, name)
            except OSError as error:
                self.cannot_send(error)

    def _find_ways(self, wire: Wire, ours: Parameters) -> Iterator[_Way]:
        config = self._config
        for source in ours.sources:
            group = config.mcast if source.version == 4 else MULTICAST_IPV6
            for to in (group,) if config.peers is None else config.peers:
                if to.version == source.version and to not in ours.sources:
                    header = b""  # the kernel routes
                    if config.peers is None:
                        header = wire.header(self._mac(to), family_of(to))
                    yield _Way(to, Envelope(config.vhid, source, to, ours.host, header))

    def _warn_of_the_cut_off(self, config: VipConfig) -> None:
        """Masters that have just signed with nothing but a password that is not there any more."""
        names = zip(PASSWORD_KEYS, self._config.passwords, strict=False)
        gone = {name for name, password in names if password not in config.passwords}
        since = self._clock() - master_down(config.advbase, config.advskew, config.deadratio)
        for signer in self.passwords.signers:
            if signer.signs_with in gone and signer.at >= since:
                text = (
                    f"{signer.source} signs only with the password that was removed here: both "
                    "will own the address. Write that password into PASSWORD_ALSO until that host "
                    "has the new one, see docs/passwords.md"
                )
                self._complaints.say(("password", signer.source), partial(str, text))

    def _mac(self, group: Address) -> bytes:
        """The Ethernet address of advertisements to this group."""
        return BROADCAST if self._config.nomcast else multicast_mac(group)

    def _no_way(self, peer: Address, error: OSError) -> None:
        """The network does not lead to one of PEERS. That is no failure of ours: where the network
        is in two parts, each has an owner, as with multicast."""
        self._unreachable.add(peer)
        self._complaints.say(
            ("peer", peer),
            lambda: (
                f"nothing can be sent to {peer} of PEERS: {error.strerror}; see `ip route get "
                f"{peer}`. If that host runs, both own the address"
            ),
        )

    def cannot_send(self, error: OSError) -> None:
        """Report what did not leave."""
        filtered = "; a packet filter of this host drops protocol 112: see `nft list ruleset`"
        cure = filtered if error.errno == EPERM else ""
        self._complaints.say(
            "send", lambda: f"cannot send on {self._interface.name}: {error}{cure}"
        )
