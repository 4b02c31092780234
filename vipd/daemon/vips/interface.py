"""One network interface: its sockets, and the VIPs that share it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from time import thread_time
from typing import Protocol

from vipd.api.events import Kind
from vipd.carp.packet import Advertisement, Drop, decode
from vipd.config.model import VipConfig
from vipd.daemon.diagnosis import drops
from vipd.daemon.diagnosis.digest_proof import DigestProof
from vipd.daemon.diagnosis.log_budget import LogBudget
from vipd.daemon.diagnosis.neighbourhood import Neighbourhood
from vipd.daemon.diagnosis.problems import RateLimitedProblem, RateLimitedProblems
from vipd.daemon.diagnosis.sampling import MALFORMED, Sampling
from vipd.daemon.events.hub import Hub, Subject
from vipd.daemon.log.logger import Log
from vipd.linux.addresses import AnyInterface
from vipd.linux.links import Link, Loss
from vipd.linux.wire import BATCH, ETHERNET_HEADER, Wire, sender_of

#: Seconds for which a socket with more than one packet waiting is left alone after a read.
_BURST_PAUSE = 0.002
#: Seconds for which packets are read at a stretch, so that timers get their turn in a flood; and
#: after we did not run for a while: a full socket takes as long.
_READ_AT_MOST = 0.005
_CATCH_UP_AT_MOST = 0.1
_CATCH_UP_PACKETS = 16_384  # more than a socket holds
#: Packets between two looks at the clock of the processor.
_STRIDE = 16
#: Hosts that have a socket of their own, and how often one makes room for another, seconds.
_TRUSTED = 16
_TRUST_EVERY = 60.0
#: Seconds until what the kernel refused is tried again: doubled each time, up to the second value.
_RETRY = (0.5, 30.0)


@dataclass(frozen=True, slots=True)
class Shared:
    """What the whole daemon has one of. ``own_macs``: those of all interfaces of this host."""

    hub: Hub
    budget: LogBudget
    proof: DigestProof
    own_macs: Callable[[], Collection[bytes]]


def shared(
    loop: asyncio.AbstractEventLoop, hub: Hub, own_macs: Callable[[], Collection[bytes]]
) -> Shared:
    return Shared(hub, LogBudget(loop, hub), DigestProof(loop), own_macs)


class Member(Protocol):
    """What an interface needs to know of a VIP."""

    config: VipConfig

    def received(self, ad: Advertisement, now: float) -> Drop | None: ...

    def link_changed(self) -> None: ...

    def address_gained(self, index: int) -> None: ...

    def address_lost(self, loss: Loss) -> None: ...

    def look_again(self) -> None: ...

    @property
    def owns(self) -> bool: ...

    @property
    def owns_alone(self) -> bool: ...

    def claimed(self, address: IPv4Address, mac: bytes) -> None: ...


class Interface:
    """``name``: as it is configured; the kernel may know it as an altname. ``wire`` is there while
    the interface exists and is fit for CARP; else ``problem`` says why it is not. ``present``: the
    addresses on it that others put there, primary ones first."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop, shared: Shared) -> None:
        self.name = name
        self.link: Link | None = None
        self.wire: Wire | None = None
        self.problem = "is not there"
        self.present: Mapping[IPv4Address | IPv6Address, AnyInterface] = {}
        #: By VHID, 0 for those that are nobody's here.
        self.drops: Counter[tuple[int, Drop]] = Counter()
        self._loop = loop
        self._members: dict[int, Member] = {}
        self._groups: dict[int, IPv4Address] = {}
        #: The other readings of our VHIDs, which a peer that gets them wrong may use.
        self._misread: dict[int, int] = {}
        self._log = Log(lambda: {"interface": name})
        self._hub = shared.hub
        self._proof = shared.proof
        self.complaints = RateLimitedProblems(self._complain, loop.time, shared.budget)
        self.neighbourhood = Neighbourhood(loop, shared.own_macs, self._follow_members)
        self._sampling = Sampling()
        self._trusted: list[bytes] = []  # MAC addresses of hosts that know a password
        self._trusted_at = 0.0
        self._stale = False
        # For as long as nothing changes
        self._sources: tuple[IPv4Address, ...] | None = None
        self._owners: dict[IPv4Address | IPv6Address, Member] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._pause = _RETRY[0]

    # The VIPs on it

    def attach(self, member: Member) -> None:
        """Let ``member`` receive what comes for its VHID."""
        self._members[member.config.vhid] = member
        self.members_changed()

    def detach(self, member: Member) -> None:
        if self._members.get(member.config.vhid) is member:
            del self._members[member.config.vhid]
            self.members_changed()

    def members_changed(self) -> None:
        """VHIDs, groups or addresses of the members are not what they were; the sockets follow
        when all that happens at this moment has happened."""
        self._sources = self._owners = None
        if not self._stale:
            self._stale = True
            self._loop.call_soon(self._follow_members)

    def _follow_members(self) -> None:
        self._stale = False
        configs = self._configs()
        self._groups = {config.vhid: config.mcast for config in configs}
        self._misread = {
            config.other_vhid: config.vhid
            for config in configs
            if config.other_vhid and config.other_vhid not in self._groups
        }
        self._set_up()

    def _set_up(self) -> None:
        """Let the sockets hear what our VIPs need. Each step stands for itself: one that the kernel
        refuses (for want of memory, most likely) keeps none of the others from being made, and is
        tried again. Membership comes first: without it a network card passes nothing up."""
        wire = self.wire
        if wire is None:
            return
        configs = self._configs()
        owners = {
            a.ip: member
            for member in self._members.values()
            for a in member.config.addresses
            if isinstance(a.ip, IPv4Address)
        }
        done = [
            self._step(
                "join a multicast group",
                lambda: wire.join({config.mcast for config in configs if not config.nomcast}),
            ),
            self._listen(wire),
            self._step("hear ARP", lambda: self.neighbourhood.watch(owners)),
        ]
        if all(done):
            self._pause = _RETRY[0]
        else:
            self._try_again()

    def _listen(self, wire: Wire) -> bool:
        everything = range(1, 256) if self.neighbourhood.surveying else ()
        vhids = {*self._groups, *self._misread, *everything}
        one_of = self._sampling.weight
        return self._step("listen for all VHIDs", lambda: wire.listen(vhids, one_of))

    def _step(self, what: str, act: Callable[[], None]) -> bool:
        """Whether the kernel did it."""
        kind = "setup", what
        try:
            act()
        except OSError as error:
            why = str(error)
            self.complaints.say(
                kind,
                lambda: (
                    f"{self.name}: cannot {what}: {why}; tried again in {self._pause:g} s. Without "
                    "it other hosts may not be heard: see whether net.core.optmem_max, "
                    "net.ipv4.igmp_max_memberships or the limit of open files is too low"
                ),
                "error",
            )
            return False
        self.complaints.forget(kind)
        return True

    def _try_again(self) -> None:
        if self._retry is None:
            self._retry = self._loop.call_later(self._pause, self._again)
            self._pause = min(2 * self._pause, _RETRY[1])

    def _again(self) -> None:
        self._retry = None
        if self.wire:
            self._set_up()
        elif self.link:
            self.update(self.link, list(self.present.values()))

    # What the kernel says about it

    def update(self, link: Link | None, present: Iterable[AnyInterface]) -> None:
        """The interface is like this now (None: it is gone)."""
        same = link is not None and self.link is not None and link.index == self.link.index
        if self.wire and not (same and self.wire.bound):
            self.close()
        self.link = link
        self.present = {address.ip: address for address in present}
        self._sources = None
        if link is None:
            self.problem = "is not there"
        elif link.unsuitable:
            self.problem = f"{link.unsuitable}, on which CARP cannot run"
        elif self.wire is None:
            self._open(link)
        else:
            self.wire.mac, self.wire.interface = link.mac, link.name
        for member in list(self._members.values()):
            member.link_changed()

    def addresses(self) -> set[IPv4Address | IPv6Address]:
        """The floating addresses of all VIPs on it."""
        return {a.ip for m in self._members.values() for a in m.config.addresses}

    def sources(self) -> tuple[IPv4Address, ...]:
        """The host's own IPv4 addresses on it, the primary ones first."""
        if self._sources is None:
            own = self.present.keys() - self.addresses()
            self._sources = tuple(
                ip for ip in self.present if ip in own and isinstance(ip, IPv4Address)
            )
        return self._sources

    def addresses_gained(self, gained: Iterable[tuple[int, AnyInterface]]) -> None:
        """Others have put these on an interface (by number), an UPSCRIPT most likely."""
        for index, address in gained:
            if member := self._owner(address.ip):
                member.address_gained(index)

    def addresses_lost(self, lost: Iterable[Loss]) -> None:
        """These are not on an interface any more."""
        for loss in lost:
            if member := self._owner(loss.address.ip):
                member.address_lost(loss)

    def look_again(self) -> None:
        """What happened to addresses lately is not known."""
        for member in list(self._members.values()):
            member.look_again()

    def _owner(self, address: IPv4Address | IPv6Address) -> Member | None:
        if self._owners is None:
            self._owners = {a.ip: m for m in self._members.values() for a in m.config.addresses}
        return self._owners.get(address)

    @property
    def index(self) -> int:
        """The interface's number, 0 if it is not there."""
        return self.link.index if self.link else 0

    def close(self) -> None:
        """Give the sockets back."""
        if self._retry:
            self._retry.cancel()
            self._retry = None
        self.neighbourhood.close()
        if self.wire:
            for file in self.wire.filenos():
                self._loop.remove_reader(file)
            self.wire.close()
            self.wire = None

    def _open(self, link: Link) -> None:
        try:
            self.wire = Wire(link.name, link.mac)
        except OSError as error:
            self.problem = f"cannot be opened: {error}; tried again in {self._pause:g} s"
            self._log.error("%s %s", self.name, self.problem)
            self._try_again()
            return
        self.problem = ""
        self._pause = _RETRY[0]
        self.neighbourhood.open(self.wire)
        self._trusted = []
        self._listen_again(self.wire)
        self.members_changed()

    # What comes in

    def readable(self) -> None:
        """Take in what has come, for a bounded time."""
        wire = self.wire
        if wire and self._read(wire, _READ_AT_MOST) > 1 and self.wire is wire:
            # A burst: hundreds of groups, or somebody who floods us. Let some come together.
            for file in wire.filenos():
                self._loop.remove_reader(file)
            self._loop.call_later(_BURST_PAUSE, self._listen_again, wire)

    def catch_up(self) -> None:
        """Take in all that has come while we did not run; for a bounded time, too."""
        if self.wire:
            self._read(self.wire, _CATCH_UP_AT_MOST, _CATCH_UP_PACKETS)

    def _read(self, wire: Wire, seconds: float, most: int = BATCH) -> int:
        """How many packets were taken in, in so many seconds of our own: a stop in between does not
        count, because what waits then is what has to be heard. Those of known hosts come first."""
        clock = self._loop.time
        now = clock()
        end = thread_time() + seconds
        packets = 0
        try:
            for known in (True, False):
                for frame in wire.receive(known=known, most=most):
                    # Read for each packet: after a stop in between, deadlines that follow from an
                    # older time would be past already, and a backup would take over.
                    now = clock()
                    packets += 1
                    self._received(frame, now, known)
                    if not packets % _STRIDE and thread_time() >= end:
                        break
        except OSError as error:
            why = str(error)
            self.complaints.say("receive", lambda: f"{self.name}: cannot receive: {why}", "error")
        if self._sampling.changed(now):
            self._listen(wire)
        return packets

    def _listen_again(self, wire: Wire) -> None:
        if self.wire is wire:
            for file in wire.filenos():
                self._loop.add_reader(file, self.readable)

    def _received(self, frame: bytes, now: float, known: bool) -> None:
        packet = frame[ETHERNET_HEADER:]
        ad = decode(packet, self._groups)
        if isinstance(ad, Drop):
            self._dropped(ad, packet)
            return
        member = self._members.get(ad.vhid)
        drop = member.received(ad, now) if member else Drop.VHID
        if drop:
            self._dropped(drop, packet)
        elif not known:
            self._trust(sender_of(frame), now)

    def _trust(self, mac: bytes, now: float) -> None:
        """A host that knows a password is heard whatever others send. When there are more than we
        can keep apart, the one that came first makes room for the newest, once a minute."""
        if not self.wire or mac in self._trusted:
            return  # it was sent before we trusted it
        if len(self._trusted) >= _TRUSTED:
            if now - self._trusted_at < _TRUST_EVERY:
                return
            del self._trusted[0]
        self._trusted_at = now
        self._trusted.append(mac)
        wire, macs = self.wire, tuple(self._trusted)
        if not self._step("give known hosts a socket of their own", lambda: wire.trust(macs)):
            self._try_again()

    def _dropped(self, drop: Drop, packet: bytes) -> None:
        vhid = drops.vhid_of(packet)
        times = self._sampling.count() if drop in MALFORMED else 1
        self.drops[vhid if vhid in self._members else 0, drop] += times
        if drop is Drop.VHID or drop is Drop.DIGEST:
            if self.neighbourhood.surveying:
                self.neighbourhood.heard(drops.sender(packet), vhid)
            if drop is Drop.VHID and vhid not in self._misread:
                return
        kind = drop, vhid
        if self.complaints.repeated(kind):
            return
        if drop is Drop.VHID or drop is Drop.DIGEST:
            proof = self.name, kind
            if not self._proof.wants(proof):  # not now; when it comes again
                if kind not in self.complaints:
                    self._note(drop, packet, vhid)
                return
            if search := drops.search(packet, vhid, self._configs()):
                self._note(drop, packet, vhid)
                self._proof.ask(
                    proof, search, lambda found: self._explain(drop, packet, vhid, found)
                )
                return
        self._explain(drop, packet, vhid)

    def _note(self, drop: Drop, packet: bytes, vhid: int) -> None:
        if drop is not Drop.VHID:
            words = self._words(drop, packet, vhid)
            self.complaints.note((drop, vhid), words, vhid=vhid, id=self._id_of(vhid))

    def _explain(self, drop: Drop, packet: bytes, vhid: int, found: str = "") -> None:
        """Tell of a dropped packet; of a group that is nobody's here only what was found out."""
        if found or drop is not Drop.VHID:
            words = self._words(drop, packet, vhid, found)
            self.complaints.tell(
                (drop, vhid), words, vhid=vhid, id=self._id_of(vhid), forgeable=True
            )

    def _words(self, drop: Drop, packet: bytes, vhid: int, found: str = "") -> Callable[[], str]:
        return lambda: f"{self.name}: {drops.explain(drop, packet, vhid, found)}"

    def _complain(self, complaint: RateLimitedProblem) -> None:
        subject = Subject(complaint.id, complaint.vhid, self.name)
        self._hub.publish(
            subject,
            Kind.PROBLEM,
            complaint.text,
            code=complaint.code,
            level=complaint.level,
        )

    def _id_of(self, vhid: int) -> str:
        member = self._members.get(self._misread.get(vhid, vhid))
        return member.config.id if member else ""

    def _configs(self) -> list[VipConfig]:
        return [member.config for member in self._members.values()]
