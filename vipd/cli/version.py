"""`vipctl version`: the versions of this program and of the running daemon."""

import sys
import time
from pathlib import Path

import click

from vipd import __version__
from vipd.cli.client import ATTENTION, FINE, run
from vipd.cli.settings import runtime_dir_option, settings
from vipd.cli.text import safe, span, write


@click.command("version")
@runtime_dir_option
def command(runtime_dir: Path | None) -> None:
    """Show the versions of vipctl and of the daemon.

    Exit status: 0 they are the same, 1 they differ, 2 the daemon cannot be reached.
    """
    write([f"vipctl {__version__}"])
    daemon = run(settings(runtime_dir=runtime_dir), lambda client: client.describe())
    version = safe(daemon["version"])
    runs = span(time.time() - daemon["since"])
    write([f"vipd {version} (process {daemon['pid']}, running for {runs})"])
    if version != __version__:
        write(["They differ: restart vipd, so that the version that is installed runs."])
    sys.exit(FINE if version == __version__ else ATTENTION)
