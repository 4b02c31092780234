"""`vipctl cluster`: every virtual IP on every host, as the hosts tell it now."""

import gc
import json
import sys
import time
from pathlib import Path

import click

from vipd.cli.remote.ask import ask
from vipd.cli.remote.hosts import Reach, chosen, hosts_argument, reach, remote_option
from vipd.cli.remote.picture import Picture
from vipd.cli.remote.states import STATUS, state_of
from vipd.cli.settings import config_dir_option, json_option, runtime_dir_option, settings
from vipd.cli.text import coloured, write

PATIENCE = 3.0
"""Seconds in which the hosts have to answer."""
EVERY = 2.0
"""Seconds from one look to the next with --live: each is one login on every host."""


@click.command("cluster")
@hosts_argument
@remote_option
@json_option
@click.option("--live", is_flag=True, help="Ask again every two seconds, until Ctrl-C.")
@config_dir_option
@runtime_dir_option
def command(
    hosts: tuple[str, ...],
    remote: str | None,
    as_json: bool,
    live: bool,
    config_dir: Path | None,
    runtime_dir: Path | None,
) -> None:
    """Show every virtual IP on every host, as the hosts tell it now.

    Each HOST is asked vipctl status --json by ssh, without a question for a password, all at once;
    without HOST, those of HOSTS in vip-common.conf. After three seconds “?” stands for a host that
    has not answered: what it said before is not shown. “–” is a VIP that a host does not have, “!”
    something that needs attention. OTHER OWNER is a master that the backups hear, and that is
    none of the hosts that answered.

    The host that this runs on, by its host name or as localhost, is asked without ssh, unless -e
    is given.

    Exit status: 0 no problem, 1 something needs attention, 2 an address has no owner or two, or a
    host cannot be asked. The first line is a summary, so that the command serves as a Nagios check.
    """
    where = settings(config_dir, runtime_dir)
    names = chosen(hosts, where.config_dir)
    way = reach(remote, where)
    if live:
        if as_json or not sys.stdout.isatty():
            raise click.UsageError("--live needs a terminal, and is not for --json")
        _live(names, way)
        return
    try:
        picture = look(names, way)
    except KeyboardInterrupt:
        sys.exit(130)
    if as_json:
        write([json.dumps(picture.as_object())])
    else:
        write(picture.lines(coloured(sys.stdout)))
    sys.exit(picture.status)


def look(names: tuple[str, ...], way: Reach) -> Picture:
    """Ask all hosts, once."""
    answers = ask({name: way.words(name, STATUS) for name in names}, PATIENCE)
    return Picture([state_of(each) for each in answers])


def _live(names: tuple[str, ...], way: Reach) -> None:
    gc.enable()
    # Only now: rich takes longer to import than everything else takes to run.
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False)
    colours = coloured(sys.stdout)
    shown: list[str] = []
    try:
        with Live(console=console, screen=True, auto_refresh=False) as screen:
            while True:
                begun = time.monotonic()
                picture = look(names, way)
                clock = time.strftime("%H:%M:%S")
                shown = picture.lines(colours, console.height - 1)
                shown[0] = f"{clock}  {shown[0]}"
                page = Text("\n").join(Text.from_ansi(each) for each in shown)
                page.no_wrap, page.overflow = True, "crop"
                screen.update(page, refresh=True)
                time.sleep(max(0.0, EVERY - (time.monotonic() - begun)))
    except KeyboardInterrupt:
        write(shown)  # the last one stays
