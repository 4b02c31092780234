"""Addresses that the kernel would remove together with another (`vipd.linux.secondaries`)."""

from collections.abc import Iterable
from ipaddress import ip_interface

from vipd.linux import sysctls
from vipd.linux.names import canonical


def together(interface: str, addresses: Iterable[str]) -> tuple[str, str] | None:
    """What the kernel would remove with one of these addresses, and the cure."""
    name = canonical(interface)
    every = [ip_interface(address) for address in addresses]
    wide = [each for each in every if each.version == 4 and each.network.prefixlen < 32]
    if not wide or sysctls.effective(name, "promote_secondaries") or not sysctls.exists(name):
        return None
    return (
        f"promote_secondaries is 0: when {wide[0]} goes and is the primary address of its subnet, "
        f"the kernel removes all other addresses of {wide[0].network} from {name}, the host's own "
        "among them",
        f"sysctl -w net.ipv4.conf.{name}.promote_secondaries=1, and the same in /etc/sysctl.d",
    )
