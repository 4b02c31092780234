"""`vipctl check FILE`, as tools call it that check a file before they put it in its place."""

import json
from pathlib import Path

import pytest

from cli.conftest import Vipctl

pytestmark = pytest.mark.lab

COMMON = """PASSWORD=tops3cret
BIND_INTERFACE=eth1
SOURCE_ADDRESS=198.51.100.179
"""
VIP = 'ID=1\nVIP_ADDRESS=198.51.100.154\nOPTIONS="--preempt -k 10"\n'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A configuration directory with a vip-common.conf and one VIP."""
    directory = tmp_path / "ucarp"
    directory.mkdir()
    (directory / "vip-common.conf").write_text(COMMON)
    (directory / "vip-001.conf").write_text(VIP)
    return directory


def test_a_good_file_is_a_table_and_status_0(vipctl: Vipctl, site: Path) -> None:
    done = vipctl("check", str(site / "vip-001.conf"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].split()[:4] == ["001", "1", "eth1", "198.51.100.179"]
    assert done.stdout.endswith("No problems.\n")


def test_other_files_do_not_count(vipctl: Vipctl, site: Path) -> None:
    (site / "vip-000.conf").write_text("ID=$(date)\n")
    (site / "vip-002.conf").write_text(VIP)
    assert vipctl("check", str(site / "vip-001.conf")).returncode == 0
    assert vipctl("check", "--config-dir", str(site)).returncode == 2


def test_errors_and_warnings_have_their_place_and_status(vipctl: Vipctl, site: Path) -> None:
    path = site / "vip-001.conf"
    path.write_text(f"{VIP}PASWORD=x\n")
    done = vipctl("check", str(path))
    assert done.returncode == 1
    assert f"{path}:4:1: warning: PASWORD is not a key" in done.stdout
    path.write_text(VIP.replace("154", "999"))
    done = vipctl("check", "--json", str(path))
    assert done.returncode == 2
    answer = json.loads(done.stdout)
    assert (answer["vips"], answer["problems"][0]["line"]) == ([], 2)


def test_a_file_elsewhere_counts_with_the_given_vip_common_conf(
    vipctl: Vipctl, site: Path, tmp_path: Path
) -> None:
    path = tmp_path / ".source.conf"
    path.write_text(VIP)
    alone = vipctl("check", str(path))
    assert alone.returncode == 2
    assert f"{path}:1:1: error: PASSWORD is missing" in alone.stdout
    for arguments in (["check", "--config-dir", str(site)], ["--config-dir", str(site), "check"]):
        assert vipctl(*arguments, str(path)).returncode == 0


@pytest.mark.parametrize(
    "name", ["vip-007.conf", "vip-007.conf20261127-812-x1", ".ansible_tmpqvip-007.conf"]
)
def test_the_number_may_be_in_the_name_only(vipctl: Vipctl, site: Path, name: str) -> None:
    path = site / name
    path.write_text(VIP.replace("ID=1\n", ""))
    done = vipctl("check", "--json", str(path))
    assert done.returncode == 0, done.stdout
    assert [(vip["id"], vip["vhid"]) for vip in json.loads(done.stdout)["vips"]] == [("007", 7)]


def test_without_any_number_the_id_is_missing(vipctl: Vipctl, site: Path) -> None:
    path = site / "tmp1x"
    path.write_text(VIP.replace("ID=1\n", ""))
    done = vipctl("check", str(path))
    assert done.returncode == 2
    assert "error: ID is missing" in done.stdout


def test_the_name_that_it_will_have_is_given(vipctl: Vipctl, site: Path, tmp_path: Path) -> None:
    """Ansible's copy and template check ~/.ansible/tmp/…/.source.conf, and know no name."""
    path = tmp_path / "ansible-tmp-1-2-3" / ".source.conf"
    path.parent.mkdir(mode=0o700)
    path.write_text(VIP.replace("ID=1\n", "PASSFILE=$CONFDIR/$FILE.pwd\n"))
    path.chmod(0o600)
    (site / "vip-007.conf.pwd").write_text("tops3cret\n")
    arguments = ["check", "--json", "--config-dir", str(site), "--as"]
    done = vipctl(*arguments, "vip-007.conf", str(path))
    assert done.returncode == 0, done.stdout
    assert [(vip["id"], vip["vhid"]) for vip in json.loads(done.stdout)["vips"]] == [("007", 7)]
    path.write_text(f"{COMMON}LEASE=soon\n")
    done = vipctl(*arguments, "vip-common.conf", str(path))
    assert [each["line"] for each in json.loads(done.stdout)["problems"]] == [4]
    for wrong in (("check", "--as", "vip-1.conf"), (*arguments, "/etc/vip-1.conf", str(path))):
        done = vipctl(*wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert "--as takes a name without a directory, and goes with FILE" in done.stderr


def test_warnings_stop_no_tool_that_asks_for_errors_only(vipctl: Vipctl, site: Path) -> None:
    path = site / "vip-001.conf"
    path.write_text(f"{VIP}PASWORD=x\n")
    done = vipctl("check", "--errors-only", str(path))
    assert (done.returncode, done.stdout.count("warning")) == (0, 0)
    assert done.stdout.endswith("\nNo errors.\n")
    path.write_text(f"{VIP}PASWORD=x\nLEASE=soon\n")
    done = vipctl("check", "--errors-only", "--json", str(path))
    assert done.returncode == 2
    assert [each["line"] for each in json.loads(done.stdout)["problems"]] == [5]


def test_a_broken_vip_common_conf_is_told_with_its_place(vipctl: Vipctl, site: Path) -> None:
    (site / "vip-common.conf").write_text(f"{COMMON}LEASE=soon\n")
    done = vipctl("check", str(site / "vip-001.conf"))
    assert done.returncode == 2
    assert f"{site / 'vip-common.conf'}:4:7: error: LEASE" in done.stdout


@pytest.mark.parametrize("name", ["vip-common.conf", "vip-common.conf.x7", "source"])
def test_a_vip_common_conf_is_checked_by_itself(vipctl: Vipctl, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(f"{COMMON}NET=198.51.100\n")  # for the files of the VIPs
    done = vipctl("check", str(path))
    assert (done.returncode, done.stdout.split(": ", 1)[1]) == (
        0, "checked as a vip-common.conf; it is no VIP.\n\nNo problems.\n",
    )  # fmt: skip
    path.write_text("BIND_INTERFACE=this-is-much-too-long\nLEASE=soon\nMETRICS_LISTEN=x\n")
    done = vipctl("check", "--json", str(path))
    assert done.returncode == 2
    problems = json.loads(done.stdout)["problems"]
    assert sorted(each["line"] for each in problems) == [1, 2, 3]
    assert {each["file"] for each in problems} == {str(path)}


def test_a_file_that_is_not_there_is_an_error(vipctl: Vipctl, tmp_path: Path) -> None:
    for path in (tmp_path / "vip-001.conf", tmp_path / "vip-common.conf", tmp_path):
        done = vipctl("check", str(path))
        assert done.returncode == 2
        assert (
            f"error: {'there is no such file' if path != tmp_path else 'this is a'}" in done.stdout
        )
