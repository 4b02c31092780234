"""On which interfaces CARP can run: Ethernet, with ARP, and more than one other host in reach."""

from pathlib import Path

_IFF_LOOPBACK = 0x8
_IFF_POINTOPOINT = 0x10
_IFF_NOARP = 0x80
_ARPHRD_ETHER = 1
_SYS = Path("/sys/class/net")


def unsuitable(flags: int, hardware: int) -> str:
    """Why CARP cannot run on an interface with these flags (IFF_…) and of this hardware type
    (ARPHRD_…), like “is a loopback interface”; "" if it can."""
    if flags & _IFF_LOOPBACK:
        return "is a loopback interface"
    if flags & _IFF_POINTOPOINT:
        return "is a point-to-point interface"
    if hardware != _ARPHRD_ETHER or flags & _IFF_NOARP:
        return "is not an Ethernet interface with ARP"
    return ""


def why_not(interface: str) -> str:
    """The same for an interface of this machine, by name; "" also when it cannot be told.

    Read from /sys, which takes no netlink library and no time.
    """
    try:
        flags = int((_SYS / interface / "flags").read_text(), 16)
        hardware = int((_SYS / interface / "type").read_text())
    except (OSError, ValueError):
        return ""
    return unsuitable(flags, hardware)
