"""ANNOUNCE_TO: hosts that a master tells directly where its addresses are."""

from collections.abc import Iterator
from contextlib import suppress

from vipd.config.model import VipConfig
from vipd.linux.addresses import AnyAddress
from vipd.linux.neighbour_cache import gateways, mac_of, resolve
from vipd.linux.netlink import Netlink


def targets(
    config: VipConfig, interface: str, index: int, netlink: Netlink
) -> Iterator[tuple[AnyAddress, bytes]]:
    """Each host on the interface, and its MAC address. One whose MAC address is not known yet is
    asked for it, and gets the next announcement: a master repeats the first one after a second."""
    for each in config.announce_to:
        for host in gateways(interface) if each == "gateway" else (each,):
            if mac := mac_of(netlink, index, host):
                yield host, mac
                continue
            with suppress(OSError):  # the kernel refuses this one; all hosts hear the broadcast
                resolve(netlink, index, host)
