"""`vipctl diff`: what the files of several hosts disagree about."""

import sys
from pathlib import Path

import click

from vipd.cli.remote.ask import ask
from vipd.cli.remote.disagreements import Difference, differences
from vipd.cli.remote.files import files_of
from vipd.cli.remote.hosts import chosen, hosts_argument, reach, remote_option
from vipd.cli.remote.same_vip import groups
from vipd.cli.remote.signing import fresh
from vipd.cli.settings import config_dir_option, runtime_dir_option, settings
from vipd.cli.text import Colour, coloured, counted, joined, paint, write

DIFFERENT = 2
"""Exit status."""
PATIENCE = 10.0
"""Seconds in which the hosts have to answer. Nobody watches this, and files are slow to read."""
_NAMED = 5
"""IDs that are written out."""


@click.command("diff")
@hosts_argument
@remote_option
@config_dir_option
@runtime_dir_option
def command(
    hosts: tuple[str, ...], remote: str | None, config_dir: Path | None, runtime_dir: Path | None
) -> None:
    """Show what the configuration files of several hosts disagree about.

    Each HOST is asked vipctl check by ssh, as with vipctl cluster, and has to run it as a user who
    may read its files; without HOST, those of HOSTS in vip-common.conf. VIPs that share an address,
    or have the same ID and VHID, are compared.

    It shows what has to be equal and is not: password, addresses, VHID, advbase, deadratio, the
    multicast group, and PEERS, which have to list each other; what has to differ and does not:
    SOURCE_ADDRESS and advskew; a host without --preempt where others have it; VIPs that only one
    host has; versions of vipd. No password leaves its host: each host signs a random number with
    it, and the signatures are compared.

    Exit status: 0 no differences, 2 some, or a host cannot be asked.
    """
    where = settings(config_dir, runtime_dir)
    names = chosen(hosts, where.config_dir)
    if len(names) < 2:
        raise click.UsageError("name two hosts at least, to compare their files")
    way = reach(remote, where)
    question = ("check", "--json", "--sign", fresh())
    try:
        answers = ask({name: way.words(name, question) for name in names}, PATIENCE)
    except KeyboardInterrupt:
        sys.exit(130)
    files = [files_of(each) for each in answers]
    found = differences(files)
    colours = coloured(sys.stdout)
    if found:
        write(_line(each, colours) for each in found)
        sys.exit(DIFFERENT)
    number = counted(len(groups(files)), "VIP")
    write([f"No differences: {counted(len(files), 'host')}, {number}."])


def _line(difference: Difference, colours: bool) -> str:
    about = joined(difference.about, _NAMED) if difference.about else ""
    mark = paint("!", Colour.WARNING, colours)
    return f"{mark} {about}: {difference.text}" if about else f"{mark} {difference.text}"
