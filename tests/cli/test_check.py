"""`vipctl check` as people and programs meet it: the command itself, in a process of its own."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from vipd.lab import Lab

KEYS = """VIP_ADDRESS=198.51.100.154
PASSWORD='tops3cret'
BIND_INTERFACE=lo
SOURCE_ADDRESS=198.51.100.179
OPTIONS="--preempt -k 10"
"""
FIELDS = """id vhid interface source addresses advbase advskew deadratio preempt neutral shutdown
ignoreifstate nomcast mcast upscript downscript xparam manage_address lease script_timeout
upscript_failure"""


def vipctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vipd.cli.main", *arguments],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "vip-001.conf").write_text(KEYS)
    return tmp_path


def test_a_clean_directory_is_a_table_and_status_0(directory: Path) -> None:
    done = vipctl("check", "--config-dir", str(directory))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split()[:4] == ["VIP", "VHID", "IFACE", "SOURCE"]
    assert lines[1].split() == [
        "001", "1", "lo", "198.51.100.179", "198.51.100.154", "1+10×3", "preempt", "vipd",
    ]  # fmt: skip
    assert lines[-1] == "No problems."
    assert "\x1b" not in done.stdout


def test_json_has_every_field_and_no_password(directory: Path) -> None:
    done = vipctl("check", "--json", "--config-dir", str(directory))
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert report["problems"] == []
    (vip,) = report["vips"]
    assert list(vip) == FIELDS.split()
    assert (vip["id"], vip["vhid"], vip["addresses"]) == ("001", 1, ["198.51.100.154/32"])
    assert (vip["source"], vip["mcast"], vip["xparam"]) == ("198.51.100.179", "224.0.0.18", None)
    assert (vip["lease"], vip["script_timeout"], vip["upscript_failure"]) == ("auto", 30, "ignore")
    assert "tops3cret" not in done.stdout


@pytest.mark.lab
def test_a_source_left_out_is_the_interfaces_primary_address(lab: Lab, directory: Path) -> None:
    web01 = lab.host("web01", "198.51.100.179/24", "198.51.100.42/24")
    path = directory / "vip-001.conf"
    path.write_text(KEYS.replace("SOURCE_ADDRESS", "#").replace("=lo", "=eth1"))
    command = [sys.executable, "-m", "vipd.cli.main", "check", "--json", "--config-dir", directory]
    report = json.loads(web01.run([str(word) for word in command]).stdout)
    assert report["vips"][0]["source"] == "198.51.100.179"


def test_a_source_left_out_is_null_where_the_interface_is_not(directory: Path) -> None:
    path = directory / "vip-001.conf"
    path.write_text(KEYS.replace("SOURCE_ADDRESS", "#").replace("=lo", "=eth77"))
    report = json.loads(vipctl("check", "--json", "--config-dir", str(directory)).stdout)
    assert report["vips"][0]["source"] is None


def test_warnings_end_in_status_1_and_name_their_place(directory: Path) -> None:
    path = directory / "vip-001.conf"
    path.write_text(KEYS + "PASWORD=x\n")
    done = vipctl("check", "--config-dir", str(directory))
    assert done.returncode == 1
    report = done.stdout.splitlines()
    assert report[-2].startswith(f"{path}:6:1: warning: PASWORD")
    assert report[-1] == "    did you mean PASSWORD?"


def test_errors_end_in_status_2_and_only_what_runs_is_listed(directory: Path) -> None:
    path = directory / "vip-002.conf"
    path.write_text('PASSWORD="pa$$w0rd"\nPASWORD=x\n')
    done = vipctl("check", "--json", "--config-dir", str(directory))
    assert done.returncode == 2
    report = json.loads(done.stdout)
    assert [vip["id"] for vip in report["vips"]] == ["001"]
    (problem,) = report["problems"]
    assert list(problem) == ["severity", "file", "line", "column", "message", "hint"]
    assert (problem["severity"], problem["file"]) == ("error", str(path))
    assert (problem["line"], problem["column"]) == (1, 13)
    assert "w0rd" not in done.stdout


def test_an_interface_that_is_not_there_is_a_warning_where_it_stands(directory: Path) -> None:
    path = directory / "vip-001.conf"
    path.write_text(KEYS.replace("=lo", "=eth9absent"))
    done = vipctl("check", "--config-dir", str(directory))
    assert done.returncode == 1
    expected = "no interface eth9absent on this machine; the VIP waits for it"
    assert f"{path}:3:16: warning: {expected}" in done.stdout


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    done = vipctl("check", "--config-dir", str(tmp_path / "absent"))
    assert done.returncode == 2
    assert "--config-dir" in done.stdout


def test_an_empty_directory_is_clean(tmp_path: Path) -> None:
    done = vipctl("check", "--config-dir", str(tmp_path))
    assert done.returncode == 0
    assert "no virtual IP" in done.stdout


def test_the_directory_may_stand_before_the_command(directory: Path) -> None:
    done = vipctl("--config-dir", str(directory), "--runtime-dir", "/nowhere", "check", "--json")
    assert done.returncode == 0
    assert len(json.loads(done.stdout)["vips"]) == 1


def test_what_stands_behind_the_command_counts_more(directory: Path) -> None:
    done = vipctl(
        "--config-dir", "/nowhere", "check", "--config-dir", str(directory), "--runtime-dir", "/x"
    )
    assert done.returncode == 0


def test_bytes_that_are_no_text_do_not_break_the_report(directory: Path) -> None:
    (directory / "vip-002.conf").write_bytes(b"BIND_INTERFACE=\xff\nVIP_ADDRESS=\xfe\x1b[2J\n")
    for arguments in ([], ["--json"]):
        done = vipctl("check", "--config-dir", str(directory), *arguments)
        assert done.returncode == 2
        assert "\x1b" not in done.stdout
        assert "Traceback" not in done.stderr


def test_a_terminal_of_80_columns_gets_a_table_that_fits(directory: Path) -> None:
    (directory / "vip-002.conf").write_text(
        KEYS.replace("154", "155").replace("179", "180").replace("--pre", "--shutdown -S --pre")
    )
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "vipd.cli.main", "check", "--config-dir", str(directory)],
        stdout=theirs, stdin=subprocess.DEVNULL,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1"},
    ) as process:  # fmt: skip
        os.close(theirs)
        output = b""
        try:
            while chunk := os.read(ours, 4096):
                output += chunk
        except OSError:  # the other side is closed
            pass
    os.close(ours)
    assert process.returncode == 0
    text = output.decode()
    assert "198.51.100.155" in text
    assert "ignoreifstate" in text
    table = text.split("TIMING is")[0].splitlines()
    assert max(map(len, table[1:])) <= 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["chek"], "did you mean “check”?"), (["zzz"], "see vipctl --help"), (["--bogus"], "--bogus")],
)
def test_wrong_usage_is_told_on_stderr(arguments: list[str], message: str) -> None:
    done = vipctl(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr


def test_without_arguments_it_helps() -> None:
    done = vipctl()
    assert "check" in done.stdout + done.stderr


def test_version() -> None:
    done = vipctl("--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "vipctl")


def test_check_imports_neither_rich_nor_the_lab(directory: Path) -> None:
    code = (
        "import sys\nfrom vipd.cli.main import app\n"
        f"try: app(['check', '--config-dir', {str(directory)!r}])\n"
        "except SystemExit: pass\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'rich', 'asyncio'}),\n"
        "      [name for name in sys.modules if name.startswith('vipd.lab')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.splitlines()[-1] == "[] []"
