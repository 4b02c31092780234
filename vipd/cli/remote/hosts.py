"""Which hosts a command asks, and by what command each is reached."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING

import click

from vipd.cli.completion import given_settings
from vipd.cli.paths import Settings
from vipd.cli.text import safe
from vipd.config.hosts import RULE, is_host

if TYPE_CHECKING:
    from vipd.config.model import Settings as ConfigSettings
    from vipd.config.problem import Problem

SSH = ("ssh", "-o", "BatchMode=yes", "--")
"""BatchMode: ssh asks nothing. “--”: no name can be an option."""


def _of_files(directory: Path) -> "tuple[ConfigSettings, tuple[Problem, ...]]":
    # Only here: it takes longer to import than all the rest.
    from vipd.config.load import load_settings

    return load_settings(directory)


def _complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    there = ctx.params.get("hosts") or ()
    known = _of_files(given_settings(ctx).config_dir)[0].hosts
    return [each for each in known if each.startswith(incomplete) and each not in there]


hosts_argument = click.argument("hosts", metavar="[HOST]...", nargs=-1, shell_complete=_complete)
remote_option = click.option(
    "-e",
    "remote",
    metavar="COMMAND",
    help="Reach each host by COMMAND HOST vipctl …, instead of ssh.",
)


@dataclass(frozen=True, slots=True)
class Reach:
    """How hosts are reached. `remote`: the words in front of a host's name. `here`: names of this
    host, which is asked without `remote`; `own`: the words of `vipctl` for that."""

    remote: tuple[str, ...]
    here: frozenset[str]
    own: tuple[str, ...]

    def words(self, host: str, arguments: Sequence[str]) -> list[str]:
        """The command that runs `vipctl ARGUMENTS` on a host. ssh passes the arguments to a shell
        there, so they must be plain words."""
        if host in self.here:
            return [*self.own, *arguments]
        return [*self.remote, host, "vipctl", *arguments]


def reach(remote: str | None, where: Settings) -> Reach:
    """By ssh, or by `remote`, which is split as a shell would. With `remote`, this host is no
    exception: only that command knows what the names mean. Raises click.UsageError."""
    if remote is None:
        name = gethostname()
        here = frozenset((name, name.partition(".")[0], "localhost"))
        return Reach(SSH, here, _own(where))
    try:
        words = tuple(shlex.split(remote))
    except ValueError as error:
        raise click.UsageError(f"-e {safe(remote)}: {error}") from None
    if not words:
        raise click.UsageError("-e needs a command, like -e 'ssh -p 2222'")
    return Reach(words, frozenset(), ())


def _own(where: Settings) -> tuple[str, ...]:
    """This vipctl, as it was started, for the same directories."""
    started = sys.argv[0]
    # -P: no module comes from the current directory.
    program: tuple[str, ...] = (sys.executable, "-P", "-m", "vipd.cli.main")
    if Path(started).name == "vipctl":
        program = (started,)
    directories = ("--config-dir", where.config_dir, "--runtime-dir", where.runtime_dir)
    return (*program, *map(str, directories))


def chosen(hosts: Sequence[str], directory: Path) -> tuple[str, ...]:
    """The hosts that were named, each once; else those of HOSTS in vip-common.conf. Raises
    click.UsageError."""
    for each in hosts:
        if not is_host(each):
            raise click.UsageError(f"“{safe(each)}” cannot be the name of a host: {RULE}")
    if hosts:
        return tuple(dict.fromkeys(hosts))
    settings, problems = _of_files(directory)
    if settings.hosts:
        return settings.hosts
    why = f" ({problems[0].file}: {problems[0].message})" if problems else ""
    common = safe(str(directory / "vip-common.conf"))
    raise click.UsageError(f'which hosts? Name them, or write HOSTS="web01 web02" in {common}{why}')
