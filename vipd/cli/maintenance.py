"""`vipctl maintenance`: hand over and stay backup until switched off, across reboots."""

import sys
from pathlib import Path

import click

from vipd.cli.client import run
from vipd.cli.handover import status, told
from vipd.cli.settings import ids_argument, runtime_dir_option, settings
from vipd.cli.text import safe, write


@click.command("maintenance")
@click.argument("switch", type=click.Choice(["on", "off"]), metavar="on|off")
@ids_argument
@runtime_dir_option
def command(switch: str, ids: tuple[str, ...], runtime_dir: Path | None) -> None:
    """Hand over and stay backup until switched off.

    Without IDs it is for the whole host, virtual IPs that are added later included. It survives
    restarts and reboots, and every command shows it.

    Exit status: 0 done, 1 refused, or nobody took over, 2 the daemon cannot be reached.
    """
    on = switch == "on"
    wanted = list(ids) or None
    handovers = run(
        settings(runtime_dir=runtime_dir), lambda client: client.maintenance(wanted, on)
    )
    if not on:
        names = ", ".join(safe(each.id) for each in handovers)
        write([f"Maintenance is over: {names}" if names else "Maintenance is over."])
        return
    again = " ".join(("vipctl maintenance off", *ids))
    then = f"stays backup until: {again}"
    write(told(each, then) for each in handovers)
    if not handovers:
        write([f"No virtual IP runs here; those that will {then}"])
    sys.exit(status(handovers))
