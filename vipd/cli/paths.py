"""The directories that vipd was started with, as far as a command has to know them."""

from dataclasses import dataclass
from pathlib import Path

CONFIG_DIR = Path("/etc/ucarp")
RUNTIME_DIR = Path("/run/vipd")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the files are, and where the daemon listens."""

    config_dir: Path = CONFIG_DIR
    runtime_dir: Path = RUNTIME_DIR
