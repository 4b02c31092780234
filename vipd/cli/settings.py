"""What every vipctl command needs to know, given before or after the command's name."""

from pathlib import Path

import click

from vipd.cli.completion import complete_ids
from vipd.cli.paths import CONFIG_DIR, RUNTIME_DIR, Settings

config_dir_option = click.option(
    "--config-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help=f"Configuration files. (default: {CONFIG_DIR})",
)
runtime_dir_option = click.option(
    "--runtime-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help=f"Where the daemon listens. (default: {RUNTIME_DIR})",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
ids_argument = click.argument("ids", metavar="[ID]...", nargs=-1, shell_complete=complete_ids)


def settings(config_dir: Path | None = None, runtime_dir: Path | None = None) -> Settings:
    """What was given here; else what was given before the command's name; else the defaults."""
    outer = click.get_current_context().obj
    before = outer if isinstance(outer, Settings) else Settings()
    return Settings(config_dir or before.config_dir, runtime_dir or before.runtime_dir)
