"""The table of `vipctl status`, what needs attention, and the line that Nagios reads."""

import json
from dataclasses import replace

import pytest

from cli.samples import BACKUP, MASTER, NOW, OTHER, problem
from vipd.api.io_vipd import Problem, VipStatus, plain
from vipd.carp.states import Mode, State
from vipd.cli.status import Report, as_object, lines, row


def report(*vips: VipStatus, problems: tuple[Problem, ...] = ()) -> Report:
    return Report(vips, problems, NOW)


def cells(vip: VipStatus) -> list[str]:
    return [each if isinstance(each, str) else each.text for each in row(vip, NOW)]


def test_the_first_line_sums_up() -> None:
    out = lines(report(MASTER, replace(BACKUP, id="002")), colours=False)
    assert out[0] == "OK: 2 VIPs, 1 MASTER, 1 BACKUP"


def test_a_master_and_a_backup_at_a_glance() -> None:
    out = lines(report(MASTER, replace(BACKUP, id="002")), colours=False)
    assert [line.split() for line in out[2:]] == [
        ["ID", "ADDRESS", "IFACE", "STATE", "SINCE", "MASTER", "TIMING", "HEARD", "SKEW", "LEASE"],
        ["001", "198.51.100.154", "eth1", "MASTER", "2h13m", "this", "host", "10", "3s"],
        [
            "002",
            "198.51.100.154",
            "eth1",
            "BACKUP",
            "2h13m",
            "198.51.100.180",
            "1+0",
            "0.4s",
            "10",
            "–",
        ],
    ]


def test_nothing_is_coloured_but_for_who_wants_it() -> None:
    both = report(MASTER, BACKUP, problems=(problem("x", id="003"),))
    assert "\x1b" not in "".join(lines(both, colours=False))
    assert "\x1b[1;32mMASTER\x1b[0m" in "".join(lines(both, colours=True))


@pytest.mark.parametrize(
    ("vip", "why"),
    [
        (replace(BACKUP, problems=[problem("two masters")]), "two masters"),
        (
            replace(BACKUP, problems=[problem("PASWORD is no key", hint="write PASSWORD")]),
            "PASWORD is no key; write PASSWORD",
        ),
        (
            replace(BACKUP, state=State.INIT, mode=Mode.INIT, waiting_for="eth1 has no carrier"),
            "waiting: eth1 has no carrier",
        ),
    ],
)
def test_what_needs_attention_is_told_and_is_status_1(vip: VipStatus, why: str) -> None:
    out = lines(report(vip), colours=False)
    assert report(vip).status == 1
    assert out[0].startswith("ATTENTION (001): 1 VIP, ")
    assert out[-1] == f"! 001: {why}"
    assert cells(vip)[-1] == "! 1"


def test_maintenance_is_shown_and_is_no_alarm_while_another_host_is_master() -> None:
    vip = replace(BACKUP, mode=Mode.HOLDING, maintenance=True)
    assert report(vip).status == 0
    assert lines(report(vip), colours=False)[0] == "OK: 1 VIP, 1 BACKUP, 1 in maintenance"
    assert cells(vip)[3] == "BACKUP maintenance"


def test_a_file_that_gives_no_vip_needs_attention_too() -> None:
    broken = problem(
        "PASSWORD is missing", id="003", interface="", hint="write it",
        file="/etc/ucarp/vip-003.conf", line=2, column=7,
    )  # fmt: skip
    out = lines(report(MASTER, problems=(broken,)), colours=False)
    assert out[0] == "ATTENTION (003): 1 VIP, 1 MASTER"
    assert out[-1] == ("! /etc/ucarp/vip-003.conf:2:7: error: PASSWORD is missing; write it")


def test_a_hold_and_a_handover_stand_beside_the_state() -> None:
    assert cells(replace(BACKUP, mode=Mode.HOLDING, hold_left=12.0))[3] == "BACKUP held 12s"
    assert cells(replace(MASTER, mode=Mode.LEAVING))[3] == "MASTER leaving"


def test_several_addresses_are_counted_and_lengths_shown_that_say_something() -> None:
    vip = replace(MASTER, addresses=["198.51.100.154/24", "2001:db8::1/128", "192.0.2.1/32"])
    assert cells(vip)[1] == "198.51.100.154/24 +2"


def test_text_of_other_hosts_cannot_command_the_terminal() -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\u202e"
    vip = replace(
        BACKUP, id=f"1{evil}", interface=evil, addresses=[evil],
        problems=[problem(evil, hint=evil)],
        waiting_for=evil, heard=replace(OTHER, address=evil),
    )  # fmt: skip
    loose = problem(evil, id=evil, file=evil)
    for line in lines(report(vip, problems=(loose,)), colours=False):
        assert line.isprintable(), repr(line)


def test_json_is_what_the_daemon_said_and_what_needs_attention() -> None:
    vip = replace(BACKUP, problems=[problem("two masters")])
    told = json.loads(json.dumps(as_object(report(vip)), default=plain))
    assert (told["status"], told["problems"]) == (1, [])
    (first,) = told["vips"]
    assert first["attention"] == ["two masters"]
    assert (first["state"], first["mode"], first["reason"]) == (
        "BACKUP", "BACKUP", "PREFERRED_MASTER",
    )  # fmt: skip
    assert first["heard"]["address"] == "198.51.100.180"
