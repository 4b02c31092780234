"""`vipctl log-level`: let the daemon log more, or less, without a restart."""

from pathlib import Path
from typing import cast, get_args

import click

from vipd.api.io_vipd import LogLevel
from vipd.cli.client import run
from vipd.cli.settings import runtime_dir_option, settings
from vipd.cli.text import write


@click.command("log-level")
@click.argument("level", metavar="LEVEL", type=click.Choice(get_args(LogLevel)))
@runtime_dir_option
def command(level: str, runtime_dir: Path | None) -> None:
    """Make the daemon log more or less.

    LEVEL is debug, info, warning or error.

    The level applies until the daemon restarts; then its option --log-level applies again.

    Exit status: 0 done, 1 refused, 2 the daemon cannot be reached.
    """
    wanted = cast(LogLevel, level)
    before = run(settings(runtime_dir=runtime_dir), lambda client: client.set_log_level(wanted))
    write([f"The log level is {wanted} now; it was {before}."])
