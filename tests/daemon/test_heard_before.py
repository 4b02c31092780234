"""What a vipd has heard of other hosts, and the next one knows; and where sequences begin."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vipd.daemon.vips.counter import Counter, first
from vipd.daemon.vips.heard_before import HeardBefore

HOST = b"\x0a\x02\x00\xc0"
GROUP = "eth1", 7
NS = 1_000_000_000
IN_2026 = 1_790_000_000 * NS


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def test_the_next_vipd_knows_it(loop: asyncio.AbstractEventLoop, tmp_path: Path) -> None:
    file = tmp_path / "heard"
    heard = HeardBefore(loop, file)
    memory = heard.memory(*GROUP)
    memory.remember({HOST: 5}, 0.0)
    assert heard.memory(*GROUP) is memory  # another life of the VIP
    heard.changed()
    heard.write()
    later = HeardBefore(loop, file)
    later.write()  # before anything has started
    latest = HeardBefore(loop, file)
    assert dict(latest.memory(*GROUP).known) == {HOST: 5}
    assert dict(latest.memory("eth2", 7).known) == {}


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe",
        b"eth1 7\n",
        b"eth1 7 zz 5\neth1 999 0a 5\neth1 7 0a five\n",
        b"eth1 7 " + 40 * b"0a" + b" 5\n",
        b"\0" * 5000,
    ],
)
def test_a_file_that_makes_no_sense_is_as_none(
    loop: asyncio.AbstractEventLoop, tmp_path: Path, text: bytes
) -> None:
    file = tmp_path / "heard"
    file.write_bytes(text + b"\neth1 8 0a020001 9\n")
    heard = HeardBefore(loop, file)
    assert dict(heard.memory(*GROUP).known) == {}
    assert dict(heard.memory("eth1", 8).known) == {bytes.fromhex("0a020001"): 9}


def test_a_file_that_cannot_be_written_is_no_problem(
    loop: asyncio.AbstractEventLoop, tmp_path: Path
) -> None:
    heard = HeardBefore(loop, tmp_path / "nowhere" / "heard")
    heard.memory(*GROUP).remember({HOST: 5}, 0.0)
    heard.write()


def test_sequences_begin_at_the_clock_or_behind_what_was_used() -> None:
    now = first(None, IN_2026)
    assert first(None, IN_2026 + NS) == now + 4
    assert first(now + 1000, IN_2026) == now + 1000
    assert first(now - 1000, IN_2026) == now
    assert first(None, 0) == 0  # a machine without a clock
    assert first(now, 0) == now
    assert first(None, 10**10 * NS) == 1 << 32


def test_each_group_counts_by_itself_and_goes_on_behind_what_it_hears(tmp_path: Path) -> None:
    file = tmp_path / "sequence"
    counter = Counter(file)
    ours, others = counter.of(1), counter.of(2)
    assert counter.of(1) is ours
    one = next(ours)
    assert next(ours) == one + 1
    assert next(others) == one
    far = ours.last + 10**6  # a host with a clock that is ahead
    ours.skip(far)
    ours.skip(far - 5)
    assert next(ours) == far + 1
    assert next(others) == one + 1
    assert int(file.read_text()) == ours.last > far + 1
    assert next(Counter(file).of(2)) > far


def test_without_a_file_the_clock_counts() -> None:
    before = first(None, time.time_ns())
    assert before < next(Counter(None).of(1)) <= first(None, time.time_ns()) + 1
