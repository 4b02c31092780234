"""Which directories decide where a path leads: the kernel's own resolution is the oracle."""

import os
from pathlib import Path
from tempfile import mkdtemp

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vipd.daemon.files.watched_paths import WatchedPaths


def above(path: Path) -> set[str]:
    return {str(each) for each in path.parents}


def test_a_plain_file_needs_its_directory_and_those_above(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    watched_paths = WatchedPaths.of(
        str(tmp_path / "conf"), [str(tmp_path / "conf" / "vip-001.conf")]
    )
    file = tmp_path / "conf" / "vip-001.conf"
    assert watched_paths.directories == above(file)
    assert watched_paths.entries == {str(file), *above(file)} - {"/"}
    assert watched_paths.root == str(tmp_path / "conf")
    assert watched_paths.written == {str(tmp_path / "conf")}


def test_a_link_needs_its_own_directory_and_its_targets(tmp_path: Path) -> None:
    for name in ("conf", "store", "store/deep"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("store/deep/../deep")
    (tmp_path / "conf" / "vip-001.conf").symlink_to("../link/file")
    watched_paths = WatchedPaths.of(
        str(tmp_path / "conf"), [str(tmp_path / "conf" / "vip-001.conf")]
    )
    needed = {str(tmp_path / name) for name in ("conf", "store", "store/deep")}
    assert watched_paths.directories == needed | above(tmp_path / "conf")
    assert watched_paths.written == {str(tmp_path / name) for name in ("conf", "store/deep")}
    (tmp_path / "store" / "deep" / "file").touch()
    watched_paths = WatchedPaths.of(None, [str(tmp_path / "conf" / "vip-001.conf")])
    assert watched_paths.written == {str(tmp_path / "store" / "deep")}
    assert watched_paths.counts(str(tmp_path / "link"))
    assert watched_paths.counts(str(tmp_path / "store" / "deep" / "file"))


def test_what_is_missing_needs_the_nearest_directory_that_exists(tmp_path: Path) -> None:
    watched_paths = WatchedPaths.of(str(tmp_path / "a" / "b"), [])
    assert watched_paths.directories == {str(tmp_path)} | above(tmp_path)
    assert watched_paths.counts(str(tmp_path / "a"))
    assert watched_paths.root is None


def test_new_configuration_files_count_and_other_files_do_not(tmp_path: Path) -> None:
    watched_paths = WatchedPaths.of(str(tmp_path), [])
    assert watched_paths.counts(str(tmp_path / "vip-009.conf"))
    assert not watched_paths.counts(str(tmp_path / ".vip-009.conf.swp"))
    assert not watched_paths.counts(str(tmp_path / "sub" / "vip-009.conf"))
    assert not watched_paths.counts(str(tmp_path.parent / "vip-009.conf"))


NAMES = st.sampled_from(["a", "b", "c", "..", "."])
PATHS = st.lists(NAMES, min_size=1, max_size=5).map("/".join)
# Directories, files, and links that may lead anywhere, in a circle and to nothing.
TREE = st.lists(st.tuples(PATHS, st.none() | st.just("") | PATHS), max_size=8)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(TREE, PATHS)
def test_a_path_leads_where_the_kernel_goes(
    tmp_path: Path, tree: list[tuple[str, str | None]], path: str
) -> None:
    # Each time another one, and so deep that ".." does not lead out of it.
    base = Path(mkdtemp(dir=tmp_path), "x/x/x/x/x")
    base.mkdir(parents=True)
    for name, target in tree:
        entry = base / name
        try:
            if target is None:
                entry.mkdir()
            elif target == "":
                entry.touch()
            else:
                entry.symlink_to(target)
        except OSError:
            continue  # there is something already, or a file where a directory should be
    whole = f"{base}/{path}"
    watched_paths = WatchedPaths.of(whole, [])
    if os.path.isdir(whole):  # noqa: PTH112 (Path would simplify it)
        assert watched_paths.root == os.path.realpath(whole)
    else:
        assert watched_paths.root is None
    for directory in watched_paths.directories:
        assert os.path.realpath(directory) == directory
        assert Path(directory).is_dir()


def test_no_name_makes_it_raise(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    names = ["\0", "x" * 5000, "\ud800", "", "/", "a/" * 3000, "file/x", "file/../x", "\udcff"]
    watched_paths = WatchedPaths.of(str(tmp_path), [f"{tmp_path}/{name}" for name in names])
    assert str(tmp_path) in watched_paths.directories
    assert str(tmp_path / "file") not in watched_paths.directories
