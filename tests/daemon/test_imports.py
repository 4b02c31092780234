"""What the daemon has in memory when it runs. docs/memory.md has the table."""

import json
import sys
from pathlib import Path

import pytest
from helpers.configured import write_vip

from vipd.lab import Host

#: Starts vipd and, when it ends, logs the modules that it has.
PROGRAM = """
import atexit, json, sys
atexit.register(lambda: print("modules", json.dumps(sorted(sys.modules)), flush=True))
from vipd.daemon.__main__ import main
main()
"""

#: What it must not have: pydantic and the language of the files are for the process that reads
#: them, TLS is for nobody, and some things are for hosts that use them.
ABSENT = {
    "annotated_types",
    "click",
    "email",
    "http",
    "prometheus_client",
    "pydantic",
    "pydantic_core",
    "rich",
    "ssl",
    "typing_extensions",
    "vipd.config.build",
    "vipd.config.load",
    "vipd.config.options",
    "vipd.config.shell",
    "vipd.config.values",
    "vipd.daemon.metrics.families",
    "xml",
}


@pytest.mark.lab
def test_a_daemon_has_nothing_in_memory_that_it_does_not_use(web01: Host, files: Path) -> None:
    write_vip(files)
    places = ("--runtime-dir", "/run/vipd", "--state-dir", "/run/lab/vipd")
    daemon = web01.start([sys.executable, "-c", PROGRAM, "--config-dir", files, *places])
    daemon.wait_for("state: MASTER", timeout=60)
    assert daemon.stop() == 0
    line = daemon.wait_for("^modules (.*)$")[1]
    modules = set(json.loads(line))
    assert "vipd.daemon.vips.vip" in modules
    assert modules & ABSENT == set()
