"""One network interface: its sockets, and the VIPs that share it."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from vipd.api.events import Kind
from vipd.carp.host import Address
from vipd.carp.packet import MULTICAST_IPV6
from vipd.config.model import VipConfig
from vipd.daemon.diagnosis.digest_proof import DigestProof
from vipd.daemon.diagnosis.dropped import DroppedPackets
from vipd.daemon.diagnosis.log_budget import LogBudget
from vipd.daemon.diagnosis.neighbourhood import Neighbourhood
from vipd.daemon.diagnosis.problems import RateLimitedProblem, RateLimitedProblems
from vipd.daemon.events.hub import Hub, Subject
from vipd.daemon.log.logger import Log
from vipd.daemon.vips.pace import Pace
from vipd.daemon.vips.receiver import Member, Receiver
from vipd.daemon.vips.switch_memory import SwitchMemory
from vipd.linux.addresses import AnyInterface
from vipd.linux.links import Link, Loss
from vipd.linux.unicast import Unicast
from vipd.linux.wire import Wire

#: Seconds until what the kernel refused is tried again: doubled each time, up to the second value.
_RETRY = (0.5, 30.0)


@dataclass(frozen=True, slots=True)
class Shared:
    """What the whole daemon has one of. ``own_macs``: those of all interfaces of this host."""

    hub: Hub
    budget: LogBudget
    proof: DigestProof
    own_macs: Callable[[], Collection[bytes]]
    pace: Pace
    unicast: Unicast


def shared(
    loop: asyncio.AbstractEventLoop, hub: Hub, own_macs: Callable[[], Collection[bytes]]
) -> Shared:
    budget, proof = LogBudget(loop, hub), DigestProof(loop)
    return Shared(hub, budget, proof, own_macs, Pace(loop.time), Unicast())


class Interface:
    """``name``: as it is configured; the kernel may know it as an altname. ``wire`` is there while
    the interface exists and is fit for CARP; else ``problem`` says why it is not. ``present``: the
    addresses on it that others put there, primary ones first."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop, shared: Shared) -> None:
        self.name = name
        self.link: Link | None = None
        self.wire: Wire | None = None
        self.problem = "is not there"
        self.present: Mapping[Address, AnyInterface] = {}
        self._loop = loop
        self._members: dict[int, Member] = {}
        self._log = Log(lambda: {"interface": name})
        self._hub = shared.hub
        self.unicast = shared.unicast
        self.complaints = RateLimitedProblems(self._complain, loop.time, shared.budget)
        self.neighbourhood = Neighbourhood(
            loop, shared.own_macs, self.sources, self._follow_members
        )
        self._switch_memory = SwitchMemory(loop, lambda: self.wire)
        self.dropped = DroppedPackets(
            name, self.complaints, shared.proof, self.neighbourhood, self._members
        )
        self.receiver = Receiver(
            name, loop, self._members, self.dropped, self.complaints, self._listen, self._trust
        )
        self._stale = False
        # For as long as nothing changes
        self._sources: tuple[Address, ...] | None = None
        self._owners: dict[Address, Member] | None = None
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
        self.receiver.follow()
        self.dropped.follow(configs)
        self._switch_memory.follow(bool(self.wire and self.receiver.peers))
        self._set_up()

    def _set_up(self) -> None:
        """Let the sockets hear what our VIPs need. Each step stands for itself: one that the kernel
        refuses (for want of memory, most likely) keeps none of the others from being made, and is
        tried again. Membership comes first: without it a network card passes nothing up."""
        wire = self.wire
        if wire is None:
            return
        configs = self._configs()
        done = [
            self._step("join a multicast group", lambda: wire.join(_groups(configs))),
            self._step(
                "send to PEERS",
                lambda: self.unicast.open({p.version for c in configs for p in c.peers or ()}),
            ),
            self._listen(wire),
            self._step(
                "hear ARP and neighbour discovery",
                lambda: self.neighbourhood.watch(
                    {a.ip: m.conflicts for m in self._members.values() for a in m.config.here}
                ),
            ),
        ]
        if all(done):
            self._pause = _RETRY[0]
        else:
            self._try_again()

    def _listen(self, wire: Wire) -> bool:
        more = range(1, 256) if self.neighbourhood.surveying else self.dropped.misread
        groups = self.receiver.groups
        vhids = {family: {*own, *more} for family, own in groups.items() if own}
        one_of = self.dropped.sampling.weight
        routed = bool(self.receiver.peers)
        done = self._step("listen for all VHIDs", lambda: wire.listen(vhids, one_of, routed))
        self.receiver.look()
        return done

    def _trust(self, macs: tuple[bytes, ...]) -> None:
        if wire := self.wire:
            step = "give known hosts a socket of their own"
            if not self._step(step, lambda: wire.trust(macs)):
                self._try_again()
            self.receiver.look()

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

    def addresses(self) -> set[Address]:
        """The floating addresses of all VIPs on it."""
        return {a.ip for m in self._members.values() for a in m.config.moving}

    def sources(self) -> tuple[Address, ...]:
        """The host's own addresses on it, the primary ones first."""
        if self._sources is None:
            floating = self.addresses()
            self._sources = tuple(ip for ip in self.present if ip not in floating)
        return self._sources

    def addresses_gained(self, gained: Iterable[tuple[int, AnyInterface]]) -> None:
        """Others have put these on an interface (by number), an UPSCRIPT most likely."""
        indexes: dict[Member, set[int]] = {}
        for index, address in gained:
            if member := self._owner(address.ip):
                indexes.setdefault(member, set()).add(index)
        for member, where in indexes.items():
            member.addresses.gained(where)

    def addresses_lost(self, lost: Iterable[Loss]) -> None:
        """These are not on an interface any more."""
        losses: dict[Member, list[Loss]] = {}
        for loss in lost:
            if member := self._owner(loss.address.ip):
                losses.setdefault(member, []).append(loss)
        for member, its in losses.items():
            member.addresses.lost(its)

    def others_changed(self, names: Collection[str]) -> None:
        """Interfaces of these names came, went or changed: some may be those of EXTRA_ADDRESSES."""
        for member in list(self._members.values()):
            own = member.config.device
            if any((e.interface or own) in names for e in member.config.extra_addresses):
                member.addresses.extras_changed()

    def look_again(self) -> None:
        """What happened to addresses lately is not known."""
        for member in list(self._members.values()):
            member.addresses.look_again()

    def _owner(self, address: Address) -> Member | None:
        return self._members_by_address().get(address)

    def _members_by_address(self) -> Mapping[Address, Member]:
        if self._owners is None:
            self._owners = {a.ip: m for m in self._members.values() for a in m.config.moving}
        return self._owners

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
        self._switch_memory.close()
        if self.wire:
            self.receiver.close()
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
        self.receiver.open(self.wire)
        self.members_changed()

    def _complain(self, complaint: RateLimitedProblem) -> None:
        subject = Subject(complaint.id, complaint.vhid, self.name)
        code, level = complaint.code, complaint.level
        self._hub.publish(subject, Kind.PROBLEM, complaint.text, code=code, level=level)

    def _configs(self) -> list[VipConfig]:
        return [member.config for member in self._members.values()]


def _groups(configs: Iterable[VipConfig]) -> set[Address]:
    """The multicast groups to be a member of."""
    groups: set[Address] = set()
    for config in configs:
        if not config.nomcast and config.peers is None:
            groups |= {config.mcast if f == 4 else MULTICAST_IPV6 for f in config.families}
    return groups
