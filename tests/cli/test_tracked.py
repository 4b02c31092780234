"""What `vipctl check` and `doctor` say of tracked things that are not there."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.asking import ask
from helpers.configured import WEB01, write_script, write_vip

from cli.conftest import COMMAND, Vipctl
from vipd.lab import Host

pytestmark = pytest.mark.lab

#: As systemctl shows units, with a blank line between two.
SYSTEMCTL = r"""
[ "$1 $2 $3" = "show --property=Id,LoadState --" ] || exit 9
shift 3
for unit; do
    case $unit in
    missing.service) echo "Id=$unit"; echo LoadState=not-found ;;
    hidden.service) echo "Id=$unit"; echo LoadState=masked ;;
    sshd.service) echo Id=ssh.service; echo LoadState=loaded ;;
    *) echo "Id=$unit"; echo LoadState=loaded ;;
    esac
    echo
done
"""


@pytest.fixture
def systemd(lonely: Host, tmp_path: Path) -> Iterator[str]:
    """The host as if systemd had booted it; the result is a PATH with a systemctl."""
    write_script(tmp_path / "systemctl", SYSTEMCTL)
    lonely.run(["mkdir", "-p", "/run/systemd/system"])
    yield f"{tmp_path}:/usr/bin:/bin"
    lonely.run(["rmdir", "/run/systemd/system"])


def told(lonely: Host, directory: Path, path: str, **keys: str) -> list[str]:
    """The warnings of check, each with its cure."""
    write_vip(directory, **keys)
    words = ["env", f"PATH={path}", *COMMAND, "check", "--json", "--config-dir", str(directory)]
    done = lonely.run(words, timeout=60)
    problems = json.loads(done.stdout)["problems"]
    assert {each["severity"] for each in problems} <= {"warning"}
    return [f"{each['line']}: {each['message']} → {each['hint']}" for each in problems]


def test_an_interface_that_is_not_there(vipctl: Vipctl, tmp_path: Path) -> None:
    file = write_vip(tmp_path, TRACK_INTERFACE="eth1 eth9")
    done = vipctl("check", "--config-dir", str(tmp_path))
    assert done.returncode == 1
    what = "TRACK_INTERFACE eth9: no such interface on this machine; while there is none"
    assert f"{file}:5:18: warning: {what}" in done.stdout
    assert "create it, or write one of eth1\n" in done.stdout
    assert "eth1: no such" not in done.stdout


def test_a_thing_of_the_common_file_is_told_once(vipctl: Vipctl, tmp_path: Path) -> None:
    (tmp_path / "vip-common.conf").write_text("TRACK_INTERFACE=eth9\n")
    for number in (1, 2):
        write_vip(tmp_path, f"00{number}", VIP_ADDRESS=f"198.51.100.{number}")
    done = vipctl("check", "--config-dir", str(tmp_path))
    assert done.stdout.count("TRACK_INTERFACE eth9") == 1


def test_units_that_systemd_does_not_know_or_not_by_that_name(
    lonely: Host, systemd: str, tmp_path: Path
) -> None:
    names = "nginx missing hidden sshd web.slice"
    missing, hidden, sshd = told(lonely, tmp_path / "files", systemd, TRACK_UNIT=names)
    assert missing.startswith("5: TRACK_UNIT missing.service: systemd knows no such unit")
    assert "→ correct the name" in missing
    assert hidden.startswith("5: TRACK_UNIT hidden.service: it is masked")
    assert "→ systemctl unmask hidden.service" in hidden
    assert sshd.startswith("5: TRACK_UNIT sshd.service: this is another name of ssh.service")
    assert sshd.endswith("→ write ssh.service")


def test_units_where_systemd_does_not_run(lonely: Host, tmp_path: Path) -> None:
    (found,) = told(lonely, tmp_path / "files", "/usr/bin:/bin", TRACK_UNIT="nginx")
    assert "systemd does not run on this machine" in found
    assert "→ write a CHECK_<NAME>" in found


@pytest.mark.parametrize("systemctl", ["exit 1", "echo nonsense", "printf 'a=b\\n\\nc=d\\n\\n'"])
def test_a_systemctl_that_cannot_tell_says_nothing(
    lonely: Host, systemd: str, tmp_path: Path, systemctl: str
) -> None:
    write_script(tmp_path / "systemctl", systemctl)
    assert told(lonely, tmp_path / "files", systemd, TRACK_UNIT="missing") == []


def test_files_that_nobody_can_write(lonely: Host, tmp_path: Path) -> None:
    names = f"/run/deploy/drain {tmp_path}/fine {tmp_path} /etc/passwd/drain"
    run, here, passwd = told(lonely, tmp_path / "files", "/usr/bin:/bin", TRACK_FILE=names)
    assert "TRACK_FILE /run/deploy/drain: there is no directory /run/deploy" in run
    assert "→ mkdir -p /run/deploy" in run
    assert "/etc/tmpfiles.d" in run
    assert "is a directory" in here
    assert "/etc/passwd/drain" in passwd


def test_gateways_that_are_this_host(lonely: Host, tmp_path: Path) -> None:
    write_vip(tmp_path / "files", "002", VIP_ADDRESS="198.51.100.2")
    names = f"{WEB01} 198.51.100.1 198.51.100.2"
    own, moving = told(lonely, tmp_path / "files", "/usr/bin:/bin", TRACK_GATEWAY=names)
    assert f"TRACK_GATEWAY {WEB01} is an address of this host: nobody else answers" in own
    assert "→ write the address of another machine" in own
    assert "TRACK_GATEWAY 198.51.100.2 moves with 002: while this host owns that" in moving


def test_a_file_that_anybody_can_write(lonely: Host, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        shared = Path(name)
        shared.chmod(0o1777)
        (shared / "ours").touch()
        (shared / "open").touch()
        (shared / "open").chmod(0o666)
        paths = " ".join(str(shared / each) for each in ("ours", "open", "absent"))
        found = told(lonely, tmp_path / "files", "/usr/bin:/bin", TRACK_FILE=paths)
    may_write, may_make = found
    assert "open: anybody on this host may change it (mode 0666" in may_write
    assert "absent: it is not there, and anybody on this host may make it (mode 1777" in may_make
    assert all("and so move the addresses" in each for each in found)


def test_doctor_tells_the_same_of_what_runs(lonely: Host, vipctl: Vipctl, tmp_path: Path) -> None:
    keys = {"TRACK_INTERFACE": "eth9", "TRACK_FILE": "/run/deploy/drain", "TRACK_UNIT": "nginx"}
    write_vip(tmp_path, **keys, TRACK_GATEWAY=f"198.51.100.1 {WEB01}")
    daemon = lonely.vipd(tmp_path)
    daemon.wait_for("state: BACKUP")
    ask(daemon, "Describe")  # a moment later it can be asked
    done = vipctl("doctor")
    daemon.stop()
    assert done.returncode == 1
    assert "!  eth9: TRACK_INTERFACE eth9: no such interface on this machine" in done.stdout
    assert (
        "!  /run/deploy/drain: TRACK_FILE /run/deploy/drain: there is no directory" in done.stdout
    )
    assert "!  nginx.service: TRACK_UNIT nginx.service: systemd does not run" in done.stdout
    assert f"!  {WEB01}: TRACK_GATEWAY {WEB01} is an address of this host" in done.stdout
    assert "TRACK_GATEWAY 198.51.100.1 " not in done.stdout
