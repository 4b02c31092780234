"""`vipctl plan`: the files of many hosts, so that the load is even whoever fails."""

import json
import secrets
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import click

from vipd.cli.planning import before, report, words
from vipd.cli.planning.design import Design, Wanted, design
from vipd.cli.planning.files import PlanError, read_back, write
from vipd.cli.planning.orders import Order
from vipd.cli.settings import json_option
from vipd.cli.text import coloured
from vipd.cli.text import write as say
from vipd.config.files import UnreadableError, read_regular
from vipd.config.password import LIMIT, UCARP_LIMIT

_DIRECTORY = click.Path(path_type=Path, file_okay=False)


@click.command("plan")
@click.argument("addresses", metavar="[ADDRESS|FIRST-LAST]...", nargs=-1)
@click.option(
    "--host",
    multiple=True,
    metavar="NAME=SOURCE",
    help="A host and its own address, or two with a comma between them, an IPv4 and an IPv6 one; "
    "repeat it.",
)
@click.option("--interface", metavar="IF", help="BIND_INTERFACE of all hosts.")
@click.option(
    "--passfile",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The password is the first line of this file. Without it, one is made.",
)
@click.option(
    "--pin", multiple=True, metavar="ADDRESS=HOST", help="This host comes first; repeat it."
)
@click.option(
    "--group",
    multiple=True,
    metavar="NAME=ADDRESS,ADDRESS",
    help="These of the addresses are a GROUP: they get one order of the hosts, and count as one "
    "address; repeat it.",
)
@click.option(
    "--weight",
    multiple=True,
    metavar="HOST=N",
    help="This host gets N times as many addresses as one with weight 1; repeat it.",
)
@click.option(
    "--vhid",
    type=click.IntRange(1, 255),
    metavar="N",
    help="New addresses get the free VHIDs from N on, instead of from 1 (see vipctl scan).",
)
@click.option(
    "--from",
    "origin",
    type=_DIRECTORY,
    metavar="DIR",
    help="Start from the files in DIR/NAME and change as little as possible.",
)
@click.option(
    "--output",
    type=_DIRECTORY,
    default=Path(),
    metavar="DIR",
    help="Write DIR/NAME of each host here, instead of into the working directory.",
)
@click.option("--dry-run", is_flag=True, help="Write nothing; only show the plan.")
@json_option
def command(
    addresses: tuple[str, ...],
    host: tuple[str, ...],
    interface: str | None,
    passfile: Path | None,
    pin: tuple[str, ...],
    group: tuple[str, ...],
    weight: tuple[str, ...],
    vhid: int | None,
    origin: Path | None,
    output: Path,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make the files of many hosts, so that the load is even whoever fails.

    vipctl plan --host web01=192.0.2.1 --host web02=192.0.2.2 --host web03=192.0.2.3
    --interface eth1 192.0.2.101-192.0.2.112

    Each address is a VIP with a VHID of its own. Its hosts have --preempt and a different advskew
    each, so that its owner is the first of them that lives. The plan spreads the addresses evenly,
    and those of a host that fails evenly over the others, and those of two that fail as far as
    that is possible. The files are written to DIR/NAME (mode 0600, because of the password), then
    read again as vipd reads them, and what is shown is what they amount to: the order of the hosts
    for each VIP, and how many addresses each host owns now, without any one of the others, and
    without any two.

    With --from, the GROUPs of the files count. Addresses and hosts that are left out are those of
    the files. If some are given, they are all there is to be: an address or a host that is not
    among them leaves the plan. A new host gets the files of the first one, with its own
    SOURCE_ADDRESS.

    Exit status: 0 the plan is made, 2 it is not.
    """
    try:
        existing = before.read(origin) if origin else {}
        wanted = _wanted(addresses, host, interface, passfile, pin, weight, existing)
        groups = _groups(group, wanted)
        plan = design(replace(wanted, first=vhid or 1, groups=groups))
        found = _prove(plan, None if dry_run else output)
    except PlanError as error:
        _die(str(error))
    except OSError as error:
        _die(f"{error.filename or output}: {error.strerror or error}")
    if as_json:
        say([json.dumps(report.as_object(plan, found, existing))])
        return
    say(report.lines(plan, found, existing, coloured(sys.stdout)))
    if dry_run:
        say(["", "Nothing was written (--dry-run)."])
    else:
        say(["", f"Written: the files of each host NAME, in {output}/NAME."])


def _die(message: str) -> NoReturn:
    click.echo(f"vipctl plan: {message}", err=True)
    sys.exit(2)


def _wanted(
    addresses: tuple[str, ...],
    host: tuple[str, ...],
    interface: str | None,
    passfile: Path | None,
    pin: tuple[str, ...],
    weight: tuple[str, ...],
    existing: Mapping[str, before.Before],
) -> Wanted:
    hosts = {each.name: each.sources for each in words.hosts(host)} or dict.fromkeys(existing, ())
    if existing and (interface or passfile):
        given = "--interface" if interface else "--passfile"
        raise click.UsageError(f"{given} is for new files; those of --from have theirs already")
    if not existing:
        for option, value in (("--host", host), ("--interface", interface), ("ADDRESS", addresses)):
            if not value:
                raise click.UsageError(f"{option} is missing; only with --from it may be left out")
    names = list(hosts)
    return Wanted(
        hosts,
        words.addresses(addresses),
        words.weights(weight, names),
        words.pins(pin, names),
        interface or "",
        "" if existing else _password(passfile),
        existing,
    )


def _groups(words_of: tuple[str, ...], wanted: Wanted) -> dict[object, str]:
    """Of new addresses; those of the files have their GROUP there."""
    found = words.groups(words_of)
    new = {each.ip for each in wanted.addresses}
    there = {
        address.ip
        for host in wanted.before.values()
        for vip in host.vips.values()
        for address in vip.addresses
    }
    for address, name in found.items():
        if address in there:
            raise click.UsageError(f"--group: write GROUP={name} into the file of {address}")
        if address not in new:
            raise click.UsageError(f"--group {name}: {address} is none of the ADDRESSes")
    return found


def _password(passfile: Path | None) -> str:
    """The password of a new group. PlanError if ucarp and vipd would not read the same one."""
    if passfile is None:
        return secrets.token_urlsafe(UCARP_LIMIT)[:UCARP_LIMIT]
    try:
        text = read_regular(passfile, 511).split(b"\n", 1)[0].decode()
    except UnreadableError as why:
        raise PlanError(f"--passfile {passfile}: {why.message}; {why.hint}") from why
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable() or " " in text or len(text.encode()) > LIMIT:
        raise PlanError(
            f"--passfile {passfile}: its first line cannot be PASSWORD; write 1 to {UCARP_LIMIT} "
            "characters without blanks (or leave --passfile out, and one is made)"
        )
    return text


def _prove(plan: Design, output: Path | None) -> list[Order]:
    """Write the files, read them back, and put them in their place. PlanError, OSError."""
    for name in plan.hosts if output else ():
        if output and (output / name).exists():
            raise PlanError(
                f"{output / name} is there already: name another directory with --output, or "
                "remove it"
            )
    if output:
        output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".vipctl-plan-", dir=output) as place:
        write(Path(place), plan.files)
        found = read_back(Path(place), plan.hosts, plan.items)
        for name in plan.hosts if output else ():
            assert output
            (Path(place) / name).rename(output / name)
    return found
