"""The index of an interface."""

import errno
import os
import socket


def index_of(interface: str) -> int:
    """The kernel's index of the interface with this name. Raises OSError (ENODEV) if there is none,
    with an errno, which Python's own function does not set."""
    try:
        return socket.if_nametoindex(interface)
    except OSError as error:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), interface) from error
