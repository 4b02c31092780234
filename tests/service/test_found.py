"""What finds a running vipd-ucarp under the name ucarp, as it finds a real one."""

import sys
from pathlib import Path

import pytest
from helpers.configured import VIP, WEB01

from vipd.lab import Host, Process

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parents[2]
#: As the packages have it: a script whose interpreter is Python.
LAUNCHER = f"""\
#!{sys.executable} -B
import sys

sys.path.insert(0, "{ROOT}")
from vipd.ucarp.main import main

sys.exit(main())
"""
WAYS = [
    "pidof ucarp",
    "pidof -x ucarp",
    "pgrep -x ucarp",
    "ps -C ucarp -o pid=",
    "start-stop-daemon --status --name ucarp && pgrep -x ucarp",
]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "ucarp"
    file.write_text(LAUNCHER)
    file.chmod(0o755)
    return file


def start(host: Host, program: str | Path) -> Process:
    words = f"-i eth1 -s {WEB01} -v 1 -p geheim -a {VIP}".split()
    process = host.start([program, *words], name="ucarp")
    process.wait_for("state: BACKUP")
    return process


@pytest.mark.parametrize("way", WAYS)
def test_it_is_found_by_its_name_as_ucarp_is(web01: Host, program: Path, way: str) -> None:
    for each in ("ucarp", program):
        process = start(web01, each)
        found = web01.run(["sh", "-c", way])
        assert found.returncode == 0, f"{way} does not find {each}"
        assert len(found.stdout.split()) == 1
        process.stop()
        assert web01.run(["sh", "-c", way]).returncode != 0


def test_its_command_line_begins_with_its_name_and_hides_the_password(
    web01: Host, program: Path
) -> None:
    shown = Path(f"/proc/{start(web01, program).pid}/cmdline").read_bytes().rstrip(b"\0")
    words = f"{program} -i eth1 -s {WEB01} -v 1 -p xxxxxx -a {VIP}".split()
    assert shown.split(b"\0") == [word.encode() for word in words]


def test_a_second_start_by_name_runs_nothing(web01: Host, program: Path) -> None:
    start(web01, program)
    words = f"-i eth1 -s {WEB01} -v 1 -p geheim -a {VIP}"
    command = f"start-stop-daemon --start --oknodo --name ucarp --pidfile /run/ucarp.pid --make-pidfile --background --startas {program} -- {words}"  # noqa: E501
    web01.must(["sh", "-c", "pidof ucarp >/run/ucarp.pid"])
    before = web01.run(["cat", "/run/ucarp.pid"]).stdout
    done = web01.run(["sh", "-c", command])
    assert done.returncode == 0, done.stderr
    assert web01.run(["cat", "/run/ucarp.pid"]).stdout == before
    assert web01.run(["pidof", "ucarp"]).stdout == before
