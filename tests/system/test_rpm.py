"""The .rpm beside an ucarp that rpm installed, with EPEL's list of files.

The machine is a Debian with rpm on it: this shows what the spec file's scripts do to a system that
runs, and who owns which file, not that EL's own libraries and policies suit.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from system import epel
from system.building import build
from system.machine import Machine
from system.pair import HOME, OWN, PATIENCE
from system.tree import tree
from vipd.lab import Lab

SPEC = """\
%global __brp_strip %{{nil}}
Name: ucarp
Version: 1.5.2
Release: 38
Summary: ucarp with the files and scripts of EPEL's package
License: ISC
%description
See the summary.
%install
cp -r {files}/* %{{buildroot}}
%preun
[ $1 != 0 ] || systemctl --no-reload disable --now 'ucarp@001' 'ucarp@002'
%files
%dir %attr(0700,root,root) /etc/ucarp
%config(noreplace) /etc/ucarp/vip-common.conf
%config(noreplace) /usr/libexec/ucarp
/usr/lib/systemd/system/ucarp@.service
/usr/sbin/ucarp
"""

RPM = "rpm --force-debian --nodeps"
EPEL_UNIT = "/usr/lib/systemd/system/ucarp@.service"


@dataclass(frozen=True, slots=True)
class Installed:
    """A machine with EPEL's ucarp on it, both VIPs running, and the packages at hand."""

    lab: Lab
    machine: Machine
    vipd: str  # where the .rpm is on the machine


@pytest.fixture(scope="module")
def rpms(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """EPEL's ucarp, and vipd, as .rpm."""
    output = tmp_path_factory.mktemp("rpm")
    build("python", "rpm", output=output)
    (vipd,) = output.glob("vipd-*.x86_64.rpm")
    return _ucarp(tmp_path_factory.mktemp("ucarp")), vipd


def _ucarp(directory: Path) -> Path:
    files = directory / "files"
    binary = shutil.which("ucarp.distrib") or shutil.which("ucarp")
    assert binary is not None
    contents = {
        "etc/ucarp/vip-common.conf": "# as it comes\n",
        "usr/lib/systemd/system/ucarp@.service": epel.UNIT,
        "usr/libexec/ucarp/ucarp": epel.WRAPPER,
        "usr/libexec/ucarp/vip-up": epel.UP,
        "usr/libexec/ucarp/vip-down": epel.DOWN,
    }
    for name, text in contents.items():
        path = files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o700 if "libexec" in name else 0o644)
    (files / "usr/sbin").mkdir()
    shutil.copy(binary, files / "usr/sbin/ucarp")
    spec = directory / "ucarp.spec"
    spec.write_text(SPEC.format(files=files))
    command = ["rpmbuild", "--define", f"_topdir {directory}", "-bb", str(spec)]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = directory.glob("RPMS/*/ucarp-*.rpm")
    return made


@pytest.fixture(scope="module")
def installed(
    tmp_path_factory: pytest.TempPathFactory, rpms: tuple[Path, Path]
) -> Iterator[Installed]:
    with Lab() as lab:
        host = lab.host("web01", f"{OWN['web01']}/24")
        disk = tmp_path_factory.mktemp("web01")
        machine = Machine(host, tree(), disk, f"vipd-test-{os.getpid()}-rpm")
        try:
            machine.boot()
            machine.run("dpkg --purge ucarp")
            machine.bring(rpms, "/root")
            machine.run(f"{RPM} -i /root/{rpms[0].name}")
            epel.configure(machine)
            machine.run("systemctl enable --now ucarp@001 ucarp@002")
            yield Installed(lab, machine, f"/root/{rpms[1].name}")
        finally:
            machine.switch_off()


def test_the_rpm_lives_beside_epels_ucarp_and_takes_its_place(installed: Installed) -> None:
    lab, machine = installed.lab, installed.machine
    owned(lab)
    before, common = machine.files(), machine.run("cat /etc/ucarp/vip-common.conf")

    # installed and upgraded, it leaves ucarp alone
    ucarp = machine.property("MainPID", "ucarp@001")
    machine.run(f"{RPM} -i {installed.vipd}")
    machine.run(f"{RPM} -U --replacepkgs {installed.vipd}")
    assert machine.property("MainPID", "ucarp@001") == ucarp
    assert "/usr/libexec/ucarp/ucarp" in machine.run(f"cat {EPEL_UNIT}")
    assert "vipd" not in machine.run("ucarp --help", check=False)
    assert machine.property("ActiveState") == "inactive"
    assert not machine.run(f"{RPM} -V vipd ucarp | grep -v vip-common.conf", check=False)

    # enabled, and upgraded while it runs
    machine.run("systemctl disable --now ucarp@001 ucarp@002")
    machine.run("systemctl enable --now vipd")
    owned(lab)
    vipd = machine.property("MainPID")
    machine.run(f"{RPM} -U --replacepkgs {installed.vipd}")
    assert machine.property("MainPID") not in ("0", vipd)
    owned(lab)

    # without ucarp: the names are ours, the files still their owner's
    vipd = machine.property("MainPID")
    machine.run(f"{RPM} -e ucarp")
    assert machine.property("MainPID") == vipd
    assert machine.run("cat /etc/ucarp/vip-common.conf") == common
    assert "man:vipd" in machine.run(f"cat {EPEL_UNIT}")
    assert machine.run("readlink -f $(command -v ucarp)").strip() == "/usr/sbin/vipd-ucarp"
    owned(lab)

    # and gone
    machine.run(f"{RPM} -e vipd")
    for address in HOME:
        lab.wait_owner(address, None, timeout=PATIENCE)
    left = machine.files() - before
    # /usr/share/licenses is EL's package filesystem's
    kept = ("/var/log/", "/var/tmp/systemd-private-", "/usr/share/licenses")
    assert not {file for file in left if not file.startswith(kept)}
    assert machine.run("cat /etc/ucarp/vip-common.conf") == common
    assert "198.51.100.154" in machine.run("cat /etc/ucarp/vip-001.conf")


def owned(lab: Lab) -> None:
    """Wait until the only machine there is owns both addresses."""
    for address in HOME:
        lab.wait_owner(address, "web01", timeout=PATIENCE, stable=0.5)
