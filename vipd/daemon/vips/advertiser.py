"""What a VIP says on the network: signed advertisements, and announcements of its addresses."""

from collections.abc import Callable, Collection

from vipd.carp.digest import Digest
from vipd.carp.host import Address
from vipd.carp.packet import Advertisement, Drop, encode
from vipd.carp.parameters import Parameters
from vipd.carp.rank import BOW_OUT
from vipd.config.model import VipConfig
from vipd.daemon.diagnosis.problems import RateLimitedProblems
from vipd.daemon.vips.counter import Counter
from vipd.daemon.vips.interface import Interface
from vipd.linux.addresses import AnyAddress
from vipd.linux.announce import announcement
from vipd.linux.links import Link
from vipd.linux.wire import BROADCAST, multicast_mac


class Advertiser:
    """Signs and sends for one VIP. What cannot be sent is a problem, reported once a minute."""

    def __init__(
        self,
        config: VipConfig,
        interface: Interface,
        counter: Counter,
        complaints: RateLimitedProblems,
    ) -> None:
        self._interface = interface
        self._counter = counter
        self._last = 0  # counter of our last advertisement
        self._complaints = complaints
        self.change(config)

    def change(self, config: VipConfig) -> None:
        """Go on with another configuration."""
        self._config = config
        addresses = [a.ip for a in config.addresses]
        self._digest = Digest(config.password.get_secret_value(), config.vhid, addresses)

    def doubts(self, ad: Advertisement, sources: Collection[Address]) -> Drop | None:
        """Why an advertisement is not to be believed; None if it is. ``sources``: our own."""
        return self._digest.doubts(ad, sources, self._last)

    def send(self, advbase: int, advskew: int, ours: Parameters) -> bool:
        """Whether the advertisement left."""
        wire = self._interface.wire
        if wire is None:
            return False
        self._last = next(self._counter)
        packet = self._packet(advbase, advskew, ours, self._last)
        try:
            wire.send_ipv4(self._destination(), packet)
        except OSError as error:
            self._cannot_send(error)
            return False
        return True

    def final(self, ours: Parameters, counter: int) -> tuple[str, bytes] | None:
        """Interface and frame of the final advertisement that is sent on our behalf when the daemon
        is killed; None when the interface is not there."""
        if (wire := self._interface.wire) is None:
            return None
        packet = self._packet(*BOW_OUT, ours, counter)
        return wire.interface, wire.frame_ipv4(self._destination(), packet)

    def announce(
        self,
        place: Callable[[AnyAddress], Link | None],
        only: Collection[AnyAddress] | None = None,
        *,
        reply: bool = False,
    ) -> None:
        """Announce all addresses, or ``only`` these of them, each at the interface that has it
        (``place``; None: ours). ``reply``: by ARP replies."""
        wire = self._interface.wire
        if wire is None:
            return
        for address in self._config.addresses:
            if only is not None and address.ip not in only:
                continue
            link = place(address.ip)
            try:
                if link is None or link.index == self._interface.index:
                    wire.send_frame(announcement(address.ip, wire.mac, reply=reply))
                else:
                    wire.send_frame(announcement(address.ip, link.mac, reply=reply), link.name)
            except OSError as error:
                self._cannot_send(error)

    def _packet(self, advbase: int, advskew: int, ours: Parameters, counter: int) -> bytes:
        config = self._config
        signature = self._digest.sign(counter)
        return encode(
            Advertisement(
                ours.source,
                config.mcast,
                config.vhid,
                advbase,
                advskew,
                ours.demotion,
                counter,
                signature,
            )
        )

    def _destination(self) -> bytes:
        return BROADCAST if self._config.nomcast else multicast_mac(self._config.mcast)

    def _cannot_send(self, error: OSError) -> None:
        self._complaints.say("send", lambda: f"cannot send on {self._interface.name}: {error}")
