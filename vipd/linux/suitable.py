"""The interfaces on which CARP can run: Ethernet, with ARP, and not point-to-point."""

from pathlib import Path

_IFF_LOOPBACK = 0x8
_IFF_POINTOPOINT = 0x10
_IFF_NOARP = 0x80
_ARPHRD_ETHER = 1
_SYS = Path("/sys/class/net")


def unsuitable(flags: int, hardware: int) -> str:
    """Why CARP cannot run on an interface with these flags (IFF_…) and this hardware type
    (ARPHRD_…), like “is a loopback interface”; "" if it can."""
    if flags & _IFF_LOOPBACK:
        return "is a loopback interface"
    if flags & _IFF_POINTOPOINT:
        return "is a point-to-point interface"
    if hardware != _ARPHRD_ETHER or flags & _IFF_NOARP:
        return "is not an Ethernet interface with ARP"
    return ""


def why_not(interface: str) -> str:
    """The same for an interface of this machine, by name; "", too, if it is unknown.

    Reads /sys, which needs no netlink library and takes no time.
    """
    try:
        flags = int((_SYS / interface / "flags").read_text(), 16)
        hardware = int((_SYS / interface / "type").read_text())
    except (OSError, ValueError):
        return ""
    return unsuitable(flags, hardware)
