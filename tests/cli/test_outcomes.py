"""What reload, demote and maintenance tell, where real daemons do not come into the situation."""

import pytest

from cli.samples import problem
from vipd.api.io_vipd import Handover, Outcome, Reloaded, Result
from vipd.carp.states import State
from vipd.cli import handover, reload

THEN = "stays backup for 1 min"


def test_reload_tells_each_change_and_counts_the_rest() -> None:
    reloaded = Reloaded(
        outcomes=[
            Outcome("001", Result.CHANGED, "advskew"),
            Outcome("002", Result.UNCHANGED, ""),
            Outcome("003", Result.KEPT, "vip-003.conf cannot be read"),
            Outcome("004", Result.STARTED, ""),
        ],
        problems=[
            problem("PASSWORD is missing", id="", file="/f", line=2, column=3, hint="write it")
        ],
    )
    assert reload.lines(reloaded, colours=False) == [
        "001: changed in place, without a transition (advskew)",
        "003: keeps its old settings until its files are corrected (vip-003.conf cannot be read)",
        "004: is new",
        "1 VIP is as before.",
        "/f:2:3: error: PASSWORD is missing; write it",
    ]
    assert reload.status(reloaded) == 1


@pytest.mark.parametrize(
    ("result", "status"),
    [(Result.UNCHANGED, 0), (Result.STOPPED, 0), (Result.KEPT, 1), (Result.FAILED, 1)],
)
def test_reload_is_status_1_when_files_were_not_applied(result: Result, status: int) -> None:
    assert reload.status(Reloaded(outcomes=[Outcome("001", result, "")], problems=[])) == status


@pytest.mark.parametrize(
    ("done", "text", "status"),
    [
        (
            Handover("001", State.MASTER, State.BACKUP, "198.51.100.180", 0.0153),
            "001: handed over to 198.51.100.180 within 15 ms; stays backup for 1 min",
            0,
        ),
        (
            Handover("001", State.MASTER, State.BACKUP, None, 2.0),
            "001: nobody took over within 2 s, so that no host owns the address; stays backup for "
            "1 min. See whether vipd or ucarp runs on the other hosts",
            1,
        ),
        (
            Handover("001", State.BACKUP, State.BACKUP, None, 0.0),
            "001: was BACKUP already; stays backup for 1 min",
            0,
        ),
        (
            Handover("001\x1b[2J", State.MASTER, State.BACKUP, "\x1b[31m", 0.1),
            "001\\x1b[2J: handed over to \\x1b[31m within 100 ms; stays backup for 1 min",
            0,
        ),
    ],
)
def test_a_handover_is_told_with_its_successor(done: Handover, text: str, status: int) -> None:
    assert handover.told(done, THEN) == text
    assert handover.status([done]) == status
