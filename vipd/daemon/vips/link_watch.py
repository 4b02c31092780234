"""Whether a VIP can take part on its interface, and what it sends from."""

import asyncio
from typing import Protocol

from vipd.api.events import Kind
from vipd.carp.effects import Effects
from vipd.carp.host import Address
from vipd.carp.machine import Machine
from vipd.carp.states import State
from vipd.config.model import VipConfig
from vipd.daemon.diagnosis.problems import RateLimitedProblems
from vipd.daemon.log.logger import VipLog
from vipd.daemon.vips.group_lock import GroupLock
from vipd.daemon.vips.interface import Interface
from vipd.daemon.vips.ownership import Ownership
from vipd.daemon.vips.publisher import Publisher
from vipd.daemon.vips.services import Services
from vipd.daemon.vips.sources import NOWHERE, find_sources, no_source, parameters
from vipd.linux.group_claims import Holder
from vipd.linux.names import canonical


class Runner(Protocol):
    """What the watch needs of the VIP that it is for."""

    stopping: bool
    config: VipConfig
    machine: Machine
    complaints: RateLimitedProblems
    log: VipLog
    publisher: Publisher

    def carry_out(self, effects: Effects) -> None:
        """Do what the machine decided."""

    def announce(self) -> None:
        """Announce the addresses."""


class LinkWatch:
    """Takes the group for this process, waits for an interface that CARP can run on, and follows
    its name, its MAC address and its source address."""

    def __init__(
        self, vip: Runner, owned: Ownership, interface: Interface, services: Services
    ) -> None:
        #: Why the VIP cannot take part, or "".
        self.waiting_for = ""
        self._vip = vip
        self._owned = owned
        self._interface = interface
        self._services = services
        self._rival = "another look at the other processes"  # who may run our group on this host
        self._group_lock: GroupLock | None = None
        self._group = vip.config.interface, vip.config.vhid  # what it is for
        self._mac = b""

    @property
    def settled(self) -> bool:
        """Whether the VIP listens, or has said what it waits for."""
        return self._vip.machine.state is not State.INIT or bool(self.waiting_for)

    def close(self) -> None:
        """Another process of this host may run the group."""
        if self._group_lock:
            self._group_lock.close()

    async def alone(self, end: asyncio.Future[None]) -> bool:
        """Wait until no other process on this host runs our group; False: ``end`` came first."""
        group = canonical(self._vip.config.interface), self._vip.config.vhid
        while isinstance(rival := await self._services.group_locks.settle(group), Holder):
            self._rival = (
                f"{rival.name} runs VHID {group[1]} on {group[0]}; stop one of the two for good, "
                "because two on one host do not hear each other"
            )
            self.look()
            await self._services.group_locks.end_of(rival, end)
            if end.done():
                return False
        self._group_lock, self._group, self._rival = rival, group, ""
        return not end.done()

    def look(self) -> None:
        """The state of the interface, or an address on it, may be another now."""
        reason = self._unusable()
        now = self._services.clock()
        if reason != self.waiting_for:
            self.waiting_for = reason
            if reason:
                self._vip.publisher.publish(Kind.WAITING, f"waiting: {reason}", code="waiting")
        if reason:
            self._vip.carry_out(self._vip.machine.link_down(now))
            return
        self._follow_name()
        self._follow_source(now)
        if self._vip.machine.state is State.INIT and not self._vip.stopping:
            self._vip.carry_out(self._vip.machine.link_up(now))
        link = self._interface.link
        if link and link.mac != self._mac:
            if self._mac and self._vip.machine.state is State.MASTER:
                self._vip.announce()  # the address is at another MAC address now
                self._owned.will.leave()
            self._mac = link.mac

    def _unusable(self) -> str:
        """Why CARP cannot run on the interface now, or ""."""
        name, link = self._interface.name, self._interface.link
        if self._rival:
            return self._rival
        if self._interface.wire is None or link is None:
            return f"interface {name} {self._interface.problem}"
        if (silent := link.silent(name)) and not self._vip.config.ignoreifstate:
            return silent
        self._owned.find(link)
        return "" if self._sources() else no_source(self._vip.config, name)

    def _follow_name(self) -> None:
        """The kernel has another name for the interface than when we took the group for this
        process: it came later than we did and BIND_INTERFACE is its altname, or was renamed.
        Raises OSError if another process runs the group under that name; the next life waits."""
        link = self._interface.link
        if self._group_lock and link and link.name != self._group[0]:
            group = link.name, self._vip.config.vhid
            taken = self._services.group_locks.take(group)
            self._group_lock.close()
            self._group_lock, self._group = taken, group
            self._owned.will.leave()

    def _sources(self) -> tuple[Address, ...]:
        known = self._vip.machine.parameters.sources
        return find_sources(self._vip.config, self._interface.sources, known)

    def _follow_source(self, now: float) -> None:
        sources, before = self._sources(), self._vip.machine.parameters.sources
        if sources != before:
            for source in sources if NOWHERE not in before else ():
                if source not in before and any(b.version == source.version for b in before):
                    words = "sends from %s now, the interface's primary address"
                    self._vip.log.warning(words, source, extra={"reason": "source"})
            ours = parameters(self._vip.config, sources)
            self._vip.carry_out(self._vip.machine.change(ours, now))
            self._owned.will.leave()
            if self._vip.config.peers is not None:
                self._interface.members_changed()  # what they send comes to that address
        absent = [source for source in sources if source not in self._interface.present]
        if absent:
            self._vip.complaints.say(
                "source",
                lambda: (
                    f"SOURCE_ADDRESS {absent[0]} is not on {self._vip.config.interface}; vipd "
                    "sends from it all the same, as ucarp does, but it should be"
                ),
            )
        else:
            self._vip.complaints.forget("source")
