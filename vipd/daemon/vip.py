"""One floating address: carries out what its machine decides."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from vipd.carp.digest import Digest
from vipd.carp.machine import (
    BOW_OUT,
    Acquire,
    Announce,
    Effects,
    Machine,
    Parameters,
    Reason,
    Release,
    SendAdvertisement,
    State,
    Transition,
)
from vipd.carp.packet import Advertisement, Drop, encode
from vipd.config.model import Vip as Config
from vipd.daemon.interface import Interface
from vipd.daemon.journal import VipLog
from vipd.daemon.scripts import Outcome, Scripts, Wanted
from vipd.daemon.timers import Timers
from vipd.linux.addresses import Address, addresses
from vipd.linux.announce import announcement
from vipd.linux.netlink import Netlink, NetlinkError
from vipd.linux.wire import BROADCAST, multicast_mac

_NOWHERE = IPv4Address(0)


@dataclass(frozen=True, slots=True)
class Services:
    """What all VIPs share. ``clock`` is the event loop's; ``counter`` never repeats a number."""

    netlink: Netlink
    timers: Timers
    counter: Iterator[int]
    clock: Callable[[], float]


class Vip:
    """Runs one configured VIP on its interface: `run` is the task, everything else is called by the
    event loop in between. What goes wrong in there ends `run` with the exception."""

    def __init__(self, config: Config, interface: Interface, services: Services) -> None:
        self.config = config
        self.vhid = config.vhid
        self.group = config.mcast
        self.nomcast = config.nomcast
        self.log = VipLog(config.id)
        self.machine = Machine(_parameters(config, config.source or _NOWHERE))
        self._interface = interface
        self._services = services
        self._digest = Digest(
            config.password.get_secret_value(), config.vhid, [a.ip for a in config.addresses]
        )
        self._destination = BROADCAST if config.nomcast else multicast_mac(config.mcast)
        self._addresses: list[Address] = []
        self._index = 0  # of the interface that self._addresses are for
        self._alarm = services.timers.alarm(self._tick)
        self._scripts = Scripts(
            {
                wanted: (path, config.interface, str(config.addresses[0].ip), *_xparam(config))
                for wanted, path in (
                    (Wanted.UP, config.upscript),
                    (Wanted.DOWN, config.downscript),
                )
                if path
            },
            self._script_done,
            self.log,
        )
        self._counter = 0  # of our last advertisement
        self._send_failed = False
        self._waiting_for = ""
        self._stopping = False
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # The life of a VIP

    async def run(self) -> None:
        """Live until `stop`, or until something breaks (whatever the exception)."""
        try:
            self._interface.attach(self)
            self._find_interface()
            self._do(self.machine.start())
            self.link_changed()
            await self._end
            await self._scripts.idle()
        finally:
            self._alarm.set(float("inf"))
            self._let_go()
            self._interface.detach(self)

    def stop(self) -> None:
        """Hand over and end; `run` returns when that is done."""
        self._stopping = True
        self._guard(lambda: self._do(self.machine.stop(self._services.clock())))

    def step_down(self) -> None:
        """A master hands over and stays backup for a while (SIGUSR2)."""
        self._guard(lambda: self._do(self.machine.step_down(self._services.clock())))

    def _let_go(self) -> None:
        """The last resort, for a life that ends in an exception: nothing of ours stays behind."""
        if self.machine.state is State.MASTER:
            self._send(*BOW_OUT)
            self._remove_addresses()

    # What the world does to it

    def received(self, ad: Advertisement, now: float) -> Drop | None:
        """An advertisement for our VHID; says why it was not taken, if it was not."""
        if not self._digest.verify(ad.counter, ad.digest):
            return Drop.DIGEST
        if ad.source == self.machine.parameters.source:
            return Drop.ECHO if ad.counter == self._counter else Drop.OWN_SOURCE
        try:  # as _guard does, without its cost for every packet
            self._do(self.machine.receive(ad, now))
        except Exception as error:
            self._failed(error)
        return None

    def link_changed(self) -> None:
        """The state of the interface, or an address on it, may be another now."""
        self._guard(self._look_at_link)

    def _look_at_link(self) -> None:
        reason = self._unusable()
        now = self._services.clock()
        if reason != self._waiting_for:
            self._waiting_for = reason
            if reason:
                self.log.warning("waiting: %s", reason)
        if reason:
            self._do(self.machine.link_down(now))
        elif self.machine.state is State.INIT and not self._stopping:
            self._do(self.machine.link_up(now))

    def _unusable(self) -> str:
        """Why CARP cannot run on the interface now, or ""."""
        name, link = self._interface.name, self._interface.link
        if self._interface.wire is None or link is None:
            return f"interface {name} {self._interface.problem}"
        if not link.running and not self.config.ignoreifstate:
            return f"interface {name} is down" if not link.up else f"{name} has no carrier"
        self._find_interface()
        if self.machine.state is State.INIT:
            source = self.config.source or self._primary(link.index)
            if source is None:
                return f"{name} has no IPv4 address to send from; set SOURCE_ADDRESS or give it one"
            self.machine.parameters = _parameters(self.config, source)
        return ""

    def _find_interface(self) -> None:
        """Get the messages ready that put our addresses on the interface as it is numbered now."""
        link = self._interface.link
        if link and link.index != self._index:
            self._index = link.index
            self._addresses = [Address(link.index, a) for a in self.config.addresses]

    def _primary(self, index: int) -> IPv4Address | None:
        ours = {a.ip for a in self.config.addresses}
        for found in addresses(self._services.netlink, index):
            if isinstance(found.ip, IPv4Address) and found.ip not in ours:
                return found.ip
        return None

    def _tick(self, now: float) -> None:
        self._guard(lambda: self._do(self.machine.tick(now)))

    def _script_done(self, outcome: Outcome) -> None:
        # The address may be there only now: who asked for it before got no answer.
        if outcome.wanted is Wanted.UP and self.machine.state is State.MASTER:
            self._guard(self._announce)

    def _guard(self, act: Callable[[], None]) -> None:
        """Errors belong to this VIP alone: they end its task, not the event loop's callback."""
        if self._end.done():
            return
        try:
            act()
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        """Whatever it is, `run` raises it."""
        if not self._end.done():
            self._end.set_exception(error)

    # What it does to the world

    def _do(self, effects: Effects) -> None:
        for effect in effects:
            match effect:
                case SendAdvertisement(advbase, advskew):
                    self._send(advbase, advskew)
                case Announce():
                    self._announce()
                case Acquire():
                    self._acquire()
                case Release(at_start):
                    self._release(at_start)
                case Transition():
                    self._transition(effect)
        self._alarm.set(self.machine.deadline)
        if self._stopping and self.machine.state is State.INIT and not self._end.done():
            self._end.set_result(None)

    def _transition(self, transition: Transition) -> None:
        self.log.warning(
            "Switching to state: %s (%s)", transition.new.value, transition.reason.value
        )
        if transition.reason is Reason.PREFERRED_MASTER:
            self.log.warning("Preferred master advertised: going back to BACKUP state")

    def _acquire(self) -> None:
        if self.config.manages_address:
            for address in self._addresses:
                address.add(self._services.netlink)
        self._scripts.want(Wanted.UP)

    def _release(self, at_start: bool) -> None:
        leaving_unscripted = self._stopping and not self.config.shutdown
        if self.config.manages_address or (
            # ucarp would end without DOWNSCRIPT and leave the address behind, on two hosts
            leaving_unscripted and self.config.manage_address != "no"
        ):
            self._remove_addresses()
        if not leaving_unscripted and not (at_start and self.config.neutral):
            self._scripts.want(Wanted.DOWN)

    def _remove_addresses(self) -> None:
        for address in self._addresses:
            try:
                address.delete(self._services.netlink)
            except NetlinkError as error:
                self.log.error("cannot remove %s: %s", self.config.addresses[0], error)

    def _announce(self) -> None:
        wire = self._interface.wire
        if wire is None:
            return
        for address in self.config.addresses:
            try:
                wire.send_frame(announcement(address.ip, wire.mac))
            except OSError as error:
                self._cannot_send(error)

    def _send(self, advbase: int, advskew: int) -> None:
        wire = self._interface.wire
        if wire is None:
            return
        self._counter = next(self._services.counter)
        ad = Advertisement(
            self.machine.parameters.source,
            self.group,
            self.vhid,
            advbase,
            advskew,
            0,
            self._counter,
            self._digest.sign(self._counter),
        )
        try:
            wire.send_ipv4(self._destination, encode(ad))
            self._send_failed = False
        except OSError as error:
            self._cannot_send(error)

    def _cannot_send(self, error: OSError) -> None:
        if not self._send_failed:
            self._send_failed = True
            self.log.warning("cannot send on %s: %s", self._interface.name, error)


def _parameters(config: Config, source: IPv4Address) -> Parameters:
    return Parameters(source, config.advbase, config.advskew, config.deadratio, config.preempt)


def _xparam(config: Config) -> tuple[str, ...]:
    return (config.xparam,) if config.xparam is not None else ()
