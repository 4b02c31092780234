"""Log lines leave without anybody waiting, and what cannot leave is counted."""

import asyncio
import logging
import os
import pty
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from vipd.daemon.log.outlet import Journal, Outlet, Stream

#: Nothing here takes long; a write that blocks would never end.
AT_ONCE = 5.0


def encode(record: logging.LogRecord) -> bytes:
    return f"{record.getMessage()}\n".encode()


def say(outlet: Outlet, *messages: str) -> None:
    for message in messages:
        outlet.handle(logging.makeLogRecord({"levelno": logging.INFO, "msg": message}))


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe, 64 KiB."""
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def fill(writer: int) -> int:
    """Make a pipe or terminal full; how many bytes that took. It is a blocking one afterwards."""
    os.set_blocking(writer, False)
    size = 0
    try:
        while True:
            size += os.write(writer, b"x")
    except BlockingIOError:
        os.set_blocking(writer, True)
        return size


def drain(reader: int) -> bytes:
    os.set_blocking(reader, False)
    data = b""
    try:
        while piece := os.read(reader, 1 << 20):
            data += piece
    except BlockingIOError:
        pass
    return data


def test_what_a_full_pipe_has_no_room_for_comes_when_it_has(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(encode, Stream(writer))
    size = fill(writer)
    say(outlet, "first", "second")
    assert drain(reader) == b"x" * size
    say(outlet, "third")
    assert drain(reader) == b"first\nsecond\nthird\n"
    assert outlet.lost == 0


def test_the_loop_tries_again_by_itself(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(encode, Stream(writer))

    async def scene() -> bytes:
        fill(writer)
        say(outlet, "late")
        drain(reader)
        async with asyncio.timeout(AT_ONCE):
            while not (data := drain(reader)):
                await asyncio.sleep(0.01)
        return data

    assert asyncio.run(scene()) == b"late\n"


def test_lines_beyond_the_limit_are_lost_and_counted(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outlet, "LIMIT", 100)
    reader, writer = pipe
    outlet = Outlet(encode, Stream(writer))
    fill(writer)
    say(outlet, *(f"{number:09}" for number in range(15)))
    assert outlet.lost == 5
    drain(reader)
    say(outlet, "on we go")
    lines = drain(reader).decode().splitlines()
    assert lines[:10] == [f"{number:09}" for number in range(10)]
    assert lines[10:] == ["5 log lines were lost: nobody took them in time", "on we go"]


def test_a_line_longer_than_the_room_there_is_arrives_whole(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    outlet = Outlet(encode, Stream(writer))
    text = "0123456789" * 20_000  # three pipes full
    say(outlet, text)
    data = b""
    while len(data) <= len(text):
        data += drain(reader)
        outlet.flush()
    assert data.decode() == f"{text}\n"


def test_a_reader_that_has_gone_costs_its_lines_and_nothing_else() -> None:
    reader, writer = os.pipe()
    outlet = Outlet(encode, Stream(writer))
    os.close(reader)
    say(outlet, "to nobody", "to nobody")
    assert outlet.lost == 2
    os.close(writer)


def test_a_full_disk_is_forgotten_when_there_is_room_again() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        outlet = Outlet(encode, Stream(full.fileno()))
        say(outlet, "one")
    assert outlet.lost == 1


def test_a_line_that_cannot_be_made_is_nobody_elses_trouble(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)  # as vipd has it
    reader, writer = pipe
    outlet = Outlet(encode, Stream(writer))
    outlet.handle(logging.makeLogRecord({"msg": "%d of %d", "args": ("one",)}))
    say(outlet, "on we go")
    assert drain(reader) == b"on we go\n"


def test_a_terminal_that_nobody_reads_is_not_waited_for() -> None:
    manager, terminal = pty.openpty()
    outlet = Outlet(encode, Stream(terminal))
    began = time.monotonic()
    say(outlet, *["a line of some length, as they are"] * 10_000)
    assert time.monotonic() - began < AT_ONCE
    assert os.get_blocking(terminal)  # it is a shell's as well
    assert drain(manager).startswith(b"a line of some length, as they are\r\na line")
    os.close(terminal)
    os.close(manager)


def test_the_end_of_the_program_waits_a_bounded_time(pipe: tuple[int, int]) -> None:
    _, writer = pipe
    outlet = Outlet(encode, Stream(writer))
    fill(writer)
    say(outlet, "last words")
    began = time.monotonic()
    outlet.flush()
    assert time.monotonic() - began < AT_ONCE


def test_a_journal_that_is_stuck_or_restarts_loses_nothing(tmp_path: Path) -> None:
    address = tmp_path / "socket"
    first = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    first.bind(str(address))
    outlet = Outlet(encode, Journal(address))
    say(outlet, *(f"{number}" for number in range(2000)))  # it reads nothing
    kept = _received(first, outlet)
    assert kept == list(range(2000))

    first.close()
    say(outlet, "2000")  # refused
    address.unlink()
    say(outlet, "2001")  # nowhere
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as second:
        second.bind(str(address))
        assert _received(second, outlet) == [2000, 2001]
    assert outlet.lost == 0


def _received(journal: socket.socket, outlet: Outlet) -> list[int]:
    """What it gets when it reads again, until nothing comes any more."""
    journal.settimeout(2)
    numbers: list[int] = []

    def read() -> None:
        with suppress(TimeoutError):
            while True:
                numbers.append(int(journal.recv(100)))

    reader = Thread(target=read)
    reader.start()
    while reader.is_alive():
        outlet.flush()
        reader.join(0.01)
    return numbers
