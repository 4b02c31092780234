"""Receive buffers beyond the system's limit."""

import os
import socket
from pathlib import Path

import pytest

from vipd.linux.buffers import make_room

LIMIT = int(Path("/proc/sys/net/core/rmem_max").read_text())


def test_a_socket_gets_more_room_than_ordinary_programs_may_have() -> None:
    if os.geteuid():
        pytest.fail("run this as root: only CAP_NET_ADMIN may go beyond net.core.rmem_max")
    with socket.socket() as sock:
        make_room(sock, 2 * LIMIT)
        # the kernel doubles what it is asked for, for its own bookkeeping
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 4 * LIMIT
