"""Alarms that are late: first what waits is heard, then they ring, and not for what came after."""

import asyncio
from functools import partial
from math import inf
from time import sleep

import pytest

from vipd.daemon.vips.timers import Timers


async def until(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), timeout=60)


def test_who_is_stopped_again_while_catching_up_catches_up_again() -> None:
    """An alarm that was put off, and is due because of the second stop, is no decision on what was
    heard before it."""
    told: list[str] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        rung = asyncio.Event()
        timers = Timers(loop)

        def ring(_now: float) -> None:
            told.append("rings")
            rung.set()

        alarm = timers.alarm(ring)

        def catch_up(_late: float) -> None:
            told.append("catches up")
            if len(told) == 1:
                alarm.set(loop.time() + 0.1)  # the master was heard
                sleep(0.5)  # stopped again

        timers.catch_up = catch_up
        alarm.set(loop.time() + 0.01)
        sleep(0.3)  # stopped
        await until(rung)

    asyncio.run(run())
    # once more for each time that this machine stops it as well
    assert (told[-1], told.count("rings"), set(told[:-1])) == ("rings", 1, {"catches up"})
    assert len(told) >= 3


def test_an_alarm_in_time_rings_without_catching_up() -> None:
    told: list[str] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        rung = asyncio.Event()
        timers = Timers(loop)
        timers.LATE = 5.0  # however busy this machine is
        timers.catch_up = lambda _late: told.append("catches up")
        timers.alarm(lambda _now: rung.set()).set(loop.time() + 0.01)
        await until(rung)

    asyncio.run(run())
    assert told == []


def test_who_is_stopped_between_two_alarms_hears_before_the_second_rings() -> None:
    told: list[str] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        rung = asyncio.Event()
        timers = Timers(loop)
        timers.LATE = 0.3  # the machine itself may take as long without harm to the test
        timers.catch_up = lambda _late: told.append("catches up")

        def ring(_now: float) -> None:
            told.append("rings")
            sleep(0.6)  # stopped

        when = loop.time() + 0.01
        for call in (ring, ring, lambda _now: rung.set()):
            timers.alarm(call).set(when)
        await until(rung)

    asyncio.run(run())
    assert told[told.index("rings") + 1] == "catches up"
    assert told.count("rings") == 2


@pytest.mark.parametrize("where", ["catching up", "an alarm"])
def test_what_raises_keeps_no_alarm_from_ringing(where: str) -> None:
    told: list[str] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: told.append(context["message"]))
        timers = Timers(loop)
        first, second = asyncio.Event(), asyncio.Event()

        def fail(_: float) -> None:
            raise ValueError

        timers.LATE = 0.2 if where == "catching up" else inf
        timers.catch_up = fail
        now = loop.time()
        if where == "an alarm":
            timers.alarm(fail).set(now)
        timers.alarm(lambda _now: first.set()).set(now)
        timers.alarm(lambda _now: second.set()).set(now + 0.05)
        if where == "catching up":
            sleep(0.5)  # stopped
        await until(first)
        await until(second)

    asyncio.run(run())
    assert told
    assert set(told) == {where}


def test_alarms_that_were_only_moved_wake_nobody_up_one_by_one() -> None:
    """Hundreds of backups move theirs with each advertisement, within a moment."""
    fired: list[float] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        rung = asyncio.Event()
        timers = Timers(loop)
        timers.LATE = 5.0  # however busy this machine is
        timers.before = fired.append
        now = loop.time()
        alarms = [timers.alarm(lambda _now: rung.set()) for _ in range(20)]
        for number, alarm in enumerate(alarms):
            alarm.set(now + 0.05 + number / 100)
        for alarm in alarms:
            alarm.set(now + 0.6)
        await until(rung)

    asyncio.run(run())
    assert len(fired) < 5


def test_what_may_wait_is_done_in_order_after_all_alarms_that_are_due() -> None:
    """Also if these take several turns, because each is slow."""
    told: list[str] = []
    rang: list[str] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        timers = Timers(loop)
        timers.LATE = 0.01
        timers.afterwards.PATIENCE = 60.0  # however busy this machine is
        timers.afterwards(lambda: told.append("at once"))

        def ring(number: int, _now: float) -> None:
            told.append("rings")
            rang.append(f"{number}")
            timers.afterwards(lambda: told.append(f"{number}"))
            if len(told) == 100:
                timers.afterwards(done.set)
            sleep(0.001)

        for number in range(99):
            timers.alarm(partial(ring, number)).set(loop.time() + 0.01)
        await until(done)
        timers.afterwards(lambda: told.append("at once"))

    asyncio.run(run())
    assert told[:100] == ["at once"] + ["rings"] * 99
    assert told[100:199] == rang
    assert told[199:] == ["at once"]


def test_what_may_wait_waits_for_no_endless_row_of_alarms() -> None:
    """Nor does something that fails keep others from being done."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        done = asyncio.Event()
        timers = Timers(loop)
        timers.afterwards.PATIENCE = 0.05

        def fail() -> None:
            raise ValueError

        def ring(_now: float) -> None:
            sleep(0.001)
            alarm.set(loop.time())  # due again
            if not rung:
                timers.afterwards(fail)
                timers.afterwards(done.set)
            rung.append(True)

        rung: list[bool] = []
        alarm = timers.alarm(ring)
        alarm.set(loop.time())
        await until(done)
        assert len(rung) > 1

    asyncio.run(run())
