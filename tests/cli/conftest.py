"""A host with one ordinary interface, on which vipctl runs as a person would run it."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from helpers.configured import WEB01
from helpers.hosts import web01, web02

from vipd.lab import Host, Lab

__all__ = ["COMMAND", "Vipctl", "lonely", "terminal", "vipctl", "web01", "web02"]

Vipctl = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = (sys.executable, "-m", "vipd.cli.main")


@pytest.fixture(scope="module")
def lonely() -> Iterator[Host]:
    """The host; one for all tests of a file, because they only look."""
    with Lab() as lab:
        yield lab.host("web01", f"{WEB01}/24", "198.51.100.42/24")


@pytest.fixture
def vipctl(lonely: Host) -> Vipctl:
    """Run vipctl there with these arguments, its output in pipes."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return lonely.run([*COMMAND, *arguments], timeout=60)

    return run


@pytest.fixture
def terminal(lonely: Host) -> Vipctl:
    """Run vipctl there at a terminal of 80 columns; all it prints is in `stdout`."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        settings = {"TERM": "xterm", "COLUMNS": "80", "LINES": "24", **variables}
        env = [f"{name}={value}" for name, value in settings.items()]
        # script(1) gives the command a terminal, and its exit status is the command's.
        words = subprocess.list2cmdline([*COMMAND, *arguments])
        return lonely.run(["env", *env, "script", "-qec", words, "/dev/null"], timeout=60)

    return run
