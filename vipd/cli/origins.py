"""Finds where an address that should not be on this host was configured."""

import re
from collections.abc import Iterator
from contextlib import closing
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

#: Where distributions keep addresses that are set at boot.
_FILES = (
    "etc/network/interfaces",
    "etc/network/interfaces.d/*",
    "etc/netplan/*.yaml",
    "etc/systemd/network/*.network",
    "etc/systemd/network/*.network.d/*.conf",
    "etc/NetworkManager/system-connections/*.nmconnection",
    "etc/sysconfig/network-scripts/ifcfg-*",
    "etc/sysconfig/network/ifcfg-*",
    "etc/rc.local",
)
_LONGEST = 1 << 18


def placed(address: IPv4Address | IPv6Address) -> list[tuple[str, str]]:
    """The address with the prefix length that it has, and the interface that it is on."""
    # Imported here: these imports take longer than everything else.
    from vipd.linux.links import Links
    from vipd.linux.netlink import Netlink

    try:
        with closing(Netlink()) as netlink, closing(Links(netlink)) as links:
            return [(str(there), link.name) for link, there in links.places(address)]
    except OSError:
        return []


def files_with(address: IPv4Address | IPv6Address, root: Path = Path("/")) -> Iterator[str]:
    """The network configuration files that name the address."""
    more = r"[\d.]" if address.version == 4 else r"[\w:]"
    wanted = re.compile(rf"(?<!{more}){re.escape(str(address))}(?!{more})")
    for pattern in _FILES:
        for file in sorted(root.glob(pattern)):
            try:
                with file.open(errors="replace") as opened:
                    if wanted.search(opened.read(_LONGEST)):
                        yield str(file)
            except OSError:
                continue
