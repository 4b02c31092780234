"""Every host's cable to every other: what is sent arrives, later, twice, or not at all."""

from collections import Counter
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from sim.host import Host
from sim.seat import Seat
from vipd.carp import host as hosts
from vipd.carp.packet import Advertisement

if TYPE_CHECKING:
    from sim.world import World

_GROUP = IPv4Address("224.0.0.18")
#: What gets lost of what a noisy host sends and is sent.
_NOISE = 0.8
#: So many packets wait in the socket of a process that does not run.
_SOCKET = 500


class Network:
    def __init__(self, world: "World") -> None:
        self._agenda = world.agenda
        self._random = world.random.random
        self._weather = world.scenario.weather
        self._delay_range = self._weather.slowest - self._weather.fastest
        self._lost: Counter[tuple[int, int, int, int]] = Counter()  # in a row
        self._families = (4, 6) if world.scenario.both else (4,)
        self._ads: dict[tuple[int, int, int, int, int, int], Advertisement] = {}

    def send(
        self, seat: Seat, advbase: int, advskew: int, signed: tuple[int, int] | None = None
    ) -> bool:
        """Whether it left. ``signed``: counter and byte 4 of what was made earlier."""
        host = seat.host
        if host.mute or not host.linked:
            return False
        counter, byte_4 = signed or (seat.counter(), seat.byte_4)
        if seat.interval != seat.spoke[0]:
            seat.spoke = seat.interval, seat.spoke[0]
        for family in self._families:
            key = (host.number, seat.group, advbase, advskew, byte_4, family)
            words = self._ads.get(key)
            if words is None:
                words = self._ads[key] = self._words(host, *key[1:])
            self._send(seat, words._replace(counter=counter), family)
        return True

    def _words(
        self, host: Host, group: int, advbase: int, advskew: int, demotion: int, family: int
    ) -> Advertisement:
        ad = advertisement(host.source, group, advbase, advskew, demotion)
        if len(self._families) == 1:
            return ad
        if family == 4:  # `vipd.daemon.vips.both_families` does that on the receiving side
            return ad._replace(host=hosts.in_both(host.source))
        source = IPv6Address(f"fe80::{host.number + 1}")
        no_label = host.plan.kind != "vipd"
        named = hosts.by_address(source) if no_label else hosts.in_both(host.source)
        return ad._replace(source=source, host=named)

    def _send(self, seat: Seat, ad: Advertisement, family: int) -> None:
        host = seat.host
        for other in host.reaches:
            if family in other.lost_families:
                continue
            if (self._weather.loss or host.noisy or other.noisy) and self._gets_lost(
                seat, other, family
            ):
                continue
            self._fly(other, ad)
            if self._weather.doubled and self._random() < self._weather.doubled:
                self._fly(other, ad)

    def _gets_lost(self, seat: Seat, other: Host, family: int) -> bool:
        if (seat.host.noisy or other.noisy) and self._random() < _NOISE:
            return True
        key = (seat.host.number, seat.group, other.number, family)
        if self._random() < self._weather.loss and self._lost[key] < self._weather.in_a_row:
            self._lost[key] += 1
            return True
        self._lost[key] = 0
        return False

    def _fly(self, other: Host, ad: Advertisement) -> None:
        delay = self._weather.fastest + self._delay_range * self._random()
        self._agenda.at(self._agenda.now + delay, arrive, other, ad)


def advertisement(
    source: IPv4Address, group: int, advbase: int, advskew: int, demotion: int = 0
) -> Advertisement:
    """The digest is nothing to anybody here."""
    return Advertisement(
        source,
        _GROUP,
        group + 1,
        advbase,
        advskew,
        demotion,
        0,
        bytes(20),
        hosts.by_address(source),
    )


def arrive(host: Host, ad: Advertisement) -> None:
    """A host that stands still loses what comes; a stopped process finds it in its socket."""
    if host.still or not host.linked or not host.running:
        return
    if host.frozen:
        if len(host.waiting) < _SOCKET:
            host.waiting.append((ad, host.clock()))
        return
    host.seats[ad.vhid - 1].hear(ad)
