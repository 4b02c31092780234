"""The units, as systemd reads them."""

import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "packaging/systemd"
#: systemd-analyze's exposure of the service without scripts: 0 is none, 10 is all.
EXPOSURE = 2.0


def service(name: str) -> dict[str, list[str]]:
    """The [Service] section: what stands there more than once, in its order."""
    settings: dict[str, list[str]] = {}
    section = ""
    for line in (UNITS / name).read_text().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and not line.startswith("#"):
            key, _, value = line.partition("=")
            settings.setdefault(key, []).append(value)
    return settings


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    assert program, "systemd-analyze is missing: install the package systemd"
    return subprocess.run(
        [program, *words], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system with the units, and programs for them to start."""
    system = tmp_path / "etc/systemd/system"
    system.mkdir(parents=True)
    for unit in ("vipd.service", "ucarp@.service"):
        shutil.copy(UNITS / unit, system)
    return tmp_path


def test_one_vip_alone_runs_like_all_of_them(root: Path) -> None:
    """ucarp@.service is vipd.service but for what names the instance."""
    single, every = service("ucarp@.service"), service("vipd.service")
    for settings in (single, every):
        for words in ("ExecStart", "ExecStopPost", "RuntimeDirectory", "StateDirectory"):
            del settings[words]
    assert single == every
    assert root.exists()


def test_without_scripts_hardly_anything_is_left_to_it(root: Path) -> None:
    drop_in = root / "etc/systemd/system/vipd.service.d"
    drop_in.mkdir()
    before = exposure(root)
    shutil.copy(UNITS / "unprivileged.conf", drop_in)
    assert exposure(root) < EXPOSURE < before
    assert service("unprivileged.conf")["AmbientCapabilities"] == ["CAP_NET_ADMIN CAP_NET_RAW"]


def exposure(root: Path) -> float:
    done = analyze("security", "--offline=true", f"--root={root}", "vipd.service")
    found = re.search(r"Overall exposure level for vipd.service: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    return float(found[1])


def test_systemd_understands_every_line(root: Path) -> None:
    done = analyze("verify", "--man=no", str(root / "etc/systemd/system/vipd.service"))
    complaints = [line for line in done.stderr.splitlines() if "not executable" not in line]
    assert complaints == []


def test_the_old_name_is_the_new_service() -> None:
    alias = UNITS / "ucarp.service"
    assert alias.is_symlink()
    assert str(alias.readlink()) == "vipd.service"


def test_nothing_is_required_to_be_there_first() -> None:
    for name in ("vipd.service", "ucarp@.service"):
        unit = RawConfigParser(strict=False)
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read(UNITS / name)
        assert "network-online.target" in unit["Unit"]["After"].split()
        assert not {"Requires", "Wants", "BindsTo"} & set(unit["Unit"])
