"""EXTRA_ADDRESSES: addresses that move with a VIP, on its own or another interface."""

from functools import partial

from vipd.config.fields import Extra
from vipd.config.model import VipConfig
from vipd.daemon.diagnosis.problems import RateLimitedProblems
from vipd.daemon.vips.interface import Interface
from vipd.linux.addresses import Address, AnyInterface
from vipd.linux.links import Link, Links


class Extras:
    """Finds the interfaces of the extra addresses. One that is not there keeps its addresses away,
    which is reported; all others move all the same."""

    def __init__(self, interface: Interface, links: Links, complaints: RateLimitedProblems) -> None:
        self._interface = interface
        self._links = links
        self._complaints = complaints
        self._made: dict[tuple[int, AnyInterface, int | None], Address] = {}

    def addresses(self, config: VipConfig) -> list[Address]:
        """What is to be on the interfaces that are there. Their messages are made once for each
        interface, at the start: making hundreds of them takes too long for a take-over."""
        known, self._made = self._made, {}
        for extra in config.extra_addresses:
            if link := self._link(extra.interface):
                key = link.index, extra.address, config.lease_seconds
                self._made[key] = known.get(key) or Address(*key)
        return list(self._made.values())

    def report_missing(self, config: VipConfig) -> None:
        """Report those whose interface is not there."""
        for extra in config.extra_addresses:
            if self._link(extra.interface):
                self._complaints.forget(("extra", extra))
            else:
                self._complaints.say(("extra", extra), partial(_missing, extra), "error")

    def refused(self, config: VipConfig, address: Address, error: OSError) -> bool:
        """The kernel did not add this address. False: it is none of these."""
        ip = address.interface
        if all(extra.address != ip for extra in config.extra_addresses):
            return False
        self._complaints.say(
            ("extra", ip), lambda: f"EXTRA_ADDRESSES: cannot add {ip}: {error}", "error"
        )
        return True

    def _link(self, name: str | None) -> Link | None:
        return self._interface.link if name is None else self._links.get(name)


def _missing(extra: Extra) -> str:
    return (
        f"EXTRA_ADDRESSES: interface {extra.interface} is not there, so that {extra.address} is "
        "nowhere while this host owns the VIP; correct its name, or see why the interface is gone"
    )
