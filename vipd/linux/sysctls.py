"""The kernel's settings for ARP and IPv6, and its addresses and routes: read from /proc and /sys,
without netlink and without privileges."""

import re
import sys
from ipaddress import IPv4Network, IPv6Address
from pathlib import Path

_CONF = Path("/proc/sys/net/ipv4/conf")
_CONF_IPV6 = Path("/proc/sys/net/ipv6/conf")
_ROUTE = Path("/proc/net/route")
_TRIE = Path("/proc/net/fib_trie")
_INET6 = Path("/proc/net/if_inet6")
_IGMP6 = Path("/proc/net/igmp6")
_SYS = Path("/sys/class/net")
_IFF_MULTICAST = 0x1000
_LOCAL = re.compile(r"\|-- (\S+)\n\s+/32 host LOCAL")


def effective(interface: str, name: str) -> int:
    """The value of net.ipv4.conf.*.`name` that is effective for `interface`: the larger of its own
    and that of “all”, as for rp_filter, arp_ignore, arp_announce, arp_filter, drop_gratuitous_arp
    and promote_secondaries (ip-sysctl). 0 if it cannot be read."""
    values = [0]
    for who in ("all", interface):
        try:
            values.append(int((_CONF / who / name).read_text()))
        except (OSError, ValueError):
            continue
    return max(values)


def ipv6(interface: str, name: str) -> int:
    """The value of net.ipv6.conf.`interface`.`name`; 0 when it cannot be read."""
    try:
        return int((_CONF_IPV6 / interface / name).read_text())
    except (OSError, ValueError):
        return 0


def forwards_ipv6(interface: str) -> bool:
    """Whether this host is an IPv6 router on the interface. False when that cannot be read."""
    return ipv6(interface, "forwarding") != 0


def is_member(interface: str, group: IPv6Address) -> bool:
    """Whether a program of this host has joined the IPv6 multicast group on the interface."""
    lines = [line.split() for line in _read(_IGMP6).splitlines()]
    return any(line[1:3] == [interface, group.packed.hex()] for line in lines)


def exists(interface: str) -> bool:
    """Whether the settings of this interface can be read."""
    return (_CONF / interface).is_dir()


def default_routes() -> set[str]:
    """The interfaces that an IPv4 default route leads through."""
    lines = [line.split() for line in _read(_ROUTE).splitlines()[1:]]
    return {line[0] for line in lines if len(line) > 7 and line[1] == line[7] == "00000000"}


def networks() -> dict[str, set[IPv4Network]]:
    """Interface → the IPv4 networks that are directly connected to it."""
    found: dict[str, set[IPv4Network]] = {}
    for line in _read(_ROUTE).splitlines()[1:]:
        words = line.split()
        if len(words) > 7 and words[2] == "00000000" and words[7] not in ("00000000", "FFFFFFFF"):
            address, mask = (_number(words[column]) for column in (1, 7))
            network = IPv4Network((address, mask.bit_count()))
            found.setdefault(words[0], set()).add(network)
    return found


def _number(text: str) -> int:
    """An address in the format of /proc/net/route: hexadecimal, in this machine's byte order."""
    return int.from_bytes(int(text, 16).to_bytes(4, sys.byteorder), "big")


def local_addresses() -> set[str]:
    """Every address of this host, on any interface."""
    words = [line.split() for line in _read(_INET6).splitlines()]
    ipv6_addresses = {str(IPv6Address(int(line[0], 16))) for line in words if line}
    return ipv6_addresses.union(_LOCAL.findall(_read(_TRIE)))


def has_multicast(interface: str) -> bool:
    """Whether the interface permits multicast (IFF_MULTICAST); True if it is unknown."""
    try:
        return bool(int((_SYS / interface / "flags").read_text(), 16) & _IFF_MULTICAST)
    except (OSError, ValueError):
        return True


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
