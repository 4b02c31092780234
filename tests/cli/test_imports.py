"""What each command imports: most of the time that one takes is that of its imports."""

import subprocess
import sys

import pytest

from vipd.cli.main import COMMANDS

PROGRAM = """
import sys
from importlib import import_module
from vipd.without_tls import without_tls
with without_tls():
    import vipd.cli.main
    import_module(f"vipd.cli.{sys.argv[1].replace('-', '_')}")
print(*{name.split(".")[0] for name in sys.modules} | set(sys.modules))
"""

#: Those that read the files, and the lab.
OF_FILES = {"check", "plan", "lab"}
#: Those that ask neither the daemon here nor anybody over a socket of their own.
WITHOUT_LOOP = {"check", "plan", "completion", "scan", "cluster", "diff"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_imports_only_what_it_needs(name: str) -> None:
    command = [sys.executable, "-c", PROGRAM, name]
    found = set(subprocess.run(command, capture_output=True, check=True, text=True).stdout.split())
    never = {"email", "importlib.metadata", "prometheus_client", "ssl", "typer", "watchdog"}
    of_files = {"pydantic", "pydantic_core", "vipd.config.build", "vipd.config.load"}
    lately = {"rich"}  # imported when something is drawn with it
    assert found & never == set()
    assert name in OF_FILES or found & of_files == set()
    assert name == "lab" or found & lately == set()
    assert name not in WITHOUT_LOOP or found & {"asyncio", "asyncvarlink"} == set()
