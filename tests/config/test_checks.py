"""CHECK_<NAME> and its times in files: what is read, and what is wrong."""

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.test_load import GOOD, one, read, text
from vipd.config.health_fields import Check
from vipd.config.problem import Severity

TRUE = "/bin/true"


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody gets into: pytest's own are closed."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def checks(directory: Path, **keys: str) -> tuple[Check, ...]:
    vip, problems = one(directory, **keys)
    assert vip is not None, problems
    assert not problems
    return vip.checks


def program(path: Path, mode: int = 0o755) -> str:
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return str(path)


def script(path: Path, first: str) -> str:
    """With this first line."""
    path.write_text(f"{first}\nexit 0\n")
    path.chmod(0o755)
    return str(path)


def test_a_check_alone_has_the_documented_times(place: Path) -> None:
    (check,) = checks(place, CHECK_WEB=TRUE)
    assert (check.name, check.command) == ("web", (TRUE,))
    assert (check.interval, check.timeout, check.fall, check.rise, check.hold) == (2, 2, 3, 5, 30)
    nobody = pwd.getpwnam("nobody")
    assert check.user == "nobody"
    assert check.account is not None
    assert (check.account.uid, check.account.gid) == (nobody.pw_uid, nobody.pw_gid)
    assert check.account.groups == (nobody.pw_gid,)


def test_words_are_those_of_a_shell(place: Path) -> None:
    (check,) = checks(place, CHECK_WEB=f'{TRUE} -H "Host: a b" plain\\ word $HOME ""')
    assert check.command == (TRUE, "-H", "Host: a b", "plain word", "$HOME", "")


def test_one_checks_own_times_come_before_those_of_all(place: Path) -> None:
    a, b = checks(
        place,
        CHECK_A=TRUE,
        CHECK_B=TRUE,
        CHECK_INTERVAL="0.5",
        CHECK_B_INTERVAL="10",
        CHECK_B_TIMEOUT="3",
        CHECK_FALL="1",
        CHECK_RISE="2",
        CHECK_B_RISE="7",
        CHECK_HOLD="0",
        CHECK_USER="root",
        CHECK_B_USER="0",
    )
    assert (a.interval, a.timeout, a.fall, a.rise, a.hold) == (0.5, 0.5, 1, 2, 0)
    assert (b.interval, b.timeout, b.fall, b.rise, b.hold) == (10, 3, 1, 7, 0)
    assert a.account == b.account
    assert a.user == "root"


def test_a_name_may_have_underscores_and_case_does_not_count(place: Path) -> None:
    (check,) = checks(place, CHECK_Web_Server=TRUE, CHECK_WEB_SERVER_FALL="9")
    assert (check.name, check.fall) == ("web_server", 9)


def test_an_empty_value_switches_a_common_check_off(place: Path) -> None:
    common = f"CHECK_WEB={TRUE}\nCHECK_DB={TRUE}\nCHECK_WEB_FALL=2\n"
    (place / "vip-common.conf").write_text(common)
    (place / "vip-001.conf").write_text(text(GOOD) + "CHECK_WEB=\n")
    snapshot = read(place)
    assert not snapshot.problems
    assert [check.name for check in snapshot.vips[0].checks] == ["db"]


WRONG = {
    "CHECK_WEB": ("curl http://x", "'/bin/true", "bin/true"),
    "CHECK_INTERVAL": ("0", "0.05", "3601", "2s", "1e3", "-1"),
    "CHECK_WEB_TIMEOUT": ("0", "much"),
    "CHECK_FALL": ("0", "101", "1.5"),
    "CHECK_RISE": ("0", "x"),
    "CHECK_HOLD": ("-1", "3601"),
    "PREEMPT_DELAY": ("-1", "3601", "soon"),
    "LISTEN_FIRST": ("61", "1.5"),
    "DEMOTE_BY": ("0", "241", "handover"),
}


@pytest.mark.parametrize(("key", "value"), [(key, v) for key, vs in WRONG.items() for v in vs])
def test_what_cannot_be_used_is_an_error_at_its_place(tmp_path: Path, key: str, value: str) -> None:
    quoted = f'{key}="{value}"\n'
    lines = text(GOOD) + ("" if key == "CHECK_WEB" else f"CHECK_WEB={TRUE}\n") + quoted
    (tmp_path / "vip-001.conf").write_text(lines)
    snapshot = read(tmp_path)
    assert not snapshot.vips
    (problem,) = snapshot.problems
    assert problem.severity is Severity.ERROR
    assert not problem.runs
    assert (problem.line, problem.column) == (lines.count("\n"), len(key) + 3)
    assert key in problem.message
    assert problem.hint


def test_the_keys_beside_checks_are_read(tmp_path: Path) -> None:
    keys = {"PREEMPT_DELAY": "90", "LISTEN_FIRST": "0", "DEMOTE_BY": "100"}
    vip, problems = one(tmp_path, **keys)
    assert vip is not None
    assert not problems
    assert (vip.preempt_delay, vip.listen_first, vip.demote_by) == (90, 0, 100)
    vip, _ = one(tmp_path, DEMOTE_BY="Hand-Over", LISTEN_FIRST="60")
    assert vip is not None
    assert (vip.demote_by, vip.listen_first) == ("hand-over", 60)


def test_a_time_of_a_check_that_is_not_there_is_a_warning(place: Path) -> None:
    vip, (problem,) = one(place, CHECK_WEB=TRUE, CHECK_WBE_FALL="2")
    assert vip is not None
    assert "CHECK_WBE" in problem.message


@pytest.mark.parametrize("operator", ["|", "&&", ";", ">/dev/null", "2>&1", "$(id)"])
def test_what_only_a_shell_understands_is_a_warning(place: Path, operator: str) -> None:
    vip, (problem,) = one(place, CHECK_WEB=f"{TRUE} a {operator} b")
    assert vip is not None
    assert problem.severity is Severity.WARNING
    assert "/bin/sh -c" in problem.hint


def test_two_names_that_differ_in_case_only_are_an_error(place: Path) -> None:
    vip, (problem,) = one(place, CHECK_WEB=TRUE, CHECK_web=TRUE)
    assert vip is None
    assert "same check" in problem.message


def test_a_program_that_others_may_change_is_not_run(place: Path) -> None:
    path = program(place / "check", 0o757)
    vip, (problem,) = one(place, CHECK_WEB=path)
    assert vip is not None
    assert problem.severity is Severity.ERROR
    assert problem.runs
    assert "chmod" in problem.hint
    (check,) = vip.checks
    assert "anybody on this host may change it" in check.refused


def test_a_program_of_the_user_that_it_runs_as_is_run(place: Path) -> None:
    path = program(place / "check")
    os.chown(path, pwd.getpwnam("nobody").pw_uid, 0)
    assert checks(place, CHECK_WEB=path)[0].refused == ""
    vip, (problem,) = one(place, CHECK_WEB=path, CHECK_USER="root")
    assert vip is not None
    assert vip.checks[0].refused
    assert "may change it" in problem.message


def test_checks_named_in_a_file_that_everybody_may_write_are_not_run(place: Path) -> None:
    common = place / "vip-common.conf"
    common.write_text(f"CHECK_WEB={TRUE}\n")
    common.chmod(0o666)
    vip, problems = one(place)
    assert vip is not None
    assert vip.checks[0].refused
    assert any("vip-common.conf" in problem.message for problem in problems)


@pytest.mark.parametrize("first", ["#! /bin/sh -e", "#!\t/bin/sh", "#!/usr/bin/env sh", "#", ""])
def test_an_interpreter_that_is_there_is_no_problem(place: Path, first: str) -> None:
    assert checks(place, CHECK_WEB=script(place / "check", first))


def test_what_cannot_start_is_loud_and_tried_all_the_same(place: Path) -> None:
    for path, why in (
        (str(place / "missing"), "No such file"),
        (program(place / "closed", 0o744), "cannot be run by nobody"),
        (program(place / "plain", 0o644), "cannot be run by nobody"),
        (str(place), "is not a file"),
        (script(place / "gone", "#!/no/such/shell -e"), "begins with #!/no/such/shell, and there"),
        (script(place / "dos", "#!/bin/sh\r"), "begins with #!/bin/sh\\r, and there is no such"),
    ):
        vip, (problem,) = one(place, CHECK_WEB=path)
        assert vip is not None
        assert vip.checks[0].refused == ""
        assert problem.severity is Severity.ERROR
        assert why in problem.message


def test_a_missing_program_that_others_may_make_is_not_tried(place: Path) -> None:
    """Whoever makes it first in /tmp would run as CHECK_USER, root perhaps."""
    shared = place / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    vip, (problem,) = one(place, CHECK_WEB=str(shared / "check"), CHECK_USER="root")
    assert vip is not None
    assert "anybody on this host may make it" in vip.checks[0].refused
    assert problem.severity is Severity.ERROR


def test_a_directory_that_the_user_does_not_get_into_is_named(place: Path) -> None:
    inner = place / "inner"
    inner.mkdir(0o700)
    _, (problem,) = one(place, CHECK_WEB=program(inner / "check"))
    assert str(inner) in problem.message


def test_a_user_that_is_not_there_fails_the_check(place: Path) -> None:
    vip, (problem,) = one(place, CHECK_WEB=TRUE, CHECK_USER="no-such-user")
    assert vip is not None
    assert "no-such-user" in vip.checks[0].refused
    assert problem.runs


def test_a_run_that_may_outlast_its_interval_is_a_warning(place: Path) -> None:
    _, (problem,) = one(place, CHECK_WEB=TRUE, CHECK_TIMEOUT="5")
    assert "5 s" in problem.message


@pytest.mark.parametrize(
    ("command", "floating"),
    [
        (f"{TRUE} http://192.0.2.1:80/health", True),
        (f"{TRUE} --host=192.0.2.1", True),
        (f"{TRUE} https://[2001:db8::1]:443/", True),
        (f"{TRUE} http://192.0.2.11/", False),
        (f"{TRUE} http://1192.0.2.1/", False),
        (f"{TRUE} http://[2001:db8::11]/", False),
        (f"{TRUE} http://127.0.0.1/", False),
    ],
)
def test_a_check_that_asks_the_floating_address_is_a_warning(
    place: Path, command: str, floating: bool
) -> None:
    """All hosts would ask the master, and be sick together."""
    keys = {"VIP_ADDRESS": "192.0.2.1", "EXTRA_ADDRESSES": "2001:db8::1", "CHECK_WEB": command}
    vip, problems = one(place, **keys)
    assert vip is not None
    assert [problem.severity for problem in problems] == [Severity.WARNING] * floating
    assert all("which moves with this VIP" in problem.message for problem in problems)
    assert all(problem.line for problem in problems)


def test_in_a_user_namespace_root_may_be_the_owner_that_nobody_knows(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container, or in a lab that is not started by root."""
    path = program(place / "check")
    os.chown(path, 12345, 12345)
    vip, _ = one(place, CHECK_WEB=path, CHECK_USER="root")
    assert vip is not None
    assert vip.checks[0].refused
    monkeypatch.setattr("vipd.config.checks.unknown_owner", lambda: {12345})
    vip, _ = one(place, CHECK_WEB=path, CHECK_USER="root")
    assert vip is not None
    assert not vip.checks[0].refused
