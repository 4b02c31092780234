"""What people are told about sickness: `vipctl status`, and `vipctl why`."""

from dataclasses import replace

import pytest

from cli.samples import BACKUP, MASTER, NOW, OTHER, problem
from vipd.api.io_vipd import CheckRuns, Finding, VipStatus
from vipd.carp.health import Health
from vipd.cli.status import Report, lines, row
from vipd.cli.why import sentences

SAID = "exit status 1: no answer from port 80"
RUNS = CheckRuns(
    command=["/usr/local/bin/check"],
    user="nobody",
    interval=2.0,
    timeout=2.0,
    fall=3,
    rise=5,
    ok=40,
    failed=3,
    none=0,
    last="failed",
    last_said=SAID,
    last_ago=0.6,
    last_seconds=0.01,
    needed=5,
    held_left=22.0,
    vips=2,
)
FAILED = Finding("check:web", False, NOW - 8, SAID, "", RUNS)
UNKNOWN = Finding(
    "check:db", None, NOW, "", "", replace(RUNS, failed=1, ok=0, needed=2, held_left=None)
)
TRACKED = Finding("track:eth2", False, NOW - 8, "no carrier", "when that is over", None)
SICK = replace(
    MASTER,
    health=Health.SICK,
    findings=[FAILED],
    problems=[problem(f"sick: check:web: {SAID}", code="sick", severity="warning")],
)
SICK_BACKUP = replace(BACKUP, health=Health.SICK, findings=[FAILED])


def test_status_shows_who_is_sick_and_why_and_ends_with_1() -> None:
    report = Report((SICK, replace(BACKUP, id="002")), (), NOW)
    first, *_, last = lines(report, colours=False)
    assert first == "ATTENTION (001): 2 VIPs, 1 MASTER, 1 BACKUP, 1 SICK"
    assert last == f"! 001: sick: check:web: {SAID}"
    assert report.status == 1
    states = [getattr(each, "text", each) for each in row(SICK, NOW)]
    assert "MASTER SICK" in states


@pytest.mark.parametrize(
    ("vip", "parts"),
    [
        (
            SICK,
            ["This host is sick for it. As master it asks every healthy host to take over",
             f"check:web has failed since 2027-01-15 07:59:52, 8 s ago: {SAID}.",
             "It is well again after 5 more good runs, one every 2 s, and not before",
             "in 22 s (CHECK_HOLD)."],
        ),
        (
            replace(SICK, findings=[replace(FAILED, check=replace(
                RUNS, last="ok", last_said="exit status 0: fine", needed=1, held_left=None))]),
            ["Its last run, 0.6 s ago: exit status 0: fine. It is well again after 1 more good "
             "run, one every 2 s."],
        ),
        (
            replace(SICK, findings=[replace(FAILED, check=replace(RUNS, needed=0))]),
            ["It is well again with its next good run, and not before"],
        ),
        (
            replace(SICK, findings=[replace(FAILED, said="not run: anybody may change it",
                                            check=replace(RUNS, last=None, last_said=""))]),
            ["not run: anybody may change it. It is not run: vipctl check tells"],
        ),
        (
            replace(SICK, findings=[TRACKED]),
            [
                "track:eth2 has failed since",
                "no carrier. It is well again when that is over.",
            ],
        ),
        (
            replace(SICK, demote_by=100, effective_advskew=110),
            ["It advertises advskew 110 for that (DEMOTE_BY), and hosts with --preempt"],
        ),
        (
            SICK_BACKUP,
            ["This host is sick, and the address stays there. This host takes over 3 s after",
             "if no healthy host does."],
        ),
        (
            replace(SICK_BACKUP, heard=replace(OTHER, advbase=254, demotion=1)),
            ["That host is sick, too, but the address stays there."],
        ),
        (
            replace(BACKUP, heard=replace(OTHER, advbase=254, demotion=1)),
            ["this host is preferred, with and without --preempt, and takes over"],
        ),
        (
            replace(BACKUP, health=Health.UNKNOWN, findings=[
                Finding("track:web.service", None, NOW - 90, "no cgroup v2", "", None),
            ]),
            ["track:web.service has no verdict yet: no cgroup v2. Until it has, this host"],
        ),
        (
            replace(BACKUP, health=Health.UNKNOWN, findings=[UNKNOWN]),
            [f"check:db has no verdict yet; its last run: {SAID}. Until it has, this host "
             "preempts nobody."],
        ),
        (
            replace(BACKUP, findings=[replace(FAILED, well=True, check=replace(RUNS, needed=1))]),
            [f"check:web is about to fail, with 1 more failed run: {SAID}."],
        ),
        (
            replace(BACKUP, preempt_delay=60, modest_left=12.0, heard=replace(OTHER, advskew=100)),
            ["leaves a living master alone at first (PREEMPT_DELAY is 60 s), so it does not take "
             "over for another 12 s"],
        ),
    ],
)  # fmt: skip
def test_why_tells_what_fails_since_when_and_what_would_end_it(
    vip: VipStatus, parts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    told = " ".join(sentences(vip, NOW))
    for part in parts:
        assert part in told
    assert "To correct: sick" not in told


def test_no_output_of_a_check_commands_the_terminal() -> None:
    evil = replace(FAILED, said="\x1b[2J", check=replace(RUNS, last_said="\x1b[3J"))
    for well in (True, False, None):
        vip = replace(SICK, findings=[replace(evil, well=well)])
        assert all(sentence.isprintable() for sentence in sentences(vip, NOW))
