"""TRACK_INTERFACE: what is wrong with an interface, by whatever name, and for how long."""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from helpers.hosts import ip

from health.witness import PATIENCE, Make, Witness, play
from vipd.daemon.health.debounced import Debounced
from vipd.daemon.health.hold import Hold
from vipd.daemon.health.settings import Times
from vipd.daemon.health.track_interface import TrackedLinks, TrackInterface
from vipd.daemon.health.verdict import Changed, Source
from vipd.lab import Host
from vipd.linux.links import Links
from vipd.linux.netlink import Netlink

pytestmark = pytest.mark.lab

MAKE_ETH9 = "link add eth9 type veth peer name peer9"
QUICK = Times(0.05, 0.05, hold=0)
NEVER = 1000.0


@contextmanager
def opened() -> Iterator[Links]:
    netlink = Netlink()
    links = Links(netlink)
    yield links
    links.close()
    netlink.close()


def track(name: str, times: Times, links: Links) -> Make:
    def make(loop: asyncio.AbstractEventLoop, changed: Changed) -> Source:
        tracked = TrackedLinks(links)
        loop.add_reader(links.fileno(), lambda: tracked.changed(links.changes().names))
        return TrackInterface(name, tracked, times, loop, changed)

    return make


async def news() -> None:
    """Let the loop read what the kernel has told."""
    for _ in range(3):
        await asyncio.sleep(0)


def test_an_interface_is_well_while_it_has_a_carrier(web01: Host) -> None:
    ip(web01, MAKE_ETH9, "link set eth9 up")

    async def story(seen: Witness) -> None:
        await seen.sees(False, "eth9 has no carrier")
        ip(web01, "link set peer9 up")
        await seen.sees(True)
        ip(web01, "link set eth9 down")
        await seen.sees(False, "interface eth9 is down")
        ip(web01, "link set eth9 up")
        await seen.sees(True)
        ip(web01, "link del eth9")
        await seen.sees(False, "interface eth9 is not there")
        ip(web01, MAKE_ETH9, "link set eth9 up", "link set peer9 up")
        assert (await seen.sees(True)).said == ""

    with opened() as links:
        play(track("eth9", QUICK, links), story)


def test_a_name_is_what_counts_also_an_alternative_one(web01: Host) -> None:
    ip(web01, MAKE_ETH9, "link set eth9 up", "link set peer9 up")
    ip(web01, "link property add dev eth9 altname uplink")

    async def story(seen: Witness) -> None:
        await seen.sees(True)
        ip(web01, "link property del dev eth9 altname uplink")
        await seen.sees(False, "interface uplink is not there")
        ip(web01, "link set peer9 name uplink")
        await seen.sees(True)

    with opened() as links:
        play(track("uplink", QUICK, links), story)


def test_a_bounce_shorter_than_track_down_is_not_seen(web01: Host) -> None:
    ip(web01, MAKE_ETH9, "link set eth9 up", "link set peer9 up")

    async def story(seen: Witness) -> None:
        await seen.sees(True)
        for _ in range(3):
            ip(web01, "link set peer9 down", "link set peer9 up")
            await news()
        assert [verdict.well for verdict in seen.told] == [True]

    with opened() as links:
        play(track("eth9", Times(NEVER, 0.05), links), story)


def test_it_has_to_stay_up_for_track_up(web01: Host) -> None:
    ip(web01, MAKE_ETH9, "link set eth9 up", "link set peer9 up")

    async def story(seen: Witness) -> None:
        await seen.sees(True)
        ip(web01, "link set peer9 down")
        down = await seen.sees(False, "no carrier")
        ip(web01, "link set peer9 up")
        again = await seen.sees(False, "in order again")
        assert again.since == down.since
        assert again.ends == "when that has been over for 1000 s (TRACK_UP)"
        ip(web01, "link set peer9 down")
        await seen.sees(False, "no carrier")

    with opened() as links:
        play(track("eth9", Times(0.05, NEVER), links), story)


def test_one_that_is_not_there_at_the_start_has_time_to_come(web01: Host) -> None:
    async def story(seen: Witness) -> None:
        await news()
        assert seen.now.well is None
        ip(web01, MAKE_ETH9, "link set eth9 up", "link set peer9 up")
        await seen.sees(True)

    with opened() as links:
        play(track("eth9", Times(NEVER, NEVER), links), story)


def test_what_happened_while_the_loop_stood_still_is_seen_before_a_verdict() -> None:
    """After SIGCONT the loop finds that a timer is due, and reads only then."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        told: list[bool | None] = []
        debounced = Debounced(loop, Times(0.1, 0.1), lambda: told.append(debounced.verdict.well))
        debounced.see("")
        debounced.see("no carrier")
        loop.call_later(0.3, debounced.see, "")
        time.sleep(0.6)
        await asyncio.sleep(0.3)
        assert told == [True]

    asyncio.run(story())


def test_one_that_is_in_trouble_again_and_again_is_held() -> None:
    """The first time TRACK_UP is enough; from then on CHECK_HOLD counts, too."""

    async def story() -> None:
        loop = asyncio.get_running_loop()
        verdicts: list[bool | None] = []

        def note() -> None:
            verdicts.append(debounced.verdict.well)

        debounced = Debounced(loop, Times(0.05, 0.05, hold=1000), note)

        async def becomes(well: bool) -> None:
            async with asyncio.timeout(PATIENCE):
                while debounced.verdict.well is not well:
                    await asyncio.sleep(0.01)

        debounced.see("")
        for trouble, well in (("no carrier", False), ("", True), ("no carrier", False)):
            debounced.see(trouble)
            await becomes(well)
        debounced.see("")
        await asyncio.sleep(0.5)
        assert debounced.verdict.well is False
        assert re.search(
            r"not before \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(CHECK_HOLD\)$", debounced.verdict.ends
        )
        debounced.close()
        assert [well for well, before in zip(verdicts, [None, *verdicts], strict=False)
                if well is not before] == [True, False, True, False]  # fmt: skip

    asyncio.run(story())


def test_other_times_do_not_end_its_trouble() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        before = Debounced(loop, Times(0.01, NEVER), lambda: None)
        before.see("no carrier")
        async with asyncio.timeout(PATIENCE):
            while before.verdict.well is None:
                await asyncio.sleep(0.01)
        before.see("")
        after = Debounced(loop, Times(0.01, 50), lambda: None)
        after.resume(before)
        after.see("")
        assert (after.verdict.well, after.verdict.since) == (False, before.verdict.since)
        assert after.verdict.ends == "when that has been over for 50 s (TRACK_UP)"
        before.close()
        after.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("seconds", "spares_first", "holds"),
    [
        (30, False, [30, 60, 120, 240, 480, 600, 600]),
        (30, True, [0, 30, 60, 120, 240, 480, 600]),
        (0, True, [0, 0, 0]),
        (0, False, [0, 0, 0]),
        (1000, True, [0, 1000, 1000]),
    ],
)
def test_a_hold_is_doubled_each_time(seconds: int, spares_first: bool, holds: list[int]) -> None:
    hold, now = Hold(seconds, spares_first=spares_first), 0.0
    for expected in holds:
        hold.failed(now)
        assert hold.until - now == expected
        now = hold.until + 10
        hold.recovered(now)
        now += 299
    now += 2
    hold.failed(now)  # long after the last time
    assert hold.until - now == holds[0]
