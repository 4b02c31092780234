"""The addresses of one VIP: put on an interface, held on a lease, looked after, taken off again."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf

from vipd.carp.lease import first_lease, shortened
from vipd.config.model import VipConfig
from vipd.daemon.diagnosis.problems import RateLimitedProblems
from vipd.daemon.events.counters import Counters
from vipd.daemon.log.logger import VipLog
from vipd.daemon.vips.extras import Extras
from vipd.daemon.vips.interface import Interface
from vipd.daemon.vips.places import Places
from vipd.daemon.vips.removal import Removal
from vipd.daemon.vips.services import Services
from vipd.daemon.vips.will import MakeFinal, MakeScript, Will
from vipd.linux.addresses import Address, AnyAddress, AnyInterface
from vipd.linux.links import Link

#: Seconds before a deletion that the kernel refused is tried again: doubled each time, up to the
#: second value.
_AGAIN = (0.1, 5.0)
#: For how long a VIP that ends waits for deletions that the kernel refused, seconds.
_GONE_WITHIN = 2.0


class Ownership:
    """What a master holds, and until when.

    With MANAGE_ADDRESS=auto and an UPSCRIPT, the script adds the addresses, and they are leased
    where it put them, BIND_INTERFACE or another; with MANAGE_ADDRESS=no they are left alone.
    ``final``: what hands over for us when we are killed; ``script``: the DOWNSCRIPT. ``renewed`` is
    called when the kernel has answered a renewal, and `look_at` is another time.
    """

    def __init__(
        self,
        config: VipConfig,
        interface: Interface,
        services: Services,
        counters: Counters,
        log: VipLog,
        complaints: RateLimitedProblems,
        final: MakeFinal,
        script: MakeScript,
        renewed: Callable[[], None],
    ) -> None:
        #: Until when the lease holds (the loop's clock); ``inf``: there is none.
        self.lease_until = inf
        #: When our last advertisement left, at the earliest.
        self.advertised = 0.0
        self._interface = interface
        self._services = services
        self._counters = counters
        self._log = log
        self._complaints = complaints
        self._owning = False  # from `hold` to `release`
        #: Whether the guard is to run DOWNSCRIPT, because some of our addresses have no lease.
        self._scripted = False
        around = services.wills, services.guard, services.counter.of(config.vhid)
        scripted = lambda: script() if self._scripted else None  # noqa: E731
        self.will = Will(
            config.id, *around, lambda: self._held, scripted, final, services.timers.afterwards
        )
        self.places = Places(config, interface, services)
        self._extras = Extras(interface, services.links, complaints)
        self._index = 0  # of the interface that `_addresses` are for
        self._addresses: list[Address] = []
        self._held: list[Address] = []
        self._renewals: list[bytes] = []  # of those
        self._renewing: Sequence[bytes] = ()  # what the kernel has not answered yet
        self._follow(config)
        self._renewed_vip = renewed
        self.removal = Removal(interface, services, log)

    # Where they are

    def find(self, link: Link | None) -> None:
        """Get the messages ready that put our addresses on the interface as it is numbered now."""
        if link and link.index != self._index:
            self._index = link.index
            lease = self._lease
            self._addresses = [Address(link.index, a, lease) for a in self.config.addresses]

    def go_on(self, config: VipConfig) -> None:
        """The configuration has changed, but for leases and who manages the addresses."""
        self._follow(config)
        if self.lease_until != inf:
            now = self._services.clock()
            self.lease_until = shortened(self.lease_until, *self._lasts, self.advertised, now)
        if self._held or self._scripted:
            self._show()
            self.will.leave()  # there is another password in it, perhaps
        else:
            self.will.place.clear()

    def change(self, config: VipConfig, link: Link | None) -> None:
        """The configuration has changed in place, and with it the lease."""
        self._follow(config)
        self._index = 0
        self.find(link)

    def _follow(self, config: VipConfig) -> None:
        self.config = self.places.config = config
        # Each advertisement and each take-over needs them, so they are reckoned once.
        self._lease, self._believed_for = config.lease_seconds, config.believed_for
        self._lasts = config.guarded_for, config.renewed_within
        self._hold(self._held)

    def _hold(self, held: list[Address]) -> None:
        """These are the addresses that we hold. What follows from them is reckoned once, too."""
        self._held, self._renewals = held, [address.renewal for address in held]
        guarded = self._owning and self.config.guards_script
        self._scripted = guarded and len(held) < len(self.config.moving)

    def held(self) -> set[tuple[int, AnyAddress]]:
        """The addresses that we hold, each with the number of its interface."""
        return {(each.index, each.interface.ip) for each in self._held}

    # Having them

    def hold(self) -> None:
        """Add the addresses on a lease, or take a lease on those that an UPSCRIPT has added. What
        makes a lease longer is an advertisement (`renew`), and nothing else: not a script that
        took its time, not an address that is put back, not another configuration. Raises
        NetlinkError when the kernel refuses to add one."""
        self.removal.stop()
        if not self._owning:
            self.will.place.clear()  # the guard may have written that it is taken after `release`
        self._owning = True
        now, lease = self._services.clock(), self._lease
        wanted = self._managed() if self.config.manages_address else self._found()
        before, self.lease_until = self.lease_until, inf
        whole: int | None = None
        if lease is not None and wanted:
            self.lease_until, whole = self._first_lease(lease, before, now)
        self.removal.keep_others(wanted)
        self._hold(wanted)  # also if one of them is refused, and ends the run
        self._show()
        self._hold([each for each in wanted if self._add(each, whole)])
        if self.config.manages_address:
            self._extras.report_missing(self.config)
        self.will.leave()

    def _add(self, address: Address, whole: int | None) -> bool:
        """Whether it is there now. The kernel may refuse an extra address."""
        try:
            address.add(self._services.netlink, whole)
        except OSError as error:
            if not self._extras.refused(self.config, address, error):
                raise
            return False
        return True

    def _restore(self, address: Address, whole: int | None) -> bool:
        """Whether it was gone, and is there now. Likewise."""
        try:
            return address.restore(self._services.netlink, whole)
        except OSError as error:
            if not self._extras.refused(self.config, address, error):
                raise
            return False

    def _managed(self) -> list[Address]:
        """Those that vipd adds."""
        return self._addresses + self._extras.addresses(self.config)

    def _first_lease(self, lease: int, before: float, now: float) -> tuple[float, int]:
        return first_lease(lease, *self._lasts, self.advertised, before, now)

    def _found(self) -> list[Address]:
        """Those that an UPSCRIPT has added, wherever."""
        if self.config.manage_address == "no":
            return []
        spots = filter(None, (self.places.spot(a.ip) for a in self.config.moving))
        lease = self._lease
        known = {(each.index, each.interface, each.lease): each for each in self._held}
        return [
            known.get((link.index, address, lease)) or Address(link.index, address, lease)
            for link, address in spots
        ]

    def restore(self, addresses: Collection[AnyAddress] | None = None) -> list[AnyInterface]:
        """Put these addresses (None: all) back where we hold them, if they are not there; those
        that were gone. Raises NetlinkError."""
        held = [each for each in self._held if addresses is None or each.interface.ip in addresses]
        lease, until, now = self._lease, self.lease_until, self._services.clock()
        whole: int | None = None
        if lease is not None and held:
            until, whole = self._first_lease(lease, until, now)
        gone = [each for each in held if self._restore(each, whole)]
        if gone:
            self.lease_until = until
            self._show()
        if not self.config.manages_address:
            for each in gone:  # an UPSCRIPT had added it, and it is as if it had done so again
                self._services.links.put(each.index, each.interface)
        return [each.interface for each in gone]

    def renew(self, at: float) -> None:
        """An advertisement left, not before ``at``: the others will not take over for as long as
        our lease is. The lease holds for longer when the kernel has said so."""
        self.advertised = at
        self.will.keep_ahead()
        if self.lease_until != inf:
            self._renewing = self._renewals
            self._services.leases.renew(self._renewals, self._renewed, self.lease_until)
        else:
            self._show()

    @property
    def look_at(self) -> float:
        """When it may have lapsed. As long as the kernel has not answered a renewal, which it does
        before the loop sleeps, that is not known."""
        return inf if self._renewing is self._renewals else self.lease_until

    def _renewed(self, renewals: Sequence[bytes], refused: Mapping[int, int] | None) -> None:
        """What became of these renewals: errno, by number of the address; None: too late."""
        self._renewing = ()
        if refused is not None and renewals is self._renewals and self.lease_until != inf:
            self._answered(refused)
        self._renewed_vip()

    def _answered(self, refused: Mapping[int, int]) -> None:
        held = self._held
        lost = refused and {
            number: code
            for number, code in refused.items()
            if not self._extras.refused(self.config, held[number], OSError(code, os.strerror(code)))
        }
        if not lost:
            self._counters.renewals += 1
            self.lease_until = max(self.lease_until, self.advertised + self._lasts[0])
            self._show()
            if self.will.place.taken:  # meanwhile, and the renewal may have brought them back
                self.removal.remove(held)
            return
        number, code = next(iter(lost.items()))
        address, left = held[number].interface, self.lease_until - self._services.clock()
        self._complaints.say(
            "renewal",
            lambda: (
                f"the kernel did not renew the lease of {address}: {os.strerror(code)}; unless it "
                f"does within {max(0.0, left):.1f} s, the address goes. See whether the machine "
                "has memory left, and the interface is there"
            ),
            "error",
        )

    # What the guard is shown, and what it has done

    def _show(self) -> None:
        """Show the guard until when we hold the addresses, if there are any; or others, which
        DOWNSCRIPT removes."""
        if not (self._held or self._scripted):
            return
        believed, until = self.advertised + self._believed_for, self.lease_until
        if self._scripted and self._lease is not None:
            until = min(until, believed)
        self.will.place.hold(until, believed)

    def lapsed(self, now: float) -> bool:
        """Whether the lease has ended; the guard may have taken the addresses off already. It may
        say so a moment after we have let go of them, too."""
        return now >= self.lease_until or (self._owning and self.will.place.taken)

    # Letting go

    def release(self, remove: bool) -> None:
        """Hold nothing any more; ``remove``: take the addresses off."""
        self._counters.lapses += self.lapsed(self._services.clock())
        self._services.leases.flush()  # nothing may bring it back
        self.lease_until = inf
        self._owning = False
        if remove:
            self.removal.remove(self._held or self._managed())
        else:
            self.removal.keep_others(self._held)  # DOWNSCRIPT will
        self._hold([])
        self.will.revoke()

    def close(self) -> None:
        """The VIP has ended."""
        self.will.place.close()

    def abandon(self) -> None:
        """The last resort, for a life that ends in an exception: take off what we hold."""
        if self._owning:
            self.release(remove=bool(self._held))
