"""`vipctl cluster` and `vipctl diff` over a real sshd on each host."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.configured import PASSWORD, VIP, WEB02, write_script, write_vip
from helpers.managed import FIRST, GOOD, SECOND, THEN, Group, table

from cli.conftest import COMMAND
from vipd.lab import Lab

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """One for all tests of this file, which leave it as they found it."""
    with Lab() as lab:
        yield Group(lab, tmp_path_factory.mktemp("group"))


def test_every_host_is_asked_by_ssh_and_shown_beside_the_others(group: Group) -> None:
    done = group.cluster()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("OK: 2 hosts, 2 VIPs\n")
    assert table(done) == GOOD


def test_the_same_for_programs(group: Group) -> None:
    done = group.cluster("--json", "web02", "web01")
    found = json.loads(done.stdout)
    assert (done.returncode, found["status"], found["problems"]) == (0, 0, [])
    assert [(each["host"], each["answered"]) for each in found["hosts"]] == [
        ("web02", True),
        ("web01", True),
    ]
    assert found["vips"][0] == {
        "id": "001",
        "addresses": [VIP],
        "owners": ["web01"],
        "other_owners": [],
        "states": {"web02": "BACKUP", "web01": "MASTER"},
        "signs_with": {},
        "first_can_go": False,
        "unknown": [],
    }
    assert PASSWORD not in done.stdout


def test_a_host_that_hangs_is_a_question_mark_after_3_s_and_the_others_are_shown(
    group: Group,
) -> None:
    group.sshd["web02"].freeze()  # the kernel accepts the connection, nobody answers
    done = group.cluster("--json", silent="web02")
    shown = group.cluster(silent="web02")
    group.sshd["web02"].thaw()
    found = json.loads(done.stdout)
    assert (done.returncode, shown.returncode) == (2, 2)
    web01, web02 = found["hosts"]
    assert (web01["answered"], web02["answered"]) == (True, False)
    assert web02["why"] == "no answer in 3 s"
    assert web01["seconds"] < web02["seconds"] >= 3
    assert shown.stdout.startswith("CRITICAL (web02): 2 hosts, 1 without an answer, 2 VIPs\n")
    # Of 002, web01 hears a master; that it is web02, only web02 could say.
    assert table(shown) == [
        ["ID", "ADDRESS", "web01", "web02", "OTHER OWNER"],
        ["001", VIP, "MASTER", "?"],
        ["002", SECOND, "BACKUP", "?", WEB02],
    ]
    assert shown.stdout.endswith("\n! web02: no answer in 3 s\n")


def test_a_master_that_is_not_asked_is_an_owner(group: Group) -> None:
    done = group.cluster("web01")
    assert done.returncode == 0
    assert table(done)[2] == ["002", SECOND, "BACKUP", WEB02]


def test_this_host_is_asked_without_ssh(group: Group) -> None:
    group.sshd["web01"].freeze()
    done = group.cluster("web01", "web02", host=group.web01)
    group.sshd["web01"].thaw()
    assert done.returncode == 0
    assert table(done) == GOOD
    alone = group.cluster("localhost")
    assert alone.returncode == 2
    assert "! localhost: vipd does not run: nobody listens on /run/vipd/io.vipd\n" in alone.stdout


def test_what_ssh_complains_of_is_shown(group: Group) -> None:
    done = group.cluster("-e", "ssh -o BatchMode=yes -F /dev/null", "192.0.2.1")
    assert done.returncode == 2
    assert "! 192.0.2.1: Host key verification failed.\n" in done.stdout


def test_a_connection_that_ssh_keeps_is_not_waited_for(group: Group) -> None:
    options = (
        "-o BatchMode=yes -o ControlMaster=auto -o ControlPath=/run/kept-%C -o ControlPersist=60"
    )
    for _ in range(2):
        done = group.cluster("-e", f"ssh {options}", "web01", "web02")
        assert (done.returncode, table(done)) == (0, GOOD)
    kept = group.admin.run(["sh", "-c", "ls /run/kept-* | wc -l"]).stdout
    for host in ("web01", "web02"):
        group.admin.run(["ssh", *options.split(), "-O", "exit", host])
    assert int(kept) == 2


def test_another_command_than_ssh(group: Group, tmp_path: Path) -> None:
    script = write_script(tmp_path / "into", 'test "$1" = -v && exec ssh 192.0.2.2 "$3 $4 $5"')
    done = group.cluster("-e", f"{script} -v", "second")
    assert done.returncode == 0
    assert table(done)[0] == ["ID", "ADDRESS", "second", "OTHER OWNER"]


def test_live_asks_again_until_ctrl_c(group: Group) -> None:
    command = " ".join(
        ["timeout", "--foreground", "-s", "INT", "20", *COMMAND, "cluster", "--live"]
    )
    size = ["env", "TERM=xterm", "COLUMNS=100", "LINES=24", "NO_COLOR=1"]
    done = group.admin.run([*size, "script", "-qec", command, "/dev/null"], timeout=60)
    pages, _, last = done.stdout.replace("\r", "").rpartition("\x1b[?1049l")
    assert len(set(re.findall(r"\d\d:\d\d:\d\d  OK: 2 hosts, 2 VIPs", pages))) > 1
    assert re.search(rf"001  {VIP}  MASTER  BACKUP", last)
    assert "Traceback" not in done.stdout


def test_live_wants_a_terminal(group: Group) -> None:
    done = group.vipctl("cluster", "--live")
    assert done.returncode == 2
    assert "--live needs a terminal" in done.stderr


def test_files_that_fit_differ_in_nothing(group: Group) -> None:
    done = group.vipctl("diff")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "No differences: 2 hosts, 2 VIPs.\n"


def test_files_that_do_not_fit_are_told_apart_without_a_password(group: Group) -> None:
    (group.files["web02"] / "vip-001.conf").rename(group.files["web02"] / "kept")
    file = write_vip(group.files["web02"], "001", OPTIONS=FIRST, PASSWORD="hope")
    done = group.vipctl("diff", "web01", "web02")
    write_vip(group.files["web02"], "001", OPTIONS=THEN, PASSWORD="hope", PASSWORD_ALSO=PASSWORD)
    changing = group.vipctl("diff", "web01", "web02")
    file.unlink()
    (group.files["web02"] / "kept").rename(group.files["web02"] / "vip-001.conf")
    assert done.returncode == 2
    assert done.stdout.splitlines() == [
        "! 001: PASSWORD differs: password 1 on web01; password 2 on web02",
        "! 001: advskew is 0 on web01 and web02: give each host its own place in the order",
    ]
    assert changing.stdout.splitlines() == [
        "! 001: PASSWORD is being changed: password 1 on web01; passwords 1 and 2 on web02"
    ]
    group.vipctl("reload", host=group.web02)
    group.settle()


def test_a_signature_holds_no_password_and_is_another_for_each_number(group: Group) -> None:
    answers = [
        group.vipctl("check", "--json", "--sign", number * 32, host=host).stdout
        for number in "ab"
        for host in (group.web01, group.web02)
    ]
    assert not any(PASSWORD in each for each in answers)
    signed = [json.loads(each)["vips"][0]["signatures"] for each in answers]
    assert signed[0] == signed[1] != signed[2] == signed[3]
    wrong = group.vipctl("check", "--json", "--sign", "0201", host=group.web01)
    assert (wrong.returncode, wrong.stdout) == (2, "")
