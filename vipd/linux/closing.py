"""Packet sockets are closed beside the event loop.

close(2) of one waits until no processor looks at it any more (synchronize_net in packet_release,
net/packet/af_packet.c): 10 ms, and 3 s for those of 64 interfaces one after the other. Those that
are closed at the same time wait together.
"""

import _thread
import socket
from collections.abc import Iterable
from contextlib import suppress


def close_beside(sockets: Iterable[socket.socket]) -> None:
    """Close these, each in a thread of its own. They must not be used any more."""
    for each in sockets:
        try:
            _thread.start_new_thread(_close, (each,))
        except (RuntimeError, MemoryError):  # no thread can be started
            _close(each)


def _close(unused: socket.socket) -> None:
    with suppress(OSError):
        unused.close()
