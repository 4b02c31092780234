"""Metadata of the packages, each item read from its single source."""

import re
import subprocess
import tomllib
from datetime import UTC, datetime
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]

#: The Pythons that one .deb serves: Debian 12 has 3.11, Ubuntu 24.04 3.12, Debian 13 3.13.
PYTHONS = ("3.11", "3.12", "3.13", "3.14")

#: The one that both EL9 and EL10 have, for the .rpm.
EL_PYTHON = "3.12"


def version() -> str:
    """The version, from vipd/__init__.py."""
    text = (SOURCE / "vipd/__init__.py").read_text()
    found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    if found is None:
        raise ValueError("no __version__ in vipd/__init__.py")
    return found[1]


def after(python: str) -> str:
    """The Python version after this one."""
    major, _, minor = python.partition(".")
    return f"{major}.{int(minor) + 1}"


def project() -> dict[str, object]:
    """The [project] table of pyproject.toml."""
    with (SOURCE / "pyproject.toml").open("rb") as file:
        table: dict[str, object] = tomllib.load(file)["project"]
    return table


def maintainer() -> str:
    """Name and mail address, in the format of the packages."""
    authors = project()["authors"]
    assert isinstance(authors, list)
    return f"{authors[0]['name']} <{authors[0]['email']}>"


def date() -> datetime:
    """Of the last commit; of pyproject.toml where there is no git (an unpacked sdist)."""
    done = subprocess.run(
        ["git", "-C", str(SOURCE), "log", "-1", "--format=%ct"], capture_output=True, text=True
    )
    if done.returncode == 0 and done.stdout.strip():
        return datetime.fromtimestamp(int(done.stdout), UTC)
    return datetime.fromtimestamp((SOURCE / "pyproject.toml").stat().st_mtime, UTC)
