"""`vipctl maintenance`: hand over and stay backup until switched off, across reboots."""

import sys
from pathlib import Path

import click

from vipd.api.io_vipd import Maintained
from vipd.cli.client import Client, run
from vipd.cli.group_option import group_option, members
from vipd.cli.handover import status, told
from vipd.cli.settings import ids_argument, runtime_dir_option, settings
from vipd.cli.text import safe, write


@click.command("maintenance")
@click.argument("switch", type=click.Choice(["on", "off"]), metavar="[on|off]", required=False)
@ids_argument
@group_option
@runtime_dir_option
def command(
    switch: str | None, ids: tuple[str, ...], group: str | None, runtime_dir: Path | None
) -> None:
    """Hand over and stay backup until switched off.

    Without IDs, maintenance applies to the whole host, including virtual IPs that are added
    later. It survives restarts and reboots, and every command shows it. A virtual IP that is
    taken out of it while the whole host is in maintenance is an exception: all others stay in it.
    With --group, it applies to the members that the group has now, and is kept by their IDs.
    Without on or off, the command shows what is in maintenance, including VIPs whose files are
    gone.

    Exit status: 0 done, 1 refused, or nobody took over, 2 the daemon cannot be reached.
    """
    if switch is None:
        write(kept(*run(settings(runtime_dir=runtime_dir), _look)))
        return
    if group:
        if ids:
            raise click.UsageError("name the IDs, or --group, and not both")
        ids = members(runtime_dir, group)
    on = switch == "on"
    wanted = list(ids) or None
    handovers = run(
        settings(runtime_dir=runtime_dir), lambda client: client.maintenance(wanted, on)
    )
    there = {each.id for each in handovers}
    absent = [safe(each) for each in dict.fromkeys(ids) if each not in there]
    if not on:
        names = ", ".join(safe(each) for each in sorted({*there, *ids}))
        write([f"Maintenance is over: {names}" if names else "Maintenance is over."])
        write(f"{each}: no such virtual IP runs now" for each in absent)
        return
    again = " ".join(("vipctl maintenance off", *map(safe, ids)))
    then = f"stays backup until: {again}"
    write(told(each, then) for each in handovers)
    write(f"{each}: no such virtual IP runs now; when it does, it {then}" for each in absent)
    if not handovers and not ids:
        write([f"No virtual IP runs here; those that will {then}"])
    sys.exit(status(handovers))


async def _look(client: Client) -> tuple[Maintained, set[str]]:
    return (await client.describe())["maintenance"], {vip.id for vip in await client.vips()}


def kept(maintained: Maintained, running: set[str]) -> list[str]:
    """Lines that say what is in maintenance, and which of it runs."""

    def named(ids: list[str]) -> str:
        return ", ".join(safe(i) + ("" if i in running else " (does not run now)") for i in ids)

    lines = []
    if maintained.host:
        excepted = f", except {named(maintained.excepted)}" if maintained.excepted else ""
        lines.append(f"The whole host is in maintenance{excepted}. End it: vipctl maintenance off")
    elif maintained.ids:
        again = " ".join(("vipctl maintenance off", *map(safe, maintained.ids)))
        lines.append(f"In maintenance: {named(maintained.ids)}. End it: {again}")
    return lines or ["Nothing is in maintenance."]
