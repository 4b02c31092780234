"""`vipctl check --compat`, and what `vipctl check` says about the machine around the files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.configured import VIP, write_script, write_vip

from cli.conftest import COMMAND, Vipctl
from vipd.cli.compat import differences
from vipd.cli.machine import machine_problems, selinux_label
from vipd.config.load import load
from vipd.lab import Host, Lab

EXAMPLE = Path(__file__).parents[2] / "conf.d.example"


def about(directory: Path, **keys: str | None) -> dict[str, tuple[str, str]]:
    """What differs for this one VIP: what it is about → what ucarp and vipd do."""
    write_vip(directory, **{"SOURCE_ADDRESS": "198.51.100.1", "OPTIONS": "--shutdown", **keys})
    found = differences(load(directory, scripts=directory))
    return {each.what: (each.ucarp, each.vipd) for each in found if each.about == "001"}


def test_an_ordinary_file_differs_in_who_adds_the_address_and_how_long_it_stays(
    tmp_path: Path,
) -> None:
    found = about(tmp_path)
    assert found["the address is added"][1].startswith("by vipd itself")
    assert "after 3 s" in found["it is killed, frozen or starved as master"][1]
    assert "skips this file" in found["no PASSFILE"][0]
    assert len(found) == 3


@pytest.mark.parametrize(
    ("keys", "what", "ucarp", "vipd"),
    [
        ({"VIP_ADDRESS": f"{VIP} 2001:db8::1"}, "VIP_ADDRESS", "refuses all but one", "has them"),
        ({"VIP_ADDRESS": f"{VIP}/24"}, "VIP_ADDRESS", "refuses a prefix", "like this"),
        ({"SOURCE_ADDRESS": None}, "no SOURCE_ADDRESS", "skips this file", "primary address"),
        ({"PASSWORD": "x" * 20}, "a password of 20", "refuses", "uses it"),
        ({"OPTIONS": "-z -b 0 -k 9"}, "--advbase=0", "flaps", "waits for 3"),
        ({"OPTIONS": "--preempt"}, "stopped, without --shutdown", "stays", "is taken off"),
        ({"DOWNSCRIPT": "/bin/true"}, "UPSCRIPT and DOWNSCRIPT", "waits", "after 30 s"),
    ],
)
def test_what_ucarp_does_otherwise_with_a_file_is_told(
    tmp_path: Path, keys: dict[str, str | None], what: str, ucarp: str, vipd: str
) -> None:
    found = about(tmp_path, **keys)
    (texts,) = [texts for topic, texts in found.items() if topic.startswith(what)]
    assert ucarp in texts[0]
    assert vipd in texts[1]


def test_what_does_not_differ_is_not_told(tmp_path: Path) -> None:
    script = str(write_script(tmp_path / "up", "exit 0"))
    (tmp_path / "secret").write_text("love\n")
    keys = {"UPSCRIPT": script, "PASSFILE": str(tmp_path / "secret"), "PASSWORD": None}
    found = about(tmp_path, **keys, LEASE="off", SCRIPT_TIMEOUT="7")
    assert set(found) == {"UPSCRIPT and DOWNSCRIPT"}
    assert "after 7 s" in found["UPSCRIPT and DOWNSCRIPT"][1]
    assert differences(load(tmp_path / "empty")) == []


def test_the_same_difference_of_several_vips_is_told_once(vipctl: Vipctl) -> None:
    done = vipctl("check", "--compat", "--config-dir", str(EXAMPLE / "web01"))
    assert done.stdout.count("the address is added") == 1
    assert "001 002: the address is added" in done.stdout
    assert "love" not in done.stdout
    assert done.returncode == 0, done.stdout
    without = vipctl("check", "--config-dir", str(EXAMPLE / "web01"))
    assert "is added" not in without.stdout


def test_programs_get_the_differences_as_json(vipctl: Vipctl) -> None:
    done = vipctl("check", "--compat", "--json", "--config-dir", str(EXAMPLE / "web01"))
    answer: dict[str, Any] = json.loads(done.stdout)
    assert {"about": "all", "what": "the interface is not there"}.items() <= max(
        answer["differences"], key=lambda each: each["what"] == "the interface is not there"
    ).items()


def test_what_the_init_script_made_of_the_files_is_told(tmp_path: Path) -> None:
    file = write_vip(tmp_path, SOURCE_ADDRESS="198.51.100.1", OPTIONS="--preempt")
    file.rename(tmp_path / "elsewhere")
    file.symlink_to("elsewhere")
    write_vip(tmp_path, "002", VIP_ADDRESS="198.51.100.155", SOURCE_ADDRESS="198.51.100.1")
    found = differences(load(tmp_path, scripts=tmp_path))
    told = {(each.about, each.what): each for each in found if each.about != "all"}
    link = told["001", "vip-001.conf is a symbolic link"]
    assert "find -type f" in link.ucarp
    options = told["002", "no OPTIONS, which vip-001.conf has in line 6"]
    assert "counted here, too" in options.ucarp
    assert "vip-common.conf" in options.vipd
    assert not any("SOURCE_ADDRESS" in what for _, what in told)


# The machine


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A configuration with one flawless VIP, and an empty /etc/systemd/system."""
    write_vip(tmp_path / "ucarp")
    (tmp_path / "system/multi-user.target.wants").mkdir(parents=True)
    return tmp_path


def problems(machine: Path, labels: dict[str, str] | None = None) -> list[str]:
    """``labels``: the SELinux types of files, by their names."""
    files = machine / "ucarp"
    found = machine_problems(
        load(files, scripts=machine / "scripts"),
        files,
        system=machine / "system",
        scripts=machine / "scripts",
        label=lambda file: (labels or {}).get(Path(file).name, ""),
    )
    return [f"{each.message}; {each.hint}" for each in found]


def enable(machine: Path, *units: str) -> None:
    for unit in units:
        link = machine / "system/multi-user.target.wants" / unit
        link.symlink_to("/usr/lib/systemd/system/x.service")


def test_nothing_is_wrong_with_an_ordinary_machine(machine: Path) -> None:
    enable(machine, "vipd.service", "sshd.service")
    assert problems(machine) == []


def test_services_that_are_enabled_side_by_side_are_told(machine: Path) -> None:
    enable(machine, "ucarp@001.service", "ucarp@vip-002.service")
    assert problems(machine) == []
    enable(machine, "vipd.service")
    (told,) = problems(machine)
    assert "vipd.service and ucarp@001 ucarp@vip-002 are both enabled" in told
    assert "systemctl disable ucarp@001 ucarp@vip-002" in told


def test_a_default_script_without_its_run_bit_is_told(machine: Path) -> None:
    scripts = machine / "scripts"
    scripts.mkdir()
    script = write_script(scripts / "vip-up", "exit 0")
    assert problems(machine) == []
    script.chmod(0o644)
    (told,) = problems(machine)
    assert "not executable" in told
    assert f"chmod +x {script}" in told


def test_what_the_removal_of_a_package_saved_is_told(machine: Path) -> None:
    saved = machine / "ucarp/vip-common.conf.rpmsave"
    saved.write_text("OPTIONS=--preempt\n")
    (told,) = problems(machine)
    assert f"mv {saved} {machine}/ucarp/vip-common.conf" in told
    (machine / "ucarp/vip-common.conf").touch()
    assert problems(machine) == []


def test_a_wrong_selinux_label_is_told(machine: Path) -> None:
    file = machine / "ucarp/vip-001.conf"
    assert problems(machine, {file.name: "system_u:object_r:etc_t:s0"}) == []
    (told,) = problems(machine, {file.name: "unconfined_u:object_r:admin_home_t:s0"})
    assert "SELinux type is admin_home_t" in told
    assert f"restorecon -v {file}" in told
    assert selinux_label(str(file.with_name("none"))) == ""


@pytest.mark.lab
def test_a_ucarp_that_still_runs_is_told(tmp_path: Path, running_ucarp: Host) -> None:
    write_vip(tmp_path, SOURCE_ADDRESS="198.51.100.179")
    write_vip(tmp_path, "002", VIP_ADDRESS="198.51.100.155", SOURCE_ADDRESS="198.51.100.179")
    done = running_ucarp.run([*COMMAND, "check", "--config-dir", str(tmp_path)])
    assert done.returncode == 1
    assert "vip-001.conf:1:1: warning: ucarp (process " in done.stdout
    assert "runs VHID 1 on eth1; vipd waits until it has ended" in done.stdout
    assert "VHID 2" not in done.stdout


@pytest.fixture
def running_ucarp() -> Iterator[Host]:
    with Lab() as lab:
        host = lab.host("web01", "198.51.100.179/24")
        host.ucarp(vhid="001", address=VIP).wait_for("state: BACKUP")
        yield host
