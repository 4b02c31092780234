"""ANNOUNCE_TO: hosts that a master tells directly where its addresses are."""

from collections.abc import Iterator
from contextlib import suppress

from vipd.config.model import VipConfig
from vipd.linux.addresses import AnyAddress
from vipd.linux.ifindex import index_of
from vipd.linux.neighbour_cache import gateways, mac_of, resolve
from vipd.linux.netlink import Netlink


def targets(
    config: VipConfig, interface: str, netlink: Netlink
) -> Iterator[tuple[AnyAddress, bytes]]:
    """Each host on the interface, and its MAC address. One whose MAC address is not known yet is
    asked for it, and gets the next announcement: a master repeats the first one after a second."""
    if not config.announce_to:
        return
    with suppress(OSError):  # the interface is gone
        index = index_of(interface)
        for each in config.announce_to:
            for host in gateways(interface) if each == "gateway" else (each,):
                if mac := mac_of(netlink, index, host):
                    yield host, mac
                else:
                    resolve(netlink, index, host)
