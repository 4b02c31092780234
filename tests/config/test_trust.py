"""Who else may change a program that runs as root, and what becomes of it and the address."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.configured import write_script, write_vip

from vipd.config.load import load
from vipd.config.problem import Severity, is_error
from vipd.config.snapshot import Snapshot
from vipd.config.trust import Trust


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody gets into (pytest's own are closed), with a script in another. It
    is in one that is as /tmp should be, whatever mode that has on this machine."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o1777)
        outer = Path(name, "place")
        outer.mkdir()
        outer.chmod(0o755)
        (outer / "bin").mkdir()
        write_script(outer / "bin/up", "exit 0")
        yield outer


MODES = [
    # modes of bin/ and of bin/up: who may change bin/up, through which of them
    (0o755, 0o755, "", ""),
    (0o755, 0o775, "group", "up"),
    (0o755, 0o757, "anybody", "up"),
    (0o775, 0o755, "group", "bin"),
    (0o777, 0o755, "anybody", "bin"),
    (0o1777, 0o755, "", ""),  # as /tmp: the file is ours, and nobody else can replace it
    (0o1777, 0o777, "anybody", "up"),
    (0o1775, 0o775, "group", "up"),
    (0o700, 0o777, "", ""),
    (0o750, 0o777, "group", "up"),
]


@pytest.mark.parametrize(("directory", "file", "who", "through"), MODES)
def test_modes_tell_who_may_change_a_file(
    place: Path, directory: int, file: int, who: str, through: str
) -> None:
    path = place / "bin/up"
    path.chmod(file)
    path.parent.chmod(directory)
    danger = Trust(groups=()).danger(str(path))  # our own group is another one
    if not who:
        assert danger is None
        return
    assert danger is not None
    assert danger.who.startswith(who)
    assert danger.anybody is (who == "anybody")
    assert Path(danger.path).name == through
    assert f"may change it (mode {(directory if through == 'bin' else file):04o} of" in danger.text


def test_a_link_leads_where_others_may_change_what_runs(place: Path) -> None:
    (place / "link").symlink_to("bin/up")
    (place / "round").symlink_to("round")
    assert Trust().danger(str(place / "link")) is None
    (place / "bin/up").chmod(0o777)
    danger = Trust().danger(str(place / "link"))
    assert danger is not None
    assert danger.path == str(place / "bin/up")
    (place / "bin/up").chmod(0o755)
    place.chmod(0o777)  # the link itself can be replaced
    danger = Trust().danger(str(place / "link"))
    assert danger is not None
    assert danger.path == str(place)
    for path in (place / "round", place / "absent", Path("/absent/at/all")):
        place.chmod(0o755)
        assert Trust().danger(str(path)) is None


@pytest.mark.parametrize(
    ("mode", "who"), [(0o755, ""), (0o1777, "anybody"), (0o777, "anybody"), (0o775, "group")]
)
@pytest.mark.parametrize("path", ["bin/absent", "bin/absent/too", "link"])
def test_who_may_make_what_is_not_there(place: Path, path: str, mode: int, who: str) -> None:
    (place / "link").symlink_to("bin/absent")
    (place / "bin").chmod(mode)
    danger = Trust(groups=()).danger(str(place / path))
    if not who:
        assert danger is None
        return
    assert danger is not None
    assert danger.who.startswith(who)
    assert danger.path == str(place / "bin")
    assert "it is not there, and" in danger.text
    assert "chmod" not in danger.cure  # that directory may have to be open


def test_a_notify_that_anybody_may_make_is_not_tried(place: Path) -> None:
    (place / "bin").chmod(0o1777)
    snapshot = read(place, NOTIFY=str(place / "bin/absent"), UPSCRIPT=None, DOWNSCRIPT=None)
    assert snapshot.vips[0].notify == ()
    (told,) = snapshot.problems
    assert told.severity is Severity.ERROR
    assert "anybody on this host may make it" in told.message


def test_another_owner_may_change_a_file(place: Path) -> None:
    nobody = Trust(users=())
    danger = nobody.danger("/")
    assert danger is not None
    assert (danger.who, danger.anybody) == (f"user {Path('/').stat().st_uid}", False)
    # In a sticky directory, who comes first is the owner; /tmp is one, too, on most machines.
    danger = nobody.danger(str(place / "bin/up"))
    assert danger is not None
    assert danger.path in (str(place), str(place.parent))
    assert danger.anybody
    assert Trust(users=(os.geteuid(), 0)).danger(str(place / "bin/up")) is None


def read(place: Path, **keys: str | None) -> Snapshot:
    up = str(place / "bin/up")
    write_vip(place / "ucarp", **{"UPSCRIPT": up, "DOWNSCRIPT": up, **keys})
    return load(place / "ucarp", scripts=place / "bin")


def test_scripts_that_only_root_may_change_run(place: Path) -> None:
    snapshot = read(place)
    (vip,) = snapshot.vips
    assert (vip.upscript, vip.manages_address) == (str(place / "bin/up"), False)
    assert snapshot.problems == ()


@pytest.mark.parametrize("manage", ["auto", "yes", "no"])
@pytest.mark.parametrize("open_to_all", ["bin", "bin/up"])
def test_scripts_that_anybody_may_change_do_not_run_and_the_address_stays(
    place: Path, open_to_all: str, manage: str
) -> None:
    (place / open_to_all).chmod(0o777)
    write_script(place / "down", "exit 0")
    snapshot = read(place, MANAGE_ADDRESS=manage, DOWNSCRIPT=str(place / "down"))
    (vip,) = snapshot.vips
    assert (vip.upscript, vip.downscript) == (None, None)
    assert vip.manages_address is (manage != "no")
    told = snapshot.problems[0]
    assert (told.severity, is_error(told)) == (Severity.ERROR, False)
    assert (Path(told.file).name, told.line) == ("vip-001.conf", 5)
    assert "anybody on this host may change it" in told.message
    assert "vipd runs no script" in told.message
    assert ("adds and removes the address itself" in told.message) is (manage == "auto")
    assert f"chmod go-w {place / open_to_all}" in told.hint
    assert snapshot.failed == {}


def test_a_default_script_that_anybody_may_change_does_not_run(place: Path) -> None:
    (place / "bin/up").rename(place / "bin/vip-up")
    assert read(place, UPSCRIPT=None, DOWNSCRIPT=None).vips[0].upscript is not None
    (place / "bin/vip-up").chmod(0o757)
    snapshot = read(place, UPSCRIPT=None, DOWNSCRIPT=None)
    assert snapshot.vips[0].upscript is None
    (told,) = snapshot.problems
    assert told.file == str(place / "bin/vip-up")


def test_scripts_that_are_named_in_a_file_that_anybody_may_change_do_not_run(place: Path) -> None:
    read(place)
    (place / "ucarp").chmod(0o777)
    snapshot = read(place)
    (vip,) = snapshot.vips
    assert (vip.upscript, vip.manages_address) == (None, True)
    (told,) = snapshot.problems
    assert (told.file, is_error(told)) == (vip.file, False)
    assert "this file names a script that runs as root" in told.message
    # What it does not name may run.
    (place / "bin/up").rename(place / "bin/vip-up")
    assert read(place, UPSCRIPT=None, DOWNSCRIPT=None).vips[0].upscript is not None


@pytest.mark.parametrize("open_to_all", ["bin", "bin/up", "ucarp/vip-001.conf"])
def test_notify_does_not_run_if_anybody_may_change_it_or_who_names_it(
    place: Path, open_to_all: str
) -> None:
    up = str(place / "bin/up")
    command = f"{up} --to ops"
    (vip,) = read(place, NOTIFY=command, UPSCRIPT=None, DOWNSCRIPT=None).vips
    assert vip.notify == (up, "--to", "ops")
    (place / open_to_all).chmod(0o777)
    snapshot = load(place / "ucarp")
    assert snapshot.vips[0].notify == ()
    told = snapshot.problems[-1]
    assert is_error(told) is False
    assert told.severity is Severity.ERROR
    assert "it is not run" in told.message
    assert f"chmod go-w {place / open_to_all}" in told.hint


def test_notify_runs_if_a_group_may_change_it_and_that_is_told(place: Path) -> None:
    up = place / "bin/up"
    up.chmod(0o775)
    os.chown(up, -1, 12345)
    snapshot = read(place, NOTIFY=str(up), UPSCRIPT=None, DOWNSCRIPT=None)
    assert snapshot.vips[0].notify == (str(up),)
    (told,) = snapshot.problems
    assert "it runs all the same" in told.message


def test_a_notify_that_is_missing_is_told_and_tried(place: Path) -> None:
    missing = str(place / "missing")
    snapshot = read(place, NOTIFY=missing, UPSCRIPT=None, DOWNSCRIPT=None)
    assert snapshot.vips[0].notify == (missing,)
    (told,) = snapshot.problems
    assert told.severity is Severity.WARNING
    assert "is not there, or not executable" in told.message
