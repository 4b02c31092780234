"""Room in a socket for packets that arrive while the daemon has no CPU."""

import socket

_SO_RCVBUFFORCE = 33  # asm-generic/socket.h; Python has no name for it


def make_room(sock: socket.socket, size: int) -> None:
    """Set the receive buffer of ``sock`` to ``size`` bytes, or as many as are permitted.

    The system's limit (net.core.rmem_max, 208 KiB by default) is for ordinary programs;
    CAP_NET_ADMIN may exceed it, except in a user namespace on older kernels.
    """
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
