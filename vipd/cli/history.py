"""`vipctl history`: every transition with its reason and its measured times, and what led to it."""

import gc
import json
import sys
import time
from pathlib import Path

import click

from vipd.api.events import Event, ScriptRun, Transition
from vipd.api.io_vipd import TooSlow, plain
from vipd.cli.client import Client, run
from vipd.cli.settings import ids_argument, runtime_dir_option, settings
from vipd.cli.text import STATES, Colour, coloured, milliseconds, paint, safe, span, write

_SILENT = 0.05
"""Seconds of silence of the other host that are worth showing."""
_LEVELS = {"error": Colour.BAD, "warning": Colour.PLAIN, "info": Colour.DIM}


@click.command("history")
@ids_argument
@click.option("--follow", "-f", is_flag=True, help="Go on with what happens from now on.")
@click.option("--limit", "-n", type=click.IntRange(1), metavar="N", help="Only the last N events.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one event a line.")
@runtime_dir_option
def command(
    ids: tuple[str, ...],
    follow: bool,
    limit: int | None,
    as_json: bool,
    runtime_dir: Path | None,
) -> None:
    """Show what happened, why, and how long it took.

    The daemon keeps the last 64 events of each virtual IP since it started. A transition shows
    the time from the decision until the address was added, was announced, and the first
    advertisement was sent.

    Exit status: 0 shown, 1 there is no such virtual IP, 2 the daemon cannot be reached.
    """
    wanted = list(ids) or None
    colours = coloured(sys.stdout)

    def show(events: list[Event]) -> None:
        write(as_json_line(each) if as_json else line(each, colours) for each in events)

    async def act(client: Client) -> None:
        events = await client.history(wanted, limit)
        show(events)
        if not events and not (follow or as_json):
            write(["Nothing has happened since vipd started."])
        last = events[-1].number if events else 0
        gc.enable()
        while follow:
            try:
                async for some in client.events(wanted, last):
                    show([each for each in some if not wanted or each.id in wanted])
                    last = max(last, *(each.number for each in some)) if some else last
            except TooSlow as error:
                last = error.p_last

    run(settings(runtime_dir=runtime_dir), act)


def as_json_line(event: Event) -> str:
    """All that is known of an event, on one line."""
    return json.dumps(event, default=plain)


def line(event: Event, colours: bool) -> str:
    """An event as people read it."""
    who = safe(event.id) if event.id else "vipd"
    if event.transition:
        what = transition(event.transition, colours)
    elif event.script:
        what = script(event.script)
    else:
        what = paint(safe(event.text), _LEVELS[event.level], colours)
    return f"{when(event.at)}  {who}  {what}"


def when(at: float) -> str:
    """Unix time as local time, to the millisecond."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    return f"{stamp}.{int(at * 1000) % 1000:03d}"


def transition(change: Transition, colours: bool) -> str:
    """“BACKUP → MASTER: nothing heard from a master; address 0.4 ms, …”."""
    old, new = change.old.value, paint(change.new.value, STATES[change.new], colours)
    peer = ""
    if change.peer:
        silent = change.silence is not None and change.silence >= _SILENT
        before = f" was heard {span(change.silence or 0)} before" if silent else ""
        peer = f" ({safe(change.peer)}{before})"
    phases = [
        f"{name} {milliseconds(seconds)}"
        for name, seconds in (
            ("address", change.address),
            ("announcement", change.announcement),
            ("advertisement", change.advertisement),
        )
        if seconds is not None
    ]
    return f"{old} → {new}: {change.reason.value}{peer}" + (
        f"; {', '.join(phases)}" if phases else ""
    )


def script(ran: ScriptRun) -> str:
    """“upscript ended after 1.20 s”, and how."""
    if ran.status is None:
        how = "could not be started"
    elif ran.status < 0:
        how = f"was ended by signal {-ran.status}"
    else:
        how = "succeeded" if ran.status == 0 else f"failed with status {ran.status}"
    address = f"; address {milliseconds(ran.address)}" if ran.address is not None else ""
    return f"{ran.which} {how} after {milliseconds(ran.seconds)}{address}"
