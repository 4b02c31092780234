"""Room in a socket for what arrives while the daemon does not get the processor."""

import socket

_SO_RCVBUFFORCE = 33  # asm-generic/socket.h; Python has no name for it


def make_room(sock: socket.socket, size: int) -> None:
    """Let ``sock`` hold ``size`` bytes that wait to be read, or as many as we are allowed.

    The system's limit (net.core.rmem_max, 208 KiB unless somebody raised it) is for ordinary
    programs; CAP_NET_ADMIN may go beyond it, except in a user namespace on older kernels.
    """
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
