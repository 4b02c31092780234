"""What a read leaves behind is read soon, whatever happens meanwhile."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from time import thread_time
from types import SimpleNamespace
from typing import Any

import pytest

from vipd.daemon.vips import receiver as under_test
from vipd.daemon.vips.receiver import Receiver
from vipd.linux.arrivals import Arrival

#: Frames of a host that says something unexpected for all its groups: more than one read takes.
FRAMES = 40


class Wire:
    """Sockets that can be waited for; the kernel rings once for all frames."""

    def __init__(self) -> None:
        self.pairs = [socket.socketpair() for _ in range(3)]
        (self.known, self.urgent, self.others), self._ends = zip(*self.pairs, strict=True)
        self.frames: list[bytes] = []

    def known_filenos(self) -> tuple[int, ...]:
        return (self.known.fileno(),)

    def urgent_filenos(self) -> tuple[int, ...]:
        return (self.urgent.fileno(),)

    def other_filenos(self) -> tuple[int, ...]:
        return (self.others.fileno(),)

    def come(self) -> None:
        self.frames = [bytes(60)] * FRAMES
        for end in self._ends[:2]:
            end.send(b".")

    def hush(self) -> None:
        self.urgent.setblocking(False)
        try:
            self.urgent.recv(100)
        except BlockingIOError:
            return

    def receive(self, *, known: bool, most: int) -> Iterator[list[Arrival]]:  # noqa: ARG002
        while known and self.frames:
            yield [(self.frames.pop(), 0.0)]
        if known:
            self.known.setblocking(False)
            self.known.recv(100)

    def close(self) -> None:
        for pair in self.pairs:
            for each in pair:
                each.close()


def work(seconds: float) -> None:
    end = thread_time() + seconds
    while thread_time() < end:
        pass


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    monkeypatch.setattr(under_test, "decode", lambda *_: SimpleNamespace(vhid=1))
    monkeypatch.setattr(under_test, "GATHER", 3600.0)  # nobody waits for so long
    opened = Wire()
    yield opened
    opened.close()


async def reading(wire: Wire, begin: Callable[[Receiver], None], *, looks: bool) -> None:
    """Until all is read. ``looks``: each frame changes what the sockets are to hear."""
    loop, done, heard = asyncio.get_running_loop(), asyncio.Event(), []
    nothing: Any = SimpleNamespace(sampling=SimpleNamespace(changed=lambda _now: False))

    def received(ad: object, *_: object) -> None:
        work(0.001)
        heard.append(ad)
        if looks:
            loop.call_soon(receiver.look)
        if len(heard) == FRAMES:
            done.set()

    members: Any = {1: SimpleNamespace(received=received, machine=SimpleNamespace(expects=None))}
    receiver = Receiver("eth1", loop, members, nothing, nothing, lambda _: True, lambda _: None)
    known: Any = wire
    receiver.open(known)
    receiver._trusted = [bytes(6)]
    wire.come()
    begin(receiver)
    await asyncio.wait_for(done.wait(), timeout=60)
    receiver.close()


@pytest.mark.parametrize("looks", [False, True])
def test_what_a_ring_announced_is_read_to_its_end(wire: Wire, looks: bool) -> None:
    """255 bow-outs: each new master asked for other sockets, and what was left waited for a quarter
    of a second each time."""
    asyncio.run(reading(wire, lambda _: None, looks=looks))


def test_so_is_what_a_read_before_a_take_over_left(wire: Wire) -> None:
    asyncio.run(reading(wire, lambda receiver: receiver.read_before(float("inf")), looks=False))
