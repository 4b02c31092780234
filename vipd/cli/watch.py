"""`vipctl watch`: the state, live, with a strip per virtual IP that shows its owners."""

import asyncio
import gc
import sys
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import click

from vipd.api.events import Event
from vipd.api.io_vipd import VipStatus
from vipd.cli import history, strip
from vipd.cli.attention import attention
from vipd.cli.client import PATIENCE, Client, CommandError, connected, run
from vipd.cli.paths import Settings
from vipd.cli.settings import ids_argument, runtime_dir_option, settings
from vipd.cli.status import Report, addresses, alerts, fetch, owner, state, summary
from vipd.cli.strip import CELL, Hosts, Strip
from vipd.cli.text import Colour, coloured, paint, plain_length, safe, span, table, write

EVERY = 1.0
"""Seconds from one look to the next. With many VIPs it is longer, because an answer about 255 takes
the daemon 0.05 s of processor time; an event is shown within `AT_ONCE` all the same."""
MANY = 64
AT_ONCE = 0.2
EVENTS = 5
"""Lines of what happened last."""
HEADINGS = ("ID", "ADDRESS", "STATE", "SINCE", "MASTER")


@click.command("watch")
@ids_argument
@runtime_dir_option
def command(ids: tuple[str, ...], runtime_dir: Path | None) -> None:
    """Show the state live, with who owned each virtual IP in the last minutes.

    Ctrl-C ends it.

    Exit status: 0 ended, 1 there is no such virtual IP, 2 the daemon cannot be reached, or this
    is no terminal.
    """
    if not sys.stdout.isatty():
        raise click.UsageError("watch needs a terminal; see vipctl history --follow")
    gc.enable()
    where = settings(runtime_dir=runtime_dir)
    screen = Screen(list(ids))
    run(where, screen.learn)  # reports a daemon that cannot be reached
    # Only now: rich takes longer to import than the other commands take to run.
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False)
    colours = coloured(sys.stdout)

    def frame() -> list[str]:
        return screen.lines(time.time(), console.width, console.height, colours)

    async def show() -> None:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            async for _ in screen.watching(where):
                page = Text("\n").join(Text.from_ansi(each) for each in frame())
                page.no_wrap, page.overflow = True, "crop"
                live.update(page, refresh=True)

    try:
        asyncio.run(show())
    except KeyboardInterrupt:
        write(frame())  # the last one stays


class Screen:
    """What is shown: fed by the daemon, drawn by `lines`."""

    def __init__(self, ids: list[str]) -> None:
        self._ids = ids
        self._strips: dict[str, Strip] = {}
        self._hosts = Hosts()
        self._events: deque[Event] = deque(maxlen=EVENTS)
        self._seen = 0.0  # Unix time of the last event
        self._report = Report((), (), 0.0)
        self._trouble = ""
        self._news = asyncio.Event()

    # What it learns

    async def learn(self, client: Client) -> int:
        """Read everything that the daemon knows; returns the number of the last event."""
        events = await client.history(self._ids or None)
        now = time.time()
        for identifier, transitions in strip.owners(events).items():
            self._strips.setdefault(identifier, Strip()).learn(transitions, now)
        self.happened(events)
        self.record(await fetch(client, self._ids))
        return events[-1].number if events else 0

    def happened(self, events: list[Event]) -> None:
        """Events, some of which may be known already."""
        for event in events:
            if event.at > self._seen and (not self._ids or event.id in self._ids):
                self._events.append(event)
        if events:
            self._seen = max(self._seen, events[-1].at)
            self._news.set()

    def record(self, report: Report) -> None:
        """The present state."""
        self._report = report
        self._trouble = ""
        for vip in report.vips:
            self._strips.setdefault(vip.id, Strip()).record(vip, report.now)

    async def watching(self, where: Settings) -> AsyncIterator[None]:
        """Follow the daemon, also across its restarts; yield when something may be new."""
        following = asyncio.create_task(self._follow(where))
        try:
            while True:
                yield
                self._news.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), self._pause())
                    await asyncio.sleep(AT_ONCE)  # one event seldom comes alone
                try:
                    self.record(await connected(where, lambda c: fetch(c, self._ids), PATIENCE))
                except CommandError as error:
                    self._trouble = error.message
        finally:
            following.cancel()

    def _pause(self) -> float:
        return min(max(EVERY, EVERY * len(self._report.vips) / MANY), CELL - 1)

    async def _follow(self, where: Settings) -> None:
        async def follow(client: Client) -> None:
            last = await self.learn(client)
            async for events in client.events(self._ids or None, last):
                self.happened(events)

        while True:
            try:
                await connected(where, follow, PATIENCE)
            except CommandError:
                await asyncio.sleep(EVERY)

    # How it is drawn

    def lines(self, now: float, width: int, height: int, colours: bool) -> list[str]:
        """A page of this size (in characters), at Unix time `now`."""
        events = [history.line(event, colours) for event in self._events]
        around = 4 + len(events)  # title, legend, and a free line by each
        room = max(height - around - 1, 1)
        told = alerts(self._report, colours)
        told = told[: max(room - len(self._report.vips) - 1, 2)]
        shown, more = self._choice(room - len(told) - bool(told))
        rows = self._rows(shown, now, width, colours)
        if more:
            rows.append(f"… and {more} more that are fine; name the IDs to see them")
        legend = self._legend(colours)  # after the rows: they determine which hosts there are
        alarm = [""] * bool(told) + told
        return [self._title(now, colours), "", *rows, *alarm, "", legend, *events]

    def _choice(self, room: int) -> tuple[list[VipStatus], int]:
        """The VIPs that fit, those that need attention first, and how many do not."""
        vips = list(self._report.vips)
        if len(vips) <= room:
            return vips, 0
        first = sorted(vips, key=lambda vip: not attention(vip))[: max(room - 1, 1)]
        return sorted(first, key=lambda vip: vip.id), len(vips) - len(first)

    def _rows(self, vips: list[VipStatus], now: float, width: int, colours: bool) -> list[str]:
        cells = [
            (
                safe(vip.id),
                addresses(vip),
                state(vip),
                span(now - vip.since, short=True),
                owner(vip),
            )
            for vip in vips
        ]
        rows = table(HEADINGS, cells, colours)
        taken = max(map(plain_length, rows)) + 2
        cells_left = max(width - taken, 0)
        out = [rows[0]]
        for vip, row in zip(vips, rows[1:], strict=True):
            drawn = strip.drawn(self._strips[vip.id], self._hosts, now, cells_left, colours)
            out.append(row + " " * (taken - plain_length(row)) + drawn)
        return out

    def _title(self, now: float, colours: bool) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(now))
        if self._trouble:
            return f"{clock}  {paint(self._trouble, Colour.BAD, colours)}; the last that was known:"
        return f"{clock}  {summary(self._report, colours)}"

    def _legend(self, colours: bool) -> str:
        return f"{self._hosts.legend(colours)}   each {CELL} s"
