"""`vipctl check` as people and programs meet it: the command itself, in a process of its own."""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from helpers.hosts import ip

from cli.conftest import Vipctl
from vipd.lab import Host

pytestmark = pytest.mark.lab

KEYS = """VIP_ADDRESS=198.51.100.154
PASSWORD='tops3cret'
BIND_INTERFACE=eth1
SOURCE_ADDRESS=198.51.100.179
OPTIONS="--preempt -k 10"
"""
FIELDS = """id vhid interface source source_ipv6 addresses advbase advskew deadratio preempt neutral
shutdown ignoreifstate nomcast mcast peers upscript downscript xparam manage_address lease
script_timeout upscript_failure guard_script announce_every announce_to extra_addresses
authenticate notify checks track_interface track_file track_unit track_down track_up track_gateway
track_hold preempt_delay listen_first demote_by group password_also"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "vip-001.conf").write_text(KEYS)
    return tmp_path


def test_a_clean_directory_is_a_table_and_status_0(vipctl: Vipctl, directory: Path) -> None:
    done = vipctl("check", "--config-dir", str(directory))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split()[:4] == ["VIP", "VHID", "IFACE", "SOURCE"]
    assert lines[1].split() == [
        "001", "1", "eth1", "198.51.100.179", "198.51.100.154", "1+10×3", "preempt", "vipd",
    ]  # fmt: skip
    assert lines[-1] == "No problems."
    assert "\x1b" not in done.stdout


def test_json_has_every_field_and_no_password(vipctl: Vipctl, directory: Path) -> None:
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


def test_a_source_left_out_is_the_interfaces_primary_address(
    vipctl: Vipctl, directory: Path
) -> None:
    path = directory / "vip-001.conf"
    path.write_text(KEYS.replace("SOURCE_ADDRESS", "#"))
    report = json.loads(vipctl("check", "--json", "--config-dir", str(directory)).stdout)
    assert report["vips"][0]["source"] == "198.51.100.179"


def test_a_source_left_out_is_null_where_the_interface_is_not(
    vipctl: Vipctl, directory: Path
) -> None:
    path = directory / "vip-001.conf"
    path.write_text(KEYS.replace("SOURCE_ADDRESS", "#").replace("=eth1", "=eth77"))
    report = json.loads(vipctl("check", "--json", "--config-dir", str(directory)).stdout)
    assert report["vips"][0]["source"] is None


def test_warnings_end_in_status_1_and_name_their_place(vipctl: Vipctl, directory: Path) -> None:
    path = directory / "vip-001.conf"
    path.write_text(KEYS + "PASWORD=x\n")
    done = vipctl("check", "--config-dir", str(directory))
    assert done.returncode == 1
    report = done.stdout.splitlines()
    assert report[-2].startswith(f"{path}:6:1: warning: PASWORD")
    assert report[-1] == "    did you mean PASSWORD?"


def test_errors_end_in_status_2_and_only_what_runs_is_listed(
    vipctl: Vipctl, directory: Path
) -> None:
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


@pytest.mark.parametrize(
    ("interface", "why"),
    [("dummy0", ""), ("lo", "lo is a loopback interface, on which CARP cannot run"),
     ("tun7", "tun7 is a point-to-point interface, on which CARP cannot run")],
)  # fmt: skip
def test_an_interface_that_carp_cannot_run_on_is_a_warning_where_it_stands(
    vipctl: Vipctl, lonely: Host, directory: Path, interface: str, why: str
) -> None:
    if interface == "tun7":
        ip(lonely, "tuntap add tun7 mode tun")
    path = directory / "vip-001.conf"
    path.write_text(KEYS.replace("=eth1", f"={interface}"))
    done = vipctl("check", "--config-dir", str(directory))
    assert done.returncode == 1
    expected = why or "no interface dummy0 on this machine; the VIP waits for it"
    assert f"{path}:3:16: warning: {expected}\n" in done.stdout
    assert "write one of eth1\n" in done.stdout


def test_a_source_that_the_host_does_not_have_is_a_warning_where_it_stands(
    vipctl: Vipctl, directory: Path
) -> None:
    path = directory / "vip-001.conf"
    path.write_text(KEYS.replace("100.179", "100.99"))
    done = vipctl("check", "--config-dir", str(directory))
    assert done.returncode == 1
    told = f"{path}:4:16: warning: this machine does not have SOURCE_ADDRESS 198.51.100.99; "
    assert told in done.stdout
    assert "write the address of eth1, 198.51.100.179, 198.51.100.42, or remove" in done.stdout
    # The files of another host: its interface is not here, and nothing else can be told.
    path.write_text(KEYS.replace("100.179", "100.99").replace("eth1", "eth9"))
    assert (
        "SOURCE_ADDRESS"
        not in vipctl("check", "--config-dir", str(directory)).stdout.split("\n", 1)[1]
    )


def test_peers_that_contain_this_host_or_miss_another_are_warnings(
    vipctl: Vipctl, directory: Path
) -> None:
    path = directory / "vip-001.conf"
    keys = KEYS.replace("SOURCE_ADDRESS", "#SOURCE_ADDRESS")
    path.write_text(f'{keys}PEERS="198.51.100.180 198.51.100.179"\n')
    done = vipctl("check", "--config-dir", str(directory))
    assert done.returncode == 1
    assert "PEERS has 198.51.100.179, which is an address of this machine" in done.stdout
    path.write_text(f'{keys}PEERS="198.51.100.180"\n')
    assert vipctl("check", "--config-dir", str(directory)).returncode == 0
    more = keys.replace('"001"', '"002"').replace("154", "155")
    (directory / "vip-002.conf").write_text(f'{more}PEERS="198.51.100.180 198.51.100.181"\n')
    done = vipctl("check", "--config-dir", str(directory))
    assert done.returncode == 1
    assert "198.51.100.181 is in PEERS of vip-002.conf, and not here" in done.stdout


@pytest.mark.parametrize(("last", "what"), [("0", "network"), ("255", "broadcast")])
def test_an_address_of_the_network_itself_is_a_warning(
    vipctl: Vipctl, directory: Path, last: str, what: str
) -> None:
    path = directory / "vip-001.conf"
    path.write_text(KEYS.replace("100.154", f"100.{last}"))
    done = vipctl("check", "--config-dir", str(directory))
    assert done.returncode == 1
    told = f"{path}:1:13: warning: VIP_ADDRESS 198.51.100.{last} is the {what} address of "
    assert f"{told}198.51.100.0/24, the network of eth1" in done.stdout
    path.write_text(KEYS.replace("100.154", f"100.{last}/24"))
    told = vipctl("check", "--config-dir", str(directory)).stdout
    assert told.count(f"is the {what} address of") == 1


def test_a_file_that_is_no_vip_is_a_note_and_status_0(vipctl: Vipctl, directory: Path) -> None:
    other = directory / "vip-common-master.conf"
    other.write_text("OPTIONS=--preempt\n")
    done = vipctl("check", "--config-dir", str(directory))
    assert done.returncode == 0
    assert f"\n{other} is no VIP: there is no number in its name" in done.stdout
    assert done.stdout.endswith("No problems.\n")
    report = json.loads(vipctl("check", "--json", "--config-dir", str(directory)).stdout)
    assert (report["ignored"], len(report["vips"])) == ([str(other)], 1)


def test_a_script_that_anybody_may_change_is_an_error_and_its_vip_runs(vipctl: Vipctl) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        script = place / "up"
        script.write_text("#!/bin/sh\n")
        script.chmod(0o777)
        (place / "vip-001.conf").write_text(f"{KEYS}UPSCRIPT={script}\n")
        done = vipctl("check", "--config-dir", name)
        assert done.returncode == 2
        assert f"{place}/vip-001.conf:6:10: error: UPSCRIPT {script} runs as root" in done.stdout
        assert done.stdout.splitlines()[1].split()[-1] == "vipd"


def test_a_directory_that_is_not_there_is_an_error(vipctl: Vipctl, tmp_path: Path) -> None:
    done = vipctl("check", "--config-dir", str(tmp_path / "absent"))
    assert done.returncode == 2
    assert "--config-dir" in done.stdout


def test_an_empty_directory_is_clean(vipctl: Vipctl, tmp_path: Path) -> None:
    done = vipctl("check", "--config-dir", str(tmp_path))
    assert done.returncode == 0
    assert "no virtual IP" in done.stdout


def test_the_directory_may_stand_before_the_command(vipctl: Vipctl, directory: Path) -> None:
    done = vipctl("--config-dir", str(directory), "--runtime-dir", "/nowhere", "check", "--json")
    assert done.returncode == 0
    assert len(json.loads(done.stdout)["vips"]) == 1


def test_what_stands_behind_the_command_counts_more(vipctl: Vipctl, directory: Path) -> None:
    done = vipctl(
        "--config-dir", "/nowhere", "check", "--config-dir", str(directory), "--runtime-dir", "/x"
    )
    assert done.returncode == 0


def test_bytes_that_are_no_text_do_not_break_the_report(vipctl: Vipctl, directory: Path) -> None:
    (directory / "vip-002.conf").write_bytes(b"BIND_INTERFACE=\xff\nVIP_ADDRESS=\xfe\x1b[2J\n")
    for arguments in ([], ["--json"]):
        done = vipctl("check", "--config-dir", str(directory), *arguments)
        assert done.returncode == 2
        assert "\x1b" not in done.stdout
        assert "Traceback" not in done.stderr


def test_a_terminal_of_80_columns_gets_a_table_that_fits(terminal: Vipctl, directory: Path) -> None:
    (directory / "vip-002.conf").write_text(
        KEYS.replace("154", "155")
        .replace("100.179", "100.42")
        .replace("--pre", "--shutdown -S --pre")
    )
    done = terminal("check", "--config-dir", str(directory), NO_COLOR="1")
    assert done.returncode == 0
    text = re.sub(r"\x1b\[[\d;]*m", "", done.stdout)
    assert "198.51.100.155" in text
    assert "ignoreifstate" in text
    assert max(map(len, text.split("TIMING is")[0].splitlines())) <= 80


def test_a_severity_has_a_colour_at_a_terminal_that_may_have_colours(
    terminal: Vipctl, directory: Path
) -> None:
    (directory / "vip-001.conf").write_text(KEYS + "PASWORD=x\n")
    assert (
        "\x1b[1;33mwarning\x1b[0m: PASWORD"
        in terminal("check", "--config-dir", str(directory)).stdout
    )
    plain = terminal("check", "--config-dir", str(directory), NO_COLOR="1")
    assert "warning: PASWORD" in plain.stdout
    assert "\x1b[1;33m" not in plain.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["chek"], "did you mean “check”?"), (["zzz"], "see vipctl --help"), (["--bogus"], "--bogus")],
)
def test_wrong_usage_is_told_on_stderr(vipctl: Vipctl, arguments: list[str], message: str) -> None:
    done = vipctl(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr


def test_without_arguments_it_helps(vipctl: Vipctl) -> None:
    done = vipctl()
    assert "check" in done.stdout + done.stderr


def test_version(vipctl: Vipctl) -> None:
    done = vipctl("--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "vipctl")


def test_check_imports_neither_rich_nor_the_lab(directory: Path) -> None:
    code = (
        "import sys\nfrom vipd.cli.main import vipctl\n"
        f"try: vipctl(['check', '--config-dir', {str(directory)!r}])\n"
        "except SystemExit: pass\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'rich', 'asyncio'}),\n"
        "      [name for name in sys.modules if name.startswith('vipd.lab')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.splitlines()[-1] == "[] []"


def test_where_metrics_are_served_is_shown(vipctl: Vipctl, directory: Path) -> None:
    def check(*options: str) -> str:
        return vipctl("check", *options, "--config-dir", str(directory)).stdout

    assert json.loads(check("--json"))["settings"] == {"metrics_listen": "off", "hosts": []}
    (directory / "vip-common.conf").write_text("METRICS_LISTEN=[::1]:9112\n")
    assert "\nMetrics are served on [::1]:9112\n" in check()
    assert json.loads(check("--json"))["settings"]["metrics_listen"] == "[::1]:9112"
