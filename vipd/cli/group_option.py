"""`--group NAME`: all virtual IPs of one GROUP, instead of their IDs."""

from pathlib import Path

import click

from vipd.cli.client import Client, CommandError, run
from vipd.cli.completion import complete_groups
from vipd.cli.settings import settings
from vipd.cli.text import joined, safe


def _named(_context: click.Context, _option: click.Parameter, name: str | None) -> str | None:
    """An empty name (an unset variable of a script) must not be none: without one, `maintenance` is
    about the whole host."""
    if name == "":
        raise click.BadParameter("the name is empty")
    return name


group_option = click.option(
    "--group",
    metavar="NAME",
    callback=_named,
    shell_complete=complete_groups,
    help="All virtual IPs of this GROUP.",
)


def members(runtime_dir: Path | None, name: str) -> tuple[str, ...]:
    """The IDs of those that run here, or are to run. Ends the command if there are none."""

    async def look(client: Client) -> tuple[str, ...]:
        vips = await client.vips()
        ids = tuple(vip.id for vip in vips if vip.group == name)
        if not ids:
            there = sorted({safe(vip.group) for vip in vips if vip.group})
            known = f"the groups here: {joined(there)}" if there else "no VIP here has a GROUP"
            raise CommandError(f"no virtual IP here is of the group {safe(name)}", known)
        return ids

    return run(settings(runtime_dir=runtime_dir), look)
