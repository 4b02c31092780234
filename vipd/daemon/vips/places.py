"""Finds the interfaces of addresses that a VIP does not add itself."""

from vipd.config.model import VipConfig
from vipd.daemon.vips.interface import Interface
from vipd.daemon.vips.services import Services
from vipd.linux.addresses import AnyAddress, AnyInterface
from vipd.linux.links import Link
from vipd.linux.local import is_local


class Places:
    """Finds the addresses that UPSCRIPT, or another program, has added to an interface."""

    def __init__(self, config: VipConfig, interface: Interface, services: Services) -> None:
        self.config = config
        self._interface = interface
        self._services = services

    def knows(self, address: AnyAddress) -> bool:
        """Whether others have added this address to any interface."""
        return self.spot(address) is not None

    def link(self, address: AnyAddress) -> Link | None:
        """The interface that has the address, if it is known; BIND_INTERFACE if none has it, or if
        it has no ARP (a loopback interface): no host would hear an announcement there, and the
        kernel answers for the address on BIND_INTERFACE, too."""
        extra = next((e for e in self.config.extra_addresses if e.address.ip == address), None)
        if extra and extra.interface:
            return self._services.links.get(extra.interface) or self._interface.link
        spot = None if self.config.manages_address else self.spot(address)
        return spot[0] if spot and not spot[0].unsuitable else self._interface.link

    def elsewhere(self) -> dict[AnyAddress, str]:
        """The names of the interfaces on which our addresses are, other than BIND_INTERFACE."""
        spots = {a.ip: self.spot(a.ip) for a in self.config.moving}
        own = self._interface.index
        return {ip: spot[0].name for ip, spot in spots.items() if spot and spot[0].index != own}

    def missing(self) -> list[AnyAddress]:
        """Our addresses that this host does not have, and that vipd does not add itself."""
        if self.config.manages_address:
            return []
        nowhere = [a.ip for a in self.config.moving if self.spot(a.ip) is None]
        return [ip for ip in nowhere if not is_local(self._services.netlink, ip)]

    def spot(self, address: AnyAddress) -> tuple[Link, AnyInterface] | None:
        """The interface to which others have added an address; ours, if it is on several."""
        spots = self._services.links.places(address)
        own = (spot for spot in spots if spot[0].index == self._interface.index)
        return next(own, spots[0] if spots else None)
