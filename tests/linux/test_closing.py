"""Packet sockets that are closed beside the loop."""

import _thread
import socket
from typing import Any

import pytest
from helpers.hosts import until

from vipd.linux.closing import close_beside

COUNT = 64


def some() -> list[socket.socket]:
    return [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(COUNT)]


def are_closed(sockets: list[socket.socket]) -> bool:
    return [each.fileno() for each in sockets] == [-1] * COUNT


def test_all_are_closed() -> None:
    sockets = some()
    close_beside(sockets)
    until(lambda: are_closed(sockets), lambda: "some stay open")


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_without_threads_they_are_closed_at_once(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> int:
        raise error

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    sockets = some()
    close_beside(sockets)
    assert are_closed(sockets)
