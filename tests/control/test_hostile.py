"""Clients that stall, flood, send garbage or half a message: advertisements leave all the same."""

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event

import pytest
from helpers.advertising import lateness
from helpers.asking import Client, RefusedError, ask
from helpers.captured import advertisements, capture
from helpers.configured import write_vip
from helpers.hosts import until
from helpers.machine import Delay

from vipd.carp.tag import sequence_of
from vipd.daemon.control.connections import CONNECTIONS, LONGEST
from vipd.lab import Host, Process

pytestmark = pytest.mark.lab

#: How long each attack lasts at least, seconds, and how many advertisements it has to outlast.
LASTS, OUTLASTS = 6.0, 4
#: How late an advertisement may be, seconds, besides what vipd waited for a processor.
LATE = 0.5
#: What all that clients can make the daemon keep may be, kB.
MEMORY = 40_000

LIST = b'{"method":"io.vipd.List","more":true}\0'
Attack = Callable[[Process, Event], None]


def resident(daemon: Process) -> int:
    """Its memory, kB."""
    for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ProcessLookupError(daemon)


def persistent(daemon: Process, over: Event, data: Iterator[bytes]) -> None:
    """Send all this, on a new connection whenever one ends, reading nothing."""
    while not over.is_set():
        with suppress(OSError), Client(daemon, timeout=0.5) as client:
            while not over.is_set():
                client.socket.sendall(next(data))


def garbage(daemon: Process, over: Event) -> None:
    persistent(daemon, over, itertools.cycle([b"\xff\x00{]\x00null\x00", b"\0" * 65536]))


def endless_message(daemon: Process, over: Event) -> None:
    persistent(daemon, over, itertools.repeat(b'{"method":"' + b"x" * 65536))


def unread_answers(daemon: Process, over: Event) -> None:
    persistent(daemon, over, itertools.repeat(LIST * 100))


def nested(daemon: Process, over: Event) -> None:
    persistent(daemon, over, itertools.repeat(b"[" * 60000 + b"\0"))


def connecting(daemon: Process, over: Event) -> None:
    while not over.is_set():
        with suppress(OSError):  # when others do the same, the queue may be full
            Client(daemon).socket.close()


def half_a_message(daemon: Process, over: Event) -> None:
    with ExitStack() as stack:
        for _ in range(CONNECTIONS // 2 - 1):
            client = stack.enter_context(Client(daemon))
            client.socket.sendall(b'{"method":')
        over.wait()


def asking_and_reading(daemon: Process, over: Event) -> None:
    """As fast as answers come."""
    with suppress(OSError), Client(daemon) as client:
        client.socket.settimeout(1)
        sender = threading.Thread(target=sending, args=(client.socket, over))
        sender.start()
        while not over.is_set():
            client.socket.recv(1 << 20)
        sender.join()


def sending(connection: socket.socket, over: Event) -> None:
    with suppress(OSError):
        while not over.is_set():
            connection.sendall(LIST)


@pytest.fixture
def master(web01: Host, files: Path) -> Process:
    write_vip(files)
    daemon = web01.vipd(files)
    daemon.wait_for("state: MASTER", timeout=60)
    ask(daemon, "Describe")
    return daemon


@pytest.mark.parametrize(
    "attack",
    [
        garbage,
        endless_message,
        unread_answers,
        nested,
        connecting,
        half_a_message,
        asking_and_reading,
    ],
)
def test_no_client_delays_an_advertisement_or_fills_the_memory(
    web02: Host, master: Process, attack: Attack, record_property: Callable[[str, object], None]
) -> None:
    dump = capture(web02, "proto", "112")
    delay = Delay(master)
    before = resident(master)
    over = Event()
    attackers = [threading.Thread(target=attack, args=(master, over)) for _ in range(2)]
    for attacker in attackers:
        attacker.start()
    try:
        time.sleep(LASTS / 2)
        begin = time.time()
        with Client(master) as friend:  # somebody who means well is served meanwhile
            assert friend.vips()["001"]["state"] == "MASTER"
        answered = time.time() - begin - delay.since(begin)
        time.sleep(LASTS / 2)
        until(lambda: len(advertisements(dump)) >= OUTLASTS, dump.tail, timeout=60)
    finally:
        over.set()
        for attacker in attackers:
            attacker.join()
    grown = resident(master) - before
    ads = advertisements(dump)
    late = lateness(ads, delay)
    record_property("late", late)
    print(f"\n{attack.__name__}: {late:.3f} s, answered in {answered:.3f} s, {grown} kB")
    sequences = [sequence_of(ad.counter) for ad in ads]
    assert sequences == list(range(sequences[0], sequences[0] + len(ads)))
    assert late < LATE
    assert answered < 5
    assert grown < MEMORY
    assert master.log().count("Switching to state") == 2
    assert "Traceback" not in master.log()


def test_connections_are_limited_and_the_one_too_many_is_told_so(master: Process) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(master)) for _ in range(CONNECTIONS)]
        for client in clients:
            assert client.ask("Describe")["connections"] <= CONNECTIONS
        with Client(master) as one_too_many, pytest.raises(RefusedError, match="Busy"):
            one_too_many.answer()
    until(lambda: ask_or_busy(master) == 1, master.tail, timeout=60)


def ask_or_busy(daemon: Process) -> int:
    with Client(daemon) as client:
        try:
            return int(client.ask("Describe")["connections"])
        except (RefusedError, OSError, EOFError):
            return -1


def test_a_message_too_long_ends_the_connection_with_the_reason(master: Process) -> None:
    with Client(master) as client:
        client.socket.sendall(b"x" * (LONGEST + 10))
        with pytest.raises(RefusedError, match="Busy") as caught:
            client.answer()
        assert str(LONGEST) in caught.value.parameters["text"]
        with pytest.raises((EOFError, ConnectionResetError)):
            client.answer()


def test_who_reads_events_too_slowly_is_told_where_it_stopped(master: Process) -> None:
    with Client(master) as watcher, Client(master) as busy:
        stream = watcher.stream("Monitor", after=0)
        assert next(stream) == {"events": []}
        for _ in range(40):  # each makes an event; what waits for the watcher is bounded
            for _ in range(100):
                busy.send("Demote", ids=["001"], hold=0)
            for _ in range(100):
                busy.answer()
        seen: list[int] = []
        with pytest.raises(RefusedError, match="TooSlow") as caught:
            seen.extend(event["number"] for answer in stream for event in answer["events"])
        assert seen == list(range(1, len(seen) + 1))
        assert caught.value.parameters == {"last": seen[-1]}
        again = watcher.stream("Monitor", after=seen[-1])  # the connection goes on
        assert next(again) == {"events": []}
        newest = next(again)["events"]
        assert newest[0]["number"] > seen[-1]


NONSENSE = [
    b"\0",
    b"hello\0",
    b"[]\0",
    b'{"method":"_x"}\0',
    b'{"method":7}\0',
    b'{"method":"io.vipd.List","parameters":[]}\0',
    b'{"method":"io.vipd.List","more":"yes"}\0',
    b"\xff\xfe\0",
    b"1" * 60000 + b"\0",
]


def test_nonsense_ends_the_connection(master: Process) -> None:
    for nonsense in NONSENSE:
        with Client(master) as client:
            client.socket.sendall(nonsense)
            with pytest.raises((EOFError, ConnectionResetError)):
                client.answer()
    assert ask(master, "Describe")


def test_a_call_that_wants_no_answer_gets_none(master: Process) -> None:
    with Client(master) as client:
        client.socket.sendall(b'{"method":"io.vipd.Nothing","oneway":true}\0')
        client.socket.sendall(b'{"method":"io.vipd.Describe","oneway":true}\0')
        assert "vips" in next(client.stream("List"))
