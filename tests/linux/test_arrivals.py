"""Many packets with one system call."""

import socket
import time

import pytest

from vipd.linux.arrivals import AT_ONCE, Arrivals, note_times


@pytest.fixture
def pair() -> tuple[socket.socket, socket.socket]:
    """A socket that sends, and one that knows when."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    note_times(receiver)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(receiver.getsockname())
    return sender, receiver


def test_all_come_in_their_order_some_at_a_time(pair: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = pair
    sent = [bytes([number]) * (number % 7) for number in range(2 * AT_ONCE + 5)]
    for each in sent:
        sender.send(each)
    arrivals = Arrivals(16)
    found = [arrivals.read(receiver) for _ in range(4)]
    assert [len(some) for some in found] == [AT_ONCE, AT_ONCE, 5, 0]
    assert [frame for some in found for frame, _ in some] == sent


def test_what_is_too_long_is_cut_and_spoils_no_other(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    sender, receiver = pair
    for each in (b"a" * 100, b"b", b"c" * 17, b"d" * 16):
        sender.send(each)
    frames = [frame for frame, _ in Arrivals(16).read(receiver)]
    assert frames == [b"a" * 16, b"b", b"c" * 16, b"d" * 16]


def test_each_has_the_time_when_it_came(pair: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = pair
    times = []
    for _ in range(3):
        before = time.monotonic()
        sender.send(b"x")
        times.append((before, time.monotonic()))
        time.sleep(0.05)
    begins = time.monotonic()
    arrivals = Arrivals(16).read(receiver)
    # Meanwhile two clocks are read one after the other, and this process may have to wait between.
    slack = 1e-3 + time.monotonic() - begins
    for (_, came), (before, after) in zip(arrivals, times, strict=True):
        assert before - slack <= came <= after + slack


def test_without_a_time_there_is_none() -> None:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.send(b"x")
    assert Arrivals(16).read(other) == [(b"x", 0.0)]


def test_an_error_is_raised(pair: tuple[socket.socket, socket.socket]) -> None:
    _, receiver = pair
    receiver.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        Arrivals(16).read(receiver)
