"""Changes to the addresses of a master by others: scripts add them, other programs and the kernel
delete them."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from math import inf
from typing import Protocol

from vipd.api.events import Kind
from vipd.carp.machine import Machine
from vipd.carp.states import State
from vipd.config.model import VipConfig
from vipd.daemon.diagnosis.problems import RateLimitedProblems
from vipd.daemon.log.logger import VipLog
from vipd.daemon.vips.interface import Interface
from vipd.daemon.vips.ownership import Ownership
from vipd.daemon.vips.publisher import Publisher
from vipd.daemon.vips.script_runs import ScriptRuns
from vipd.linux.addresses import AnyAddress
from vipd.linux.links import Cause, Loss

#: Seconds until an address that another program deleted is added again.
_REGAIN_AFTER = 0.02
#: Seconds until an address that a script has added gets our lease: for a script that adds hundreds
#: one by one, we look at all of them once for every ten or twenty.
_FOLLOW_AFTER = 0.01
#: Seconds after the end of UPSCRIPT in which it, or what it started, may still add the address.
_GRACE = 1.0


class Runner(Protocol):
    """What the watch needs of its VIP."""

    config: VipConfig
    machine: Machine
    scripts: ScriptRuns
    complaints: RateLimitedProblems
    log: VipLog
    publisher: Publisher

    def guard(self, act: Callable[[], None]) -> None:
        """Run a callback of the loop; its errors end only this VIP."""

    def lapse(self, now: float) -> None:
        """The lease has expired."""

    def acquire(self) -> None:
        """Add the addresses to the interface, or make UPSCRIPT do so."""

    def announce(self, only: Collection[AnyAddress] | None = None) -> None:
        """Announce the addresses, or only those in ``only``."""


class AddressWatch:
    """Adds deleted addresses again, gives a lease to addresses that a script has added, and reports
    addresses that are missing."""

    def __init__(
        self, vip: Runner, owned: Ownership, interface: Interface, clock: Callable[[], float]
    ) -> None:
        #: When an address that we did not add appeared since the last transition; ``inf``: none.
        self.appeared = inf
        self._vip = vip
        self._owned = owned
        self._interface = interface
        self._clock = clock
        self._regaining: set[AnyAddress] = set()
        self._elsewhere: dict[AnyAddress, str] = {}  # as reported last
        self._look_for: asyncio.TimerHandle | None = None
        self._missing_told = False
        self._following = False

    @property
    def _master(self) -> bool:
        return self._vip.machine.state is State.MASTER

    def released(self) -> None:
        """The addresses are given up: they need not be there any more."""
        self.stop_looking()
        self._elsewhere, self._missing_told = {}, False

    def gained(self, indexes: Collection[int]) -> None:
        """Others have added addresses of ours to these interfaces: give them a lease if UPSCRIPT
        does that for this VIP, whichever the interface."""
        if not self._master:
            return
        if self._vip.config.manages_address and self._interface.index not in indexes:
            return
        self.appeared = min(self.appeared, self._clock())
        self.extras_changed()

    def _follow_addresses(self) -> None:
        self._following = False
        if not self._master or self._lapsed():
            return
        self._owned.hold()
        self._tell_places()
        if not self._vip.scripts.running:  # else its end is announced
            self._vip.announce()

    def lost(self, losses: Sequence[Loss]) -> None:
        """Addresses of ours are not on an interface any more, whatever the cause. This may be
        outdated: we may have deleted them ourselves, and added them again."""
        if self._master:
            self._vip.guard(partial(self._regain, losses))

    def look_again(self) -> None:
        """Notices about the addresses may be lost: add all that are missing."""
        if self._master:
            self._vip.guard(self._restore_all)

    def extras_changed(self) -> None:
        """An interface of EXTRA_ADDRESSES came, went or changed."""
        if self._master and not self._following:
            self._following = True
            follow = partial(self._vip.guard, self._follow_addresses)
            asyncio.get_running_loop().call_later(_FOLLOW_AFTER, follow)

    def _regain(self, losses: Sequence[Loss]) -> None:
        """Give up MASTER if the lease has expired, else add the addresses again: at once, or a
        moment later if another program deleted them. (`ip addr flush` repeats until no address is
        left; it would fail if we added them at once.) Losses that come together are handled
        together, with one announcement."""
        held, ours = self._owned.held(), self._interface.index
        losses = [
            loss for loss in losses if loss.index == ours or (loss.index, loss.address.ip) in held
        ]
        if losses and self._lapsed():
            return
        taken_off = [loss for loss in losses if loss.cause is Cause.OTHERS]
        if gone := {loss.address.ip: loss for loss in losses if loss.cause is not Cause.OTHERS}:
            self._restore(gone)
        if taken_off:
            self._others_took_off(taken_off)

    def _restore(self, gone: Mapping[AnyAddress, Loss]) -> None:
        """Add the addresses that the kernel deleted, at once."""
        restored = [address.ip for address in self._owned.restore(gone)]
        for ip in restored:
            self._complain_of(ip, _how(gone[ip], self._interface.name))
        if restored:
            self._vip.announce(set(restored))
        if len(restored) < len(gone):
            self.look_later()

    def _others_took_off(self, losses: Sequence[Loss]) -> None:
        config = self._vip.config
        if config.manage_address == "no" and not config.upscript:
            self.look_later()
        elif config.manages_address or not self._vip.scripts.running:
            if not self._regaining:
                asyncio.get_running_loop().call_later(
                    _REGAIN_AFTER, lambda: self._vip.guard(self._put_back)
                )
            for loss in losses:
                self._regaining.add(loss.address.ip)
                self._complain_of(loss.address.ip, f"was taken off {loss.name} by somebody")

    def _put_back(self) -> None:
        lost, self._regaining = self._regaining, set()
        if not self._master or self._lapsed():
            return
        if self._vip.config.manages_address or not all(map(self._owned.places.knows, lost)):
            self._vip.acquire()
        self._vip.announce()

    def _lapsed(self) -> bool:
        """Whether the lease has ended, and with it that we are master: if we were stopped, others
        may own, and nothing must be put back."""
        now = self._clock()
        if lapsed := self._owned.lapsed(now):
            self._vip.lapse(now)
        return lapsed

    def _restore_all(self) -> None:
        if self._lapsed():
            return
        if restored := [address.ip for address in self._owned.restore()]:
            for ip in restored:
                self._complain_of(ip, f"was not on {self._interface.name} any more")
            self._vip.announce(set(restored))

    def _complain_of(self, address: AnyAddress, how: str) -> None:
        self._vip.complaints.say(("lost", address), lambda: f"{address} {how}; put back")

    def missing(self) -> list[AnyAddress]:
        """The addresses of this master that this host does not have, although UPSCRIPT (or another
        program that should add them) has had the time to."""
        if not self._master or self._look_for or self._vip.scripts.running:
            return []
        return self._owned.places.missing()

    def missing_text(self) -> str:
        """The same as text, with the remedy; or ""."""
        if not (addresses := self.missing()):
            return ""
        some = ", ".join(map(str, addresses[:5])) + (" …" if len(addresses) > 5 else "")
        verb = "is" if len(addresses) == 1 else "are"
        if upscript := self._vip.config.upscript:
            why = f"UPSCRIPT {upscript} did not add it; correct the script"
        else:
            why = "nothing added it, and MANAGE_ADDRESS=no keeps vipd from it; add it"
        return (
            f"MASTER, but {some} {verb} on no interface of this host: {why}, or write "
            "MANAGE_ADDRESS=yes, and vipd adds it"
        )

    def look_later(self) -> None:
        """Another program adds the addresses: check later whether they are there."""
        self.stop_looking()
        if not self._vip.config.manages_address and self._master:
            loop = asyncio.get_running_loop()
            self._look_for = loop.call_later(
                _GRACE, partial(self._vip.guard, self._look_for_addresses)
            )

    def stop_looking(self) -> None:
        if self._look_for:
            self._look_for.cancel()
            self._look_for = None

    def _look_for_addresses(self) -> None:
        self._look_for = None
        text = self.missing_text()
        if text and not self._missing_told:
            self._vip.publisher.publish(Kind.PROBLEM, text, code="no_address", level="error")
        self._missing_told = bool(text)

    def _tell_places(self) -> None:
        """Log on which other interface our addresses are, if that is new."""
        config = self._vip.config
        places = {} if config.manages_address else self._owned.places.elsewhere()
        for address, name in places.items():
            if self._elsewhere.get(address) != name:
                self._vip.log.info(
                    "%s is on %s, not on BIND_INTERFACE %s: announced there%s",
                    address,
                    name,
                    config.interface,
                    "" if config.manage_address == "no" else ", and held there on a lease",
                    extra={"reason": "elsewhere"},
                )
        self._elsewhere = places


def _how(loss: Loss, interface: str) -> str:
    """Why the kernel deleted an address."""
    if loss.primary:
        who = {Cause.OURSELVES: "vipd took it off", Cause.KERNEL: "its lease ended"}
        return (
            f"went from {loss.name} together with {loss.primary}, the primary address of its "
            f"subnet ({who.get(loss.cause, 'nobody knows why')}), because promote_secondaries is 0"
        )
    return f"was not on {interface} any more"
