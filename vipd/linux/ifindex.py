"""The number of an interface."""

import errno
import os
import socket


def index_of(interface: str) -> int:
    """The kernel's number for the interface of this name. Raises OSError (ENODEV) when there is
    none, with an errno, which Python's own function leaves out."""
    try:
        return socket.if_nametoindex(interface)
    except OSError as error:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), interface) from error
