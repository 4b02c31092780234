"""`vipctl demote`: hand over now, without a gap, and stay backup for a while."""

import sys
from pathlib import Path

import click

from vipd.api.io_vipd import DEMOTE_HOLD
from vipd.cli.client import run
from vipd.cli.group_option import group_option, members
from vipd.cli.handover import status, told
from vipd.cli.settings import ids_argument, runtime_dir_option, settings
from vipd.cli.text import span, write

LONGEST = 86400.0
"""Seconds; for longer, use maintenance."""


@click.command("demote")
@ids_argument
@group_option
@click.option("--all", "everything", is_flag=True, help="All virtual IPs of this host.")
@click.option(
    "--hold",
    type=click.FloatRange(0, LONGEST),
    default=DEMOTE_HOLD,
    show_default=True,
    metavar="SECONDS",
    help="How long to stay backup.",
)
@runtime_dir_option
def command(
    ids: tuple[str, ...],
    group: str | None,
    everything: bool,
    hold: float,
    runtime_dir: Path | None,
) -> None:
    """Hand over now, and stay backup for a while.

    This host continues to answer until the successor is heard, 2 s at most, so that clients
    notice nothing.

    Exit status: 0 done, 1 refused, or nobody took over, 2 the daemon cannot be reached.
    """
    if (everything, bool(ids), bool(group)).count(True) != 1:
        raise click.UsageError("name the IDs to hand over, or --group, or --all, and only one")
    wanted = None if everything else list(members(runtime_dir, group) if group else ids)
    handovers = run(settings(runtime_dir=runtime_dir), lambda client: client.demote(wanted, hold))
    then = f"stays backup for {span(hold)}" if hold else "may become master again at once"
    write(told(each, then) for each in handovers)
    sys.exit(status(handovers))
