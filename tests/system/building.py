"""Packages of this checkout, made for the tests."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

SOURCE = Path(__file__).parents[2]


def build(*parts: str, output: Path, environment: Mapping[str, str] | None = None) -> None:
    """What `make packages` does, some of it."""
    subprocess.run(
        [str(SOURCE / "packaging/build"), *parts],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OUTPUT": str(output), **(environment or {})},
    )
