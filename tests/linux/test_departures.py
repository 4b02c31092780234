"""Frames that leave together: all of them, in their order, and each that does not is known."""

import errno
import socket
from collections.abc import Iterator

import pytest

from vipd.linux.departures import AT_ONCE, Departures

LONGEST = 110


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for each in (ours, theirs):
        each.setblocking(False)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
    yield ours, theirs
    ours.close()
    theirs.close()


def received(sock: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(sock.recv(1000))
        except BlockingIOError:
            return found


def test_frames_of_all_lengths_leave_in_their_order(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    departures = Departures(LONGEST)
    for lengths in ((70, 90, 70), (90,), (70, 70, 70, 110), (70, 90), (1, 2, 3)):
        frames = [bytes([number]) * length for number, length in enumerate(lengths)]
        assert departures.send(pair[0], frames) == {}
        assert received(pair[1]) == frames
    assert departures.send(pair[0], []) == {}


def test_more_than_fit_into_one_call_leave(pair: tuple[socket.socket, socket.socket]) -> None:
    departures = Departures(LONGEST)
    frames = [number.to_bytes(2, "big") * 35 for number in range(2 * AT_ONCE + 7)]
    refused = departures.send(pair[0], frames)
    got = received(pair[1])
    # a queue of the kernel may be full (net.unix.max_dgram_qlen): then that is known
    assert set(refused.values()) <= {errno.EAGAIN}
    assert got == [frame for number, frame in enumerate(frames) if number not in refused]


def test_one_that_is_refused_keeps_no_other_from_leaving(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 13)
    frames = [b"first", b"x" * 70_000, b"second", b"y" * 80_000]
    assert Departures(80_000).send(pair[0], frames) == {1: errno.EMSGSIZE, 3: errno.EMSGSIZE}
    assert received(pair[1]) == [b"first", b"second"]


def test_a_socket_that_is_closed_takes_none() -> None:
    ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ours.close()
    assert Departures(LONGEST).send(ours, [b"a", b"b"]) == {0: errno.EBADF, 1: errno.EBADF}
