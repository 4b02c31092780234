"""What goes into the packages, and where."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import about
import licences
import pytest
import tree
from packaging.requirements import Requirement

from packages.wheels import METADATA, wheel

LOCK = about.SOURCE / "packaging/requirements.lock"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with one small dependency, for the Python that runs this."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel(wheels)
    made = tmp_path / "root"
    tree.build(made, wheels, ["3.11"], sys.executable)
    return made


def test_every_command_of_the_project_is_there_and_names_its_interpreter(root: Path) -> None:
    with (about.SOURCE / "pyproject.toml").open("rb") as file:
        names = tomllib.load(file)["project"]["scripts"]
    found = {path.name: path for path in (*root.glob("usr/bin/*"), *root.glob("usr/sbin/*"))}
    assert set(found) == set(names)
    for path in found.values():
        assert path.read_text().startswith(f"#!{sys.executable} -ISB\n")
        assert os.access(path, os.X_OK)
    assert found["vipctl"].parent.name == "bin"
    assert found["vipd"].parent.name == "sbin"


def test_a_command_uses_what_is_bundled_and_nothing_else(tmp_path: Path, root: Path) -> None:
    # the real place is /usr/lib/vipd; this one is moved
    command = root / "usr/sbin/vipd"
    moved = tmp_path / "vipd"
    moved.write_text(
        command.read_text()
        .replace('"/usr/lib/vipd"', repr(str(root / "usr/lib/vipd")))
        .replace("from vipd", "import thing\nprint(thing.__file__)\nfrom vipd")
        .replace("sys.exit(main())", "print(main.__code__.co_filename, sys.path)")
    )
    done = subprocess.run(
        [sys.executable, "-ISB", moved],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(about.SOURCE)},
    )
    assert done.returncode == 0, done.stderr
    thing, main = done.stdout.splitlines()
    assert thing.startswith(str(root / "usr/lib/vipd/thing"))
    assert main.startswith(str(root / "usr/lib/vipd"))
    assert repr(str(about.SOURCE)) not in main
    assert "site-packages" not in main


def test_units_examples_manual_and_dashboards_are_in_their_places(root: Path) -> None:
    for path in (
        "etc/ucarp",
        "usr/lib/systemd/system/vipd.service",
        "usr/lib/systemd/system/ucarp@.service",
        "usr/lib/sysusers.d/vipd.conf",
        "usr/lib/tmpfiles.d/vipd.conf",
        "usr/share/bash-completion/completions/vipctl",
        "usr/share/doc/vipd/THIRD-PARTY.md",
        "usr/share/doc/vipd/conf.d.example/web01/vip-001.conf",
        "usr/share/doc/vipd/examples/unprivileged.conf",
        "usr/share/man/man5/vip.conf.5.gz",
        "usr/share/man/man8/vipctl.8.gz",
        "usr/share/vipd/ansible/vipd/tasks/main.yml",
        "usr/share/vipd/grafana/vipd.json",
        "usr/share/vipd/prometheus/vipd.rules.yml",
    ):
        assert (root / path).exists(), path
    assert (root / "usr/lib/systemd/system/ucarp.service").readlink() == Path("vipd.service")
    assert (root / "etc/ucarp").stat().st_mode & 0o777 == 0o700
    assert not list(root.rglob("__pycache__"))


def test_a_pattern_that_finds_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "FILES", (("packaging/nowhere/*", "usr/share"),))
    with pytest.raises(FileNotFoundError, match="packaging/nowhere"):
        list(tree.placed())


def test_compiled_modules_for_several_pythons_live_side_by_side(tmp_path: Path) -> None:
    for python in ("311", "312", "313"):
        files = {"fast/__init__.py": "same", f"fast/_fast.cpython-{python}.so": python}
        wheel(tmp_path, "fast", tags=f"cp{python}-cp{python}-linux", files=files)
    tree.unpack(tmp_path, tmp_path / "lib", ["3.11", "3.12"])
    assert {path.name for path in (tmp_path / "lib/fast").iterdir()} == {
        "__init__.py",
        "_fast.cpython-311.so",
        "_fast.cpython-312.so",
    }


def test_wheels_that_disagree_are_refused(tmp_path: Path) -> None:
    wheel(tmp_path, "fast", tags="cp311-cp311-linux", files={"fast/__init__.py": "one"})
    wheel(tmp_path, "fast", tags="cp312-cp312-linux", files={"fast/__init__.py": "other"})
    with pytest.raises(tree.WrongWheelError, match="another one in another wheel"):
        tree.unpack(tmp_path, tmp_path / "lib", ["3.11", "3.12"])


def test_two_versions_of_a_package_are_refused(tmp_path: Path) -> None:
    wheel(tmp_path, version="1.0")
    wheel(tmp_path, version="2.0")
    with pytest.raises(tree.WrongWheelError, match=r"thing-2\.0"):
        tree.metadata(tmp_path, ["3.11"])


def test_files_that_a_wheel_wants_elsewhere_are_refused(tmp_path: Path) -> None:
    wheel(tmp_path, files={"thing-1.0.data/scripts/thing": ""})
    with pytest.raises(tree.WrongWheelError, match="no place to go to"):
        tree.unpack(tmp_path, tmp_path / "lib", ["3.11"])


def test_the_licence_list_names_every_package_and_where_its_licence_is(root: Path) -> None:
    text = (root / "usr/share/doc/vipd/THIRD-PARTY.md").read_text()
    line = next(line for line in text.splitlines() if line.startswith("| thing "))
    _, _, version, licence, where, _ = (field.strip() for field in line.split("|"))
    assert (version, licence) == ("1.0", "MIT")
    assert (root / "usr/lib/vipd" / where).is_file()


@pytest.mark.parametrize(
    "lines",
    [
        "License: MIT\n",
        "License: MIT License\nClassifier: License :: OSI Approved :: MIT License\n",
    ],
)
def test_older_ways_to_say_a_licence_are_understood(tmp_path: Path, lines: str) -> None:
    metadata = METADATA.replace("License-Expression: MIT\n", lines)
    wheel(tmp_path, metadata=metadata)
    (package,) = tree.metadata(tmp_path, ["3.11"])
    assert licences.bundled(package).licence == "MIT"


def test_a_package_without_a_licence_is_refused(tmp_path: Path) -> None:
    wheel(tmp_path, metadata=METADATA.replace("License-Expression: MIT\n", "License: see file\n"))
    (package,) = tree.metadata(tmp_path, ["3.11"])
    with pytest.raises(licences.UnknownLicenceError, match="thing does not say"):
        licences.bundled(package)


def test_the_lock_pins_everything_that_the_project_asks_for() -> None:
    text = LOCK.read_text()
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))
    assert all(
        re.search(rf"^{name}==.*(\n    --hash=sha256:\w{{64}}.*)+$", text, re.MULTILINE)
        for name in pinned
    )
    asked = about.project()["dependencies"]
    assert isinstance(asked, list)
    for requirement in map(Requirement, asked):
        assert requirement.name in pinned, "run packaging/lock"
        assert requirement.specifier.contains(pinned[requirement.name]), "run packaging/lock"
