"""Room in a socket: for packets that arrive while the daemon has no CPU, or wait to be sent."""

import socket

_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33  # asm-generic/socket.h; Python has no names for them


def make_room(sock: socket.socket, size: int) -> None:
    """Set the receive buffer of ``sock`` to ``size`` bytes, or as many as are permitted.

    The system's limit (net.core.rmem_max, 208 KiB by default) is for ordinary programs;
    CAP_NET_ADMIN may exceed it, except in a user namespace on older kernels.
    """
    _set(sock, _SO_RCVBUFFORCE, socket.SO_RCVBUF, size)


def make_room_to_send(sock: socket.socket, size: int) -> None:
    """Likewise its send buffer (net.core.wmem_max)."""
    _set(sock, _SO_SNDBUFFORCE, socket.SO_SNDBUF, size)


def _set(sock: socket.socket, force: int, ask: int, size: int) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, force, size)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, ask, size)
