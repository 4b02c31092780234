"""What raises is logged, once, with what was going on; what hangs keeps nothing from going on."""

import asyncio
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from vipd.daemon.base import tasks
from vipd.daemon.base.background import Background


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What vipd logs."""
    handler, logger = Lines(), logging.getLogger("vipd")
    logger.addHandler(handler)
    hook = threading.excepthook
    yield handler.said
    threading.excepthook = hook
    logger.removeHandler(handler)


def test_a_task_that_raises_is_logged_with_what_it_did_and_where(lines: list[str]) -> None:
    async def breaks() -> None:
        raise ValueError("one\ntwo")

    async def run() -> None:
        await asyncio.wait([tasks.start(breaks(), "baking")])
        await asyncio.sleep(0)

    asyncio.run(run())
    (said,) = lines
    first, *where = said.splitlines()
    assert first.startswith("baking failed: ValueError: one\N{REPLACEMENT CHARACTER}two; ")
    assert "please report" in first
    assert any("in breaks" in line for line in where)


def test_a_task_that_is_cancelled_or_ends_is_not(lines: list[str]) -> None:
    async def run() -> None:
        assert await tasks.start(asyncio.sleep(0, "done"), "resting") == "done"
        long = tasks.start(asyncio.sleep(60), "resting")
        long.cancel()
        await asyncio.wait([long])
        await asyncio.sleep(0)

    asyncio.run(run())
    assert lines == []


def test_a_callback_that_raises_all_the_time_is_logged_once(lines: list[str]) -> None:
    """As one of add_reader does, whose descriptor stays readable; another kind is another line."""
    calls = 0

    def breaks() -> None:
        nonlocal calls
        calls += 1
        raise ValueError(f"time {calls}")

    async def run() -> None:
        loop = asyncio.get_running_loop()
        tasks.catch(loop)
        reader, writer = os.pipe()
        os.write(writer, b"x")
        loop.add_reader(reader, breaks)
        while calls < 1000:
            await asyncio.sleep(0)
        loop.remove_reader(reader)
        loop.call_soon(lambda: 1 / 0)
        await asyncio.sleep(0.01)
        os.close(reader)
        os.close(writer)

    asyncio.run(run())
    assert [line.partition("; ")[0].rpartition(" failed: ")[2] for line in lines] == [
        "ValueError: time 1",
        "ZeroDivisionError: division by zero",
    ]


def test_a_thread_that_raises_is_logged(lines: list[str]) -> None:
    async def run() -> None:
        tasks.catch(asyncio.get_running_loop())
        thread = threading.Thread(target=lambda: 1 / 0, name="reader")
        thread.start()
        while not lines:
            await asyncio.sleep(0.01)

    asyncio.run(run())
    assert lines[0].startswith("thread reader failed: ZeroDivisionError")


# ---- the background ------------------------------------------------------------------------------


def test_what_it_returns_or_raises_is_the_callers() -> None:
    async def run() -> None:
        background = Background()
        assert await background.run(lambda: 42) == 42
        with pytest.raises(ZeroDivisionError):
            await background.run(lambda: 1 / 0)
        assert await background.run(threading.get_ident) != threading.get_ident()

    asyncio.run(run())


def test_what_no_future_takes_is_the_callers_in_another_form() -> None:
    async def run() -> None:
        with pytest.raises(RuntimeError, match="StopIteration"):
            await Background().run(lambda: next(iter(())))

    asyncio.run(run())


def test_it_may_be_closed_often_and_used_again() -> None:
    async def run() -> None:
        background, before = Background(), threading.active_count()
        await background.close()
        for _ in range(3):
            assert await background.run(lambda: 42) == 42
            await background.close()
            await background.close()
            assert threading.active_count() == before

    asyncio.run(run())


def test_one_thing_at_a_time_even_when_nobody_waits_for_it_any_more() -> None:
    async def run() -> None:
        background, go_on, order = Background(), threading.Event(), list[str]()

        def slow() -> None:
            go_on.wait()
            order.append("slow")

        first = asyncio.create_task(background.run(slow))
        await asyncio.sleep(0)
        others = [
            asyncio.create_task(background.run(lambda n=n: order.append(n)))  # type: ignore[misc]
            for n in ("one", "two")
        ]
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        assert first.cancelled()
        await asyncio.sleep(0.05)
        assert order == []
        go_on.set()
        await asyncio.gather(*others)
        assert order[0] == "slow"
        assert sorted(order[1:]) == ["one", "two"]

    asyncio.run(run())


HANGS = """
import asyncio, os, pathlib, sys
from vipd.daemon.base.background import Background

async def main():
    background = Background()
    reader, writer = os.pipe()
    for _ in range(50):  # however often it is asked for
        asyncio.create_task(background.run(lambda: os.read(reader, 1)))
    await asyncio.sleep(0.2)
    print(len(os.listdir("/proc/self/task")))

asyncio.run(main())
"""


def test_what_hangs_holds_one_thread_and_does_not_keep_the_program_from_ending() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout == "2\n", done.stderr


def program(code: str) -> str:
    """What a program prints that ends by itself; a loop that waits for ever does not."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# No address space is left for a thread's stack.
NO_MEMORY = """
import asyncio, pathlib, resource
from vipd.daemon.base.background import Background, NoThreadError

async def main():
    background = Background()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for _ in range(2):
        resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 20), limits[1]))
        try:
            await background.run(lambda: None)
        except NoThreadError as error:
            print(error.strerror)
        resource.setrlimit(resource.RLIMIT_AS, limits)
    print(await background.run(lambda: "runs"))

asyncio.run(main())
"""


def test_where_no_thread_can_be_had_that_is_said_and_may_be_tried_again() -> None:
    assert program(NO_MEMORY) == "can't start new thread\n" * 2 + "runs\n"


# A thread has no memory for its first step. (That step cannot be made to fail from outside: a limit
# that leaves room for a thread's stack leaves room for it, too.)
DIES = """
import asyncio, _thread
from vipd.daemon.base import background
from vipd.daemon.base.background import Background, NoThreadError

def stillborn(function, arguments):
    def fail(*arguments):
        raise MemoryError
    return begin(fail, arguments)

async def main():
    work = Background()
    background._thread.start_new_thread = stillborn
    try:
        await work.run(lambda: None)
    except NoThreadError as error:
        print(error.strerror)
    background._thread.start_new_thread = begin
    print(await work.run(lambda: "runs"))

begin = _thread.start_new_thread
asyncio.run(main())
"""


def test_a_thread_that_dies_at_once_is_not_waited_for() -> None:
    assert program(DIES) == "a thread ended before its work was done\nruns\n"
