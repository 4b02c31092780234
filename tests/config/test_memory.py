"""A reading that failed is no wish, and what is gone for a moment is not gone.

Real files; the clock alone is ours.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vipd.config.load import loading
from vipd.config.memory import Memory
from vipd.config.problem import is_error
from vipd.config.snapshot import ABSENCE, Snapshot

GOOD = "VIP_ADDRESS=192.0.2.1\nBIND_INTERFACE=eth1\n"


class Directory:
    """A configuration directory that is read again and again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.memory = Memory()
        path.mkdir()
        self.write("vip-001.conf", GOOD)
        self.write("vip-002.conf", GOOD.replace(".1", ".2"))
        self.write("vip-common.conf", "PASSFILE=secret\n")
        self.write("secret", "love\n")

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)

    def read(self, now: float, *, asked: bool = False) -> Snapshot:
        self.memory.begin(now, asked=asked)
        *_, snapshot = loading(self.path, scripts=self.path, memory=self.memory)
        assert snapshot is not None
        return snapshot


@pytest.fixture
def etc(tmp_path: Path) -> Directory:
    """Two VIPs that share a password file, read at 0."""
    directory = Directory(tmp_path / "ucarp")
    assert [vip.id for vip in directory.read(0).vips] == ["001", "002"]
    return directory


@pytest.mark.parametrize("name", ["vip-001.conf", "vip-common.conf", "secret"])
def test_what_is_gone_is_as_it_was_for_two_seconds(etc: Directory, name: str) -> None:
    before = etc.read(0)
    (etc.path / name).rename(etc.path / "away")
    for now in (10.0, 10.0 + ABSENCE - 0.01):
        found = etc.read(now)
        assert found == before
        assert dict(found.gone) == {str(etc.path / name): 10.0 + ABSENCE}
    (etc.path / "away").rename(etc.path / name)
    assert not etc.read(10 + ABSENCE).gone
    (etc.path / name).unlink()
    assert etc.read(20) == before
    found = etc.read(20 + ABSENCE)
    assert found != before
    assert not found.gone


def test_a_directory_may_be_named_from_here(
    etc: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(etc.path)
    etc.path, etc.memory = Path(), Memory()
    before = etc.read(0)
    Path("vip-001.conf").rename("away")
    assert etc.read(1.0) == before


def test_who_asks_is_told_what_is_there(etc: Directory) -> None:
    (etc.path / "vip-001.conf").unlink()
    assert [vip.id for vip in etc.read(1, asked=True).vips] == ["002"]
    assert [vip.id for vip in etc.read(1).vips] == ["002"]


def test_a_change_counts_at_once_even_after_an_absence(etc: Directory) -> None:
    (etc.path / "vip-001.conf").unlink()
    etc.read(1)
    etc.write("vip-001.conf", GOOD + "OPTIONS=-k7\n")
    assert [vip.advskew for vip in etc.read(1.1).vips] == [7, 0]


@pytest.mark.parametrize("key", ["VIP_ADDRESS", "VHID"])
def test_a_file_that_is_there_takes_what_one_that_is_gone_had(etc: Directory, key: str) -> None:
    """A VIP gets another name: the new one does not wait, and nothing is wrong."""
    text = GOOD if key == "VIP_ADDRESS" else "VIP_ADDRESS=192.0.2.9\nBIND_INTERFACE=eth1\nVHID=1\n"
    (etc.path / "vip-001.conf").unlink()
    etc.write("vip-003.conf", text)
    found = etc.read(1)
    assert [vip.id for vip in found.vips] == ["002", "003"]
    assert found.problems == ()
    assert not found.gone


def test_a_link_that_points_to_nothing_for_a_moment(etc: Directory) -> None:
    file = etc.path / "vip-001.conf"
    file.rename(etc.path / "a")
    file.symlink_to("a")
    before = etc.read(0)
    (etc.path / "a").unlink()
    assert etc.read(1) == before
    found = etc.read(1 + ABSENCE)
    assert [problem.message for problem in found.problems] == [
        "this symbolic link points to nothing"
    ]


def away(path: Path) -> None:
    path.rename(path.with_name("away"))


def a_file(path: Path) -> None:
    away(path)
    path.touch()


def a_fifo(path: Path) -> None:
    away(path)
    os.mkfifo(path)


def a_circle(path: Path) -> None:
    away(path)
    path.symlink_to("circle")
    path.with_name("circle").symlink_to(path.name)


def to_nothing(path: Path) -> None:
    away(path)
    path.symlink_to("nothing")


@pytest.mark.parametrize("change", [away, a_file, a_fifo, a_circle, to_nothing])
def test_a_directory_that_cannot_be_listed_says_nothing(
    etc: Directory, change: Callable[[Path], None]
) -> None:
    before = etc.read(0)
    change(etc.path)
    for now in (1.0, 100.0):
        for asked in (False, True):
            found = etc.read(now, asked=asked)
            assert not found.listed
            assert found.faults
            (problem,) = found.problems
            assert is_error(problem)
            assert "cannot be read" in problem.message
    if etc.path.is_symlink() or etc.path.exists():
        etc.path.unlink()
    etc.path.with_name("away").rename(etc.path)
    assert etc.read(101) == before


def test_another_directory_without_a_vip_says_nothing_until_somebody_asks(etc: Directory) -> None:
    """As the mount point that an NFS mount leaves behind when it is lost."""
    before = etc.read(0)
    away(etc.path)
    etc.path.mkdir()
    for now in (1.0, 100.0):
        found = etc.read(now)
        assert not found.listed
        assert "vipctl reload" in found.problems[0].hint
    etc.write("vip-common.conf", "")
    assert not etc.read(101).listed
    (etc.path / "vip-common.conf").unlink()
    etc.path.rmdir()
    away(etc.path.with_name("away").rename(etc.path))
    etc.path.with_name("away").rename(etc.path)
    assert etc.read(102) == before
    away(etc.path)
    etc.path.mkdir()
    found = etc.read(103, asked=True)
    assert found.listed
    assert found.vips == ()
    assert etc.read(104).listed


def test_another_directory_with_a_vip_is_a_wish(etc: Directory) -> None:
    away(etc.path)
    etc.path.mkdir()
    etc.write("vip-001.conf", GOOD + "PASSWORD=love\n")
    assert [vip.id for vip in etc.read(1).vips] == ["001", "002"]
    assert [vip.id for vip in etc.read(1 + ABSENCE).vips] == ["001"]


# Root reads everything, so this is done by somebody else, or with all descriptors used up.
UNREADABLE = """
import os, pathlib, resource, sys
from vipd.config.load import loading
from vipd.config.memory import Memory

memory = Memory()
def read(now):
    memory.begin(now, asked=now == 0)
    *_, found = loading(pathlib.Path(sys.argv[1]), memory=memory)
    ids = [vip.id for vip in found.vips]
    print(found.listed, found.faults, ids, *{each.message for each in found.problems}, sep="|")

read(0)
if sys.argv[2] == "EMFILE":
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
else:
    os.chmod(os.path.join(sys.argv[1], sys.argv[2]), 0)
    if os.geteuid() == 0:
        os.setegid(65534)
        os.seteuid(65534)
read(1)
read(100)
"""


@pytest.mark.parametrize(
    ("what", "found"),
    [
        ("EMFILE", "False|True|[]|the directory cannot be read: Too many open files"),
        (".", "False|True|[]|the directory cannot be read: Permission denied"),
        ("vip-001.conf", "True|True|['002']|no permission to read the file"),
        ("vip-common.conf", "True|True|['001', '002']|no permission to read the file"),
        ("secret", "True|True|[]|PASSFILE secret: no permission to read the file"),
    ],
)
def test_a_fault_is_an_error_that_may_pass(etc: Directory, what: str, found: str) -> None:
    for name in ("vip-001.conf", "vip-002.conf"):  # another password is no way out either
        etc.write(name, (etc.path / name).read_text() + "PASSWORD=hate\n")
    for directory in (etc.path, *etc.path.parents[:4]):
        directory.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", UNREADABLE, str(etc.path), what],
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    first, *others = done.stdout.splitlines()
    assert first.startswith("True|False|['001', '002']")
    assert len(others) == 2
    for line in others:
        listed, faults, ids, *messages = line.split("|")
        assert "|".join((listed, faults, ids)) == found.rpartition("|")[0]
        assert any(each.startswith(found.rpartition("|")[2]) for each in messages)
