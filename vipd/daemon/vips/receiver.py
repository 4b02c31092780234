"""Takes in the packets of an interface, and gives each advertisement to its VIP."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from time import thread_time
from typing import Protocol

from vipd.carp.host import Address
from vipd.carp.machine import Machine
from vipd.carp.packet import MULTICAST_IPV6, Advertisement, Drop, decode
from vipd.config.model import VipConfig
from vipd.daemon.diagnosis.dropped import DroppedPackets
from vipd.daemon.diagnosis.neighbourhood import Owner
from vipd.daemon.diagnosis.problems import RateLimitedProblems
from vipd.daemon.vips.expectations import GATHER, RECENT, Expectations
from vipd.linux.family import ETHERNET_HEADER, IPV4, IPV6, Family
from vipd.linux.links import Loss
from vipd.linux.wire import BATCH, Wire, sender_of

#: Seconds for which a socket with more than one packet waiting is left alone after a read.
_BURST_PAUSE = 0.002
#: Seconds for which packets are read at a stretch, so that timers get their turn in a flood; and
#: after we did not run for a while: a full socket takes as long.
_READ_AT_MOST = 0.005
_CATCH_UP_AT_MOST = 0.1
_CATCH_UP_PACKETS = 16_384  # more than a socket holds
_IPV6 = IPV6.ethertype.to_bytes(2, "big")
#: Hosts that have a socket of their own, and how often one makes room for another, seconds.
_TRUSTED = 16
_TRUST_EVERY = 60.0


class AddressMember(Protocol):
    """See `vipd.daemon.vips.address_watch.AddressWatch`."""

    def gained(self, indexes: Collection[int]) -> None: ...

    def lost(self, losses: Sequence[Loss]) -> None: ...

    def look_again(self) -> None: ...

    def extras_changed(self) -> None: ...


class Member(Protocol):
    """What an interface needs to know of a VIP."""

    config: VipConfig
    machine: Machine

    @property
    def addresses(self) -> AddressMember: ...

    @property
    def conflicts(self) -> Owner: ...

    def received(self, ad: Advertisement, now: float, came: float) -> Drop | None:
        """It counts from ``now``. ``came``: when the kernel got it; 0: it did not say."""

    def link_changed(self) -> None: ...


class Receiver:
    """Reads for a bounded time, so that timers get their turn in a flood. Hosts that have sent an
    authentic advertisement are trusted: they have a socket of their own, which is read first.

    Where there are many groups, what trusted hosts say again and again (`Expectations`) waits for
    `GATHER` seconds, so that many packets cost one wake-up. It counts from when it came. Anything
    else is read at once, and what waits is read before a backup takes its master for silent.

    ``listen`` sets the filter of the sockets again when other packets are to be sampled; ``give``
    gives the hosts with these MAC addresses that socket.
    """

    def __init__(
        self,
        name: str,
        loop: asyncio.AbstractEventLoop,
        members: Mapping[int, Member],
        dropped: DroppedPackets,
        complaints: RateLimitedProblems,
        listen: Callable[[Wire], bool],
        give: Callable[[tuple[bytes, ...]], None],
    ) -> None:
        #: Where the advertisements of each VHID are sent to, in each family: a multicast group, or
        #: us. Who is heard, for VHIDs that have PEERS.
        self.groups: dict[Family, dict[int, Address]] = {IPV4: {}, IPV6: {}}
        self.peers: dict[int, frozenset[bytes]] = {}
        self._name = name
        self._loop = loop
        self._members = members
        self._dropped = dropped
        self._complaints = complaints
        self._listen = listen
        self._give = give
        self._wire: Wire | None = None
        self._expectations = Expectations(loop, members, self.look)
        self._files: set[int] = set()  # that wake us up
        self._gathering: asyncio.TimerHandle | None = None
        self._known_read_at = 0.0
        self._more = False  # whether the last read left packets behind, as far as we know
        self._trusted: list[bytes] = []  # MAC addresses of hosts that know a password
        self._trusted_at = 0.0

    def follow(self) -> None:
        """The members are not what they were."""
        members = self._members.values()
        self.groups = {family: dict(_destinations(members, family)) for family in (IPV4, IPV6)}
        self.peers = {
            member.config.vhid: frozenset(peer.packed for peer in member.config.peers)
            for member in members
            if member.config.peers is not None
        }

    def open(self, wire: Wire) -> None:
        """Read from these sockets, until `close`."""
        self._wire = wire
        self._trusted = []
        self._expectations.open(wire)
        self.look()

    def look(self) -> None:
        """Read from the sockets that there are by now, and from no others."""
        if wire := self._wire:
            self._stop_gathering()
            self._pause()
            self._listen_again(wire)

    def close(self) -> None:
        """Read no more; the sockets are still open."""
        self._expectations.close()
        self._stop_gathering()
        self._pause()
        self._wire = None

    def changed(self) -> None:
        """The state of a member is not what it was, so that it expects to hear something else."""
        self._expectations.look_soon(moved=True)

    # When to read

    def _listen_again(self, wire: Wire) -> None:
        if self._wire is not wire:
            return
        known, urgent = wire.known_filenos(), wire.urgent_filenos()
        self._on(wire.other_filenos(), self._readable)
        self._on(urgent, self._rang)
        if not urgent:
            self._on(known, self._readable)
        elif self._gathering is None:
            self._on(known, self._arrived)

    def _on(self, files: Collection[int], call: Callable[[], None]) -> None:
        for file in files:
            self._loop.add_reader(file, call)
        self._files.update(files)

    def _pause(self) -> None:
        for file in self._files:  # some may be closed
            self._loop.remove_reader(file)
        self._files.clear()

    def _readable(self) -> None:
        """Take in what has come, for a bounded time."""
        wire = self._wire
        if wire and self._read(wire, _READ_AT_MOST) > 1 and self._wire is wire:
            # A burst: hundreds of groups, or somebody who floods us. Let some come together.
            self._pause()
            self._loop.call_later(_BURST_PAUSE, self._listen_again, wire)

    def _rang(self) -> None:
        """A known host has said something that is not expected. The kernel tells each socket by
        itself, so it may have been early with this one."""
        self._readable()
        if self._wire:
            self._gather_in(_BURST_PAUSE)

    def _arrived(self) -> None:
        """A known host has said something that can wait, unless the last read left some behind:
        that is not known to be something that can."""
        if wire := self._wire:
            for file in wire.known_filenos():
                self._loop.remove_reader(file)
            if self._gathering is None:
                self._gather_in(_BURST_PAUSE if self._more else GATHER)

    def _gather_in(self, seconds: float) -> None:
        self._stop_gathering()
        self._gathering = self._loop.call_later(seconds, self._gather)

    def _stop_gathering(self) -> None:
        if self._gathering:
            self._gathering.cancel()
        self._gathering = None

    def _gather(self) -> None:
        self._gathering = None
        if wire := self._wire:
            self._read(wire, _READ_AT_MOST, others=False)
            self._listen_again(wire)

    def read_before(self, now: float) -> None:
        """Take in what waits from known hosts, unless that was done since ``now``: somebody is
        about to be taken for silent."""
        wire = self._wire
        if wire and self._known_read_at < now and wire.urgent_filenos():
            self._read(wire, _READ_AT_MOST, others=False)

    def catch_up(self) -> None:
        """Take in all that has come while we did not run; for a bounded time, too."""
        if self._wire:
            self._read(self._wire, _CATCH_UP_AT_MOST, _CATCH_UP_PACKETS)

    def _read(self, wire: Wire, seconds: float, most: int = BATCH, *, others: bool = True) -> int:
        """How many packets were taken in, in so many seconds of our own: a stop in between does not
        count, because what waits then is what has to be heard. Those of known hosts come first."""
        clock = self._loop.time
        self._known_read_at = now = clock()
        end = thread_time() + seconds
        gathered = bool(wire.urgent_filenos())
        packets = 0
        self._more = False
        try:
            wire.hush()
            for known in (True, False) if others else (True,):
                for some in wire.receive(known=known, most=most):
                    for frame, came in some:
                        # Read for each packet: after a stop in between, deadlines that follow from
                        # an older time would be past already, and a backup would take over.
                        now = clock()
                        heard = came if gathered and now - RECENT <= came <= now else now
                        self._received(frame, heard, came, known)
                    packets += len(some)
                    if thread_time() >= end:
                        self._more = True
                        break
        except OSError as error:
            why = str(error)
            self._complaints.say("receive", lambda: f"{self._name}: cannot receive: {why}", "error")
        self._more = self._more or packets >= most
        if self._more and gathered and self._wire is wire:
            self._gather_in(_BURST_PAUSE)  # what is left will not ring again
        if self._dropped.sampling.changed(now):
            self._listen(wire)
        if others or not gathered:
            self._expectations.look_soon(packets)
        return packets

    def _received(self, frame: bytes, now: float, came: float, known: bool) -> None:
        packet = frame[ETHERNET_HEADER:]
        family = IPV6 if frame[12:14] == _IPV6 else IPV4
        ad = decode(packet, self.groups[family], self.peers)
        if isinstance(ad, Drop):
            self._dropped.add(ad, packet)
            return
        member = self._members.get(ad.vhid)
        drop = member.received(ad, now, came) if member else Drop.VHID
        if drop:
            self._dropped.add(drop, packet)
        elif not known:
            self._trust(sender_of(frame), now)

    def _trust(self, mac: bytes, now: float) -> None:
        """A host that knows a password is heard whatever others send. When there are more than we
        can keep apart, the one that came first makes room for the newest, once a minute."""
        if self._wire is None or mac in self._trusted:
            return  # it was sent before we trusted it
        if len(self._trusted) >= _TRUSTED:
            if now - self._trusted_at < _TRUST_EVERY:
                return
            del self._trusted[0]
        self._trusted_at = now
        self._trusted.append(mac)
        self._give(tuple(self._trusted))


def _destinations(members: Iterable[Member], family: Family) -> Iterator[tuple[int, Address]]:
    """Where the advertisements of each VHID are sent to, in this family."""
    for member in members:
        config = member.config
        if config.peers is not None:
            own = member.machine.parameters.sources
            yield from ((config.vhid, each) for each in own if each.version == family.version)
        elif family.version in config.families:
            yield config.vhid, config.mcast if family is IPV4 else MULTICAST_IPV6
