"""The names of an interface: its kernel name, alternative names, and labels."""

import socket


def real_name(name: str) -> str:
    """The kernel name, as in /sys/class/net, of the interface with this name: eth1 for an altname
    of it (enp7s0) and for a label on it (eth1:100). Raises OSError if there is none."""
    # The ioctl behind if_nametoindex finds altnames, too, and ends the name at a colon.
    return socket.if_indextoname(socket.if_nametoindex(name))


def canonical(name: str) -> str:
    """The same; ``name`` unchanged if there is no such interface now."""
    try:
        return real_name(name)
    except (OSError, ValueError):
        return name
