"""What `vipctl doctor` finds out by itself about files, the clock, and the daemon."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cli.samples import BACKUP, MASTER, NOW
from vipd.api.io_vipd import Daemon, Maintained
from vipd.cli.examine import clock, daemon, files, lonely

DAEMON = Daemon(
    version="1", pid=1, since=NOW, config_dir="", runtime_dir="", state_dir="", files=[],
    log_level="info", group="", missing_capabilities=[], guard="", late_worst=0.0, late_at=None,
    maintenance=Maintained(False, [], []),
    connections=1,
)  # fmt: skip


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """One that everybody gets into; pytest's own are closed."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize(
    ("mode", "told"),
    [(0o600, []), (0o640, []), (0o644, ["others may read it, and the password (mode 0644)"]),
     (0o666, ["others may change it (mode 0666)"])],
)  # fmt: skip
def test_files_that_others_may_read_or_change(
    open_directory: Path, mode: int, told: list[str]
) -> None:
    file = open_directory / "vip-001.conf"
    file.write_text("")
    file.chmod(mode)
    found = list(files([str(file), str(open_directory / "absent")]))
    assert [finding.what for finding in found] == told
    assert [finding.cure for finding in found] == [f"chmod 600 {file}"] * len(told)


def test_files_in_a_directory_that_nobody_gets_into_are_safe(open_directory: Path) -> None:
    file = open_directory / "closed" / "vip-001.conf"
    file.parent.mkdir(mode=0o700)
    file.write_text("")
    file.chmod(0o666)
    assert list(files([str(file)])) == []


def test_a_directory_or_a_link_through_which_others_may_change_a_file(open_directory: Path) -> None:
    directory = open_directory / "ucarp"
    directory.mkdir()
    file = directory / "vip-001.conf"
    file.write_text("")
    file.chmod(0o600)
    assert list(files([str(file)])) == []
    directory.chmod(0o777)
    (found,) = files([str(file)])
    assert found.serious
    assert f"anybody on this host may change it (mode 0777 of {directory})" in found.what
    assert f"chmod go-w {directory}" in found.cure


def test_a_clock_that_was_set_back(tmp_path: Path) -> None:
    start = NOW + 3600
    file = tmp_path / "sequence"
    file.touch()
    os.utime(file, (start, start))
    found = [finding.what for finding in clock(tmp_path, NOW)]
    assert found[0] == "it is 1 h behind the time at which vipd was started"
    assert all("behind" not in finding.what for finding in clock(tmp_path, NOW + 7200))


def test_a_daemon_that_was_late_or_lacks_capabilities() -> None:
    assert list(daemon(DAEMON, NOW)) == []
    late = DAEMON | {"late_worst": 2.5, "late_at": NOW - 60}
    (finding,) = daemon(Daemon(**late), NOW)
    assert finding.what.startswith("it did not get to run for 2 s, 1 min ago")
    less = DAEMON | {"missing_capabilities": ["CAP_NET_RAW"]}
    (finding,) = daemon(Daemon(**less), NOW)
    assert (finding.what, finding.serious) == ("it runs without CAP_NET_RAW", True)
    alone = DAEMON | {"guard": "the guard does not run"}
    (finding,) = daemon(Daemon(**alone), NOW)
    assert finding.what.startswith("the guard does not run: if vipd is killed or frozen")


def test_a_master_that_never_heard_anybody() -> None:
    alone = replace(MASTER, received=0)
    heard = replace(MASTER, id="002")
    new = replace(alone, id="003", since=NOW - 5)
    (finding,) = lonely([alone, heard, new, BACKUP], NOW)
    assert finding.who == "eth1"
    assert finding.what.startswith("no other host was ever heard for 001: ")
