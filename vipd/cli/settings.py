"""What every vipctl command needs to know, given before or after the command's name."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

CONFIG_DIR = Path("/etc/ucarp")
RUNTIME_DIR = Path("/run/vipd")

ConfigDir = Annotated[
    Path | None,
    typer.Option(
        "--config-dir", metavar="DIR", help=f"Configuration files. (default: {CONFIG_DIR})"
    ),
]
RuntimeDir = Annotated[
    Path | None,
    typer.Option(
        "--runtime-dir",
        metavar="DIR",
        help=f"Where the daemon listens. (default: {RUNTIME_DIR})",
    ),
]


@dataclass(frozen=True, slots=True)
class Settings:
    """The directories that vipd was started with."""

    config_dir: Path = CONFIG_DIR
    runtime_dir: Path = RUNTIME_DIR


def settings(ctx: typer.Context, config_dir: Path | None, runtime_dir: Path | None) -> Settings:
    """What was given here; else what was given before the command's name; else the defaults."""
    outer = ctx.obj if isinstance(ctx.obj, Settings) else Settings()
    return Settings(config_dir or outer.config_dir, runtime_dir or outer.runtime_dir)
