"""Who else in the network segment has our addresses: asked about once a minute, and heard."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from math import ceil
from operator import itemgetter
from typing import Protocol

from vipd.linux.addresses import AnyAddress
from vipd.linux.announce import probe, solicitation
from vipd.linux.neighbours import Neighbours
from vipd.linux.wire import Wire


class Owner(Protocol):
    """A VIP, as far as its addresses are concerned."""

    @property
    def owns(self) -> bool: ...

    @property
    def owns_alone(self) -> bool: ...

    def claimed(self, address: AnyAddress, mac: bytes) -> None: ...


@dataclass(slots=True)
class Advertiser:
    """A host that advertises groups that are not ours. ``mac`` is what it answers ARP with, empty
    until it has."""

    address: AnyAddress
    vhids: set[int] = field(default_factory=set)
    mac: bytes = b""


class Neighbourhood:
    """The ARP side of one interface.

    Two hosts that were given the same address but another VHID never hear each other, and two
    kernels never complain. So an owner asks for its own addresses (an ARP probe), a moment after it
    has become master for good and then once a minute. Who claims one is looked for with `survey`:
    for a few seconds, once a minute at most, all VHIDs are heard.

    ARP is read a few packets at a time, with pauses, and each costs one look-up: somebody who
    floods us takes a small part of a processor, and the kernel drops the rest.
    """

    PROBE_EVERY = 60.0  # seconds between two probes for one address, more if there are over 480
    _PROBES = 8  # in one second, on an average
    #: Seconds from one look at the owners to the next: while one of them has not been probed yet,
    #: and otherwise.
    _LOOK, _LOOK_SELDOM = 1.0, 5.0
    #: Seconds after each read for which ARP waits in the socket: 64 packets in each.
    _READ_PAUSE = 0.05
    SURVEY = 4.0  # seconds; most hosts advertise once a second
    _SURVEY_EVERY = 60.0
    _ADVERTISERS = 16  # hosts that one survey remembers, and asks for their MAC

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        own_macs: Callable[[], Collection[bytes]],
        sources: Callable[[], Collection[AnyAddress]],
        listen: Callable[[], None],
    ) -> None:
        """``own_macs``: of all interfaces of this host, because one of them may answer for another
        in the same segment. ``sources``: the host's own addresses on this one. ``listen``: called
        when `surveying` changes."""
        self._loop = loop
        self._own_macs = own_macs
        self._sources = sources
        self._listen = listen
        self._wire: Wire | None = None
        self._socket: Neighbours | None = None
        self._owners: Mapping[AnyAddress, Owner] = {}
        self._probed: dict[AnyAddress, float] = {}
        #: The owners that were alone, by id; None: there are others now.
        self._probed_for: set[int] | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._survey: asyncio.TimerHandle | None = None
        self._surveyed = -self._SURVEY_EVERY
        self._advertisers: dict[AnyAddress, Advertiser] = {}

    @property
    def surveying(self) -> bool:
        """Whether all VHIDs are to be heard, for `heard`."""
        return self._survey is not None

    def open(self, wire: Wire) -> None:
        """Send through ``wire`` from now on; ARP is heard after `watch`."""
        self._wire = wire

    def close(self) -> None:
        for timer in (self._ticking, self._survey):
            if timer:
                timer.cancel()
        self._ticking = self._survey = self._wire = None
        if self._socket:
            self._pause_reading(self._socket)
            self._socket.close()
            self._socket = None

    def watch(self, owners: Mapping[AnyAddress, Owner]) -> None:
        """Whose addresses these are. Raises OSError when ARP cannot be heard for all of them; it
        may be tried again."""
        self._owners, self._probed_for = owners, None
        if self._wire is None:
            return
        if self._socket is None:
            self._socket = Neighbours(self._wire.interface)
        self._watch(self._socket)

    def _watch(self, heard: Neighbours) -> None:
        """Raises OSError; what can be heard is."""
        try:
            heard.watch({*self._owners, *self._advertisers})
        finally:
            self._listen_again(heard)

    # Asking

    def probe(self, address: AnyAddress) -> None:
        """Ask who has this address; a host that does answers."""
        if self._wire and (frame := self._question(address, self._wire.mac)):
            with suppress(OSError):  # advertisements, which matter, report it
                self._wire.send_frame(frame)

    def _question(self, address: AnyAddress, mac: bytes) -> bytes | None:
        if isinstance(address, IPv4Address):
            return probe(address, mac)
        own = (each for each in self._sources() if isinstance(each, IPv6Address))
        source = next((each for each in own if each.is_link_local), None)
        return solicitation(address, mac, source) if source else None

    def look_after(self) -> None:
        """A VIP has become an owner: ask about its addresses for as long as there is one."""
        self._look_in(self._LOOK)

    def _look_in(self, pause: float) -> None:
        at = self._loop.time() + pause
        if self._ticking and at < self._ticking.when():
            self._ticking.cancel()
            self._ticking = None
        if self._ticking is None and self._wire:
            self._ticking = self._loop.call_at(at, self._tick, pause)

    def _tick(self, passed: float) -> None:
        """``passed``: seconds since there was a reason to look."""
        self._ticking = None
        owners = {id(owner): owner for owner in self._owners.values() if owner.owns}
        alone = {key for key, owner in owners.items() if owner.owns_alone}
        now = self._loop.time()
        if alone != self._probed_for:  # to look one address up takes a microsecond
            self._probed_for, before = alone, self._probed
            self._probed = {
                address: before.get(address, -self.PROBE_EVERY)
                for address, owner in self._owners.items()
                if id(owner) in alone
            }
        for address in self._due(now, passed):
            self._probed[address] = now
            self.probe(address)
        if owners:
            settled = len(alone) == len(owners) and not any(at < 0 for at in self._probed.values())
            self._look_in(self._LOOK_SELDOM if settled else self._LOOK)

    def _due(self, now: float, passed: float) -> Iterator[AnyAddress]:
        """Those for which it is time; spread over the minute from the second round on."""
        most = int(self._PROBES * passed)
        oldest = sorted(self._probed.items(), key=itemgetter(1))[:most]
        new = sum(at < 0 for at in self._probed.values())
        share = ceil(len(self._probed) * passed / self.PROBE_EVERY)
        for number, (address, at) in enumerate(oldest):
            if now - at >= self.PROBE_EVERY and number < max(share, new):
                yield address

    # Hearing

    def _readable(self) -> None:
        heard = self._socket
        if heard is None:
            return
        own = self._own_macs()
        for address, mac in heard.receive():
            if mac in own:
                continue
            if (advertiser := self._advertisers.get(address)) and not advertiser.mac:
                advertiser.mac = mac
            if owner := self._owners.get(address):
                owner.claimed(address, mac)
        if self._socket is heard:
            self._pause_reading(heard)
            self._loop.call_later(self._READ_PAUSE, self._listen_again, heard)

    def _listen_again(self, heard: Neighbours) -> None:
        if self._socket is heard:
            for file in heard.filenos():
                self._loop.add_reader(file, self._readable)

    def _pause_reading(self, heard: Neighbours) -> None:
        for file in heard.filenos():
            self._loop.remove_reader(file)

    # Looking for who it is

    def survey(self) -> None:
        """Find out which hosts advertise other groups, in the next `SURVEY` seconds; not if that
        was done in the last minute, which is as good."""
        now = self._loop.time()
        if self._survey or now - self._surveyed < self._SURVEY_EVERY:
            return
        self._surveyed = now
        self._advertisers = {}
        self._survey = self._loop.call_later(self.SURVEY, self._end_survey)
        self._listen()

    def _end_survey(self) -> None:
        self._survey = None
        self._listen()

    def heard(self, source: AnyAddress, vhid: int) -> None:
        """Somebody advertises a group that is not ours."""
        advertiser = self._advertisers.get(source)
        if advertiser is None:
            if len(self._advertisers) >= self._ADVERTISERS or not self._socket:
                return
            advertiser = self._advertisers[source] = Advertiser(source)
            try:
                self._watch(self._socket)
            except OSError:
                return  # then it stays without a MAC
            self.probe(source)
        advertiser.vhids.add(vhid)

    def advertiser(self, mac: bytes) -> Advertiser | None:
        """The host with this MAC, if the last survey found it."""
        return next((each for each in self._advertisers.values() if each.mac == mac), None)
