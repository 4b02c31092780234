"""The state machine, row by row: given, event → effects, what it is then, and until when.

A row's deadline counts from its event, in seconds. Each row says which pair of ``TABLE`` it stands
for, and the test watches that the machine really looked up this one.
"""

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any, NamedTuple

import pytest

from vipd.carp import machine as machine_module
from vipd.carp.machine import (
    BOW_OUT,
    TABLE,
    Acquire,
    Announce,
    Effects,
    Event,
    Machine,
    Parameters,
    Reason,
    Release,
    SendAdvertisement,
    State,
    Transition,
)

from .stage import (
    A_BOW_OUT,
    EQUAL_FROM_HIGHER,
    EQUAL_FROM_LOWER,
    FASTER,
    NOW,
    SLOWER,
    US,
    advertisement,
    backup,
    fresh_master,
    holding,
    in_maintenance,
    init,
    leaving_for_a_while,
    leaving_for_good,
    master,
    trying,
)

INIT, BACKUP, MASTER = State.INIT, State.BACKUP, State.MASTER

PREEMPTING = replace(US, preempt=True)
UNSKEWED = replace(US, advskew=0)

OUR_AD = SendAdvertisement(1, 128)
OUR_BOW_OUT = SendAdvertisement(*BOW_OUT)


def backup_that_heard_a_bow_out(parameters: Parameters) -> Machine:
    machine = backup(parameters)
    machine.receive(A_BOW_OUT, NOW)
    return machine


def leaving_for_a_while_at_its_end(parameters: Parameters) -> Machine:
    machine = leaving_for_a_while(parameters)
    while machine.deadline < NOW - 0.1 + 2:
        machine.tick(machine.deadline)
    return machine


def leaving_for_good_at_its_end(parameters: Parameters) -> Machine:
    machine = leaving_for_good(parameters)
    while machine.deadline < NOW - 0.1 + 2:
        machine.tick(machine.deadline)
    return machine


Happening = Callable[[Machine, float], Effects]


def hears(*values: Any) -> Happening:
    """An advertisement arrives: one of the stage's, or advbase and advskew."""
    ad = values[0] if len(values) == 1 else advertisement(*values)
    return lambda machine, now: machine.receive(ad, now)


def sends(machine: Machine, now: float) -> Effects:
    return machine.sent(True, now)


def cannot_send(machine: Machine, now: float) -> Effects:
    return machine.sent(False, now)


def time_out(machine: Machine, now: float) -> Effects:
    return machine.tick(now)


class Row(NamedTuple):
    """``mode`` and ``event`` name the pair of TABLE; ``given`` and ``happens`` bring it about."""

    mode: str
    event: Event
    given: Callable[[Parameters], Machine]
    happens: Happening
    effects: Effects
    then: str
    deadline: float
    parameters: Parameters = US
    note: str = ""


def takes_over(reason: Reason, ad: SendAdvertisement = OUR_AD) -> Effects:
    return (Transition(BACKUP, MASTER, reason), Acquire(), Announce(), ad)


STEPS_DOWN: Effects = (Transition(MASTER, BACKUP, Reason.STEPPED_DOWN), Release())
STOPS: Effects = (Transition(MASTER, INIT, Reason.STOPPED), Release())
YIELDS: Effects = (OUR_AD, Transition(MASTER, BACKUP, Reason.PREFERRED_MASTER), Release())
# fmt: off
ROWS = [
    Row("INIT", Event.LINK_UP, init, Machine.link_up,
        (Transition(INIT, BACKUP, Reason.LINK_UP),), "BACKUP", 3.5),

    Row("BACKUP", Event.PREFERRED, backup, hears(FASTER), (), "BACKUP", 3.5),
    Row("BACKUP", Event.PREFERRED, backup, hears(EQUAL_FROM_LOWER), (), "BACKUP", 3.5,
        note="equal, from a lower address"),
    Row("BACKUP", Event.EQUAL, backup, hears(EQUAL_FROM_HIGHER), (), "BACKUP", 3.5),
    Row("BACKUP", Event.EQUAL, backup, hears(EQUAL_FROM_HIGHER), (), "BACKUP", 3.5, PREEMPTING,
        note="an equal is not preempted"),
    Row("BACKUP", Event.SLOWER, backup, hears(SLOWER), (), "BACKUP", 3.5),
    Row("BACKUP", Event.SLOWER, backup, hears(3, 128), (), "BACKUP", 3.5 + 1 / 16,
        note="as slow as our patience: it gets a grace"),
    Row("BACKUP", Event.SLOWER, backup, hears(SLOWER),
        takes_over(Reason.PREEMPTION), "MASTER", 1.0, PREEMPTING, note="preempted"),
    Row("BACKUP", Event.LEAVING, backup, hears(A_BOW_OUT), (), "BACKUP", 0.125),
    Row("BACKUP", Event.LEAVING, backup, hears(3, 129), (), "BACKUP", 0.125,
        note="1/256 s too slow for us"),
    Row("BACKUP", Event.LEAVING, backup, hears(A_BOW_OUT),
        takes_over(Reason.MASTER_LEAVING, SendAdvertisement(1, 0)), "MASTER", 1.0, UNSKEWED,
        note="the best goes at once"),
    Row("BACKUP", Event.TIMEOUT, backup, time_out,
        takes_over(Reason.MASTER_DOWN), "MASTER", 1.0),
    Row("BACKUP", Event.TIMEOUT, backup_that_heard_a_bow_out, time_out,
        takes_over(Reason.MASTER_LEAVING), "MASTER", 1.0, note="after a bow-out"),
    Row("BACKUP", Event.LINK_DOWN, backup, Machine.link_down,
        (Transition(BACKUP, INIT, Reason.LINK_DOWN),), "INIT", inf),
    Row("BACKUP", Event.STOP, backup, Machine.stop,
        (Transition(BACKUP, INIT, Reason.STOPPED),), "INIT", inf),

    Row("BACKUP", Event.STEP_DOWN, backup, Machine.step_down, (), "HOLDING", 3.0),

    Row("TRYING", Event.SENT, trying, sends,
        (Transition(BACKUP, MASTER, Reason.MASTER_DOWN), Acquire(), Announce()), "MASTER", 1.0),
    Row("TRYING", Event.UNSENT, trying, cannot_send, (), "BACKUP", 3.5),

    Row("HOLDING", Event.TIMEOUT, holding, time_out, (), "BACKUP", 3.5),
    Row("HOLDING", Event.STEP_DOWN, holding, Machine.step_down, (), "HOLDING", 3.0),
    Row("HOLDING", Event.STEP_DOWN, in_maintenance, Machine.step_down, (), "HOLDING", inf,
        note="a longer hold stays"),
    Row("HOLDING", Event.RESUME, holding, Machine.resume, (), "BACKUP", 3.5),
    Row("HOLDING", Event.RESUME, in_maintenance, Machine.resume, (), "BACKUP", 3.5),
    Row("HOLDING", Event.LINK_DOWN, holding, Machine.link_down,
        (Transition(BACKUP, INIT, Reason.LINK_DOWN),), "INIT", inf),
    Row("HOLDING", Event.STOP, holding, Machine.stop,
        (Transition(BACKUP, INIT, Reason.STOPPED),), "INIT", inf),

    Row("MASTER", Event.PREFERRED, master, hears(FASTER), YIELDS, "BACKUP", 3.5),
    Row("MASTER", Event.PREFERRED, master, hears(EQUAL_FROM_LOWER), YIELDS, "BACKUP", 3.5,
        note="equal, from a lower address"),
    Row("MASTER", Event.EQUAL, master, hears(EQUAL_FROM_HIGHER), (Announce(),), "MASTER", 1.0),
    Row("MASTER", Event.SLOWER, master, hears(SLOWER), (Announce(),), "MASTER", 1.0),
    Row("MASTER", Event.LEAVING, master, hears(A_BOW_OUT), (Announce(),), "MASTER", 1.0),
    Row("MASTER", Event.TIMEOUT, master, time_out, (OUR_AD,), "MASTER", 1.5),
    Row("MASTER", Event.LINK_DOWN, master, Machine.link_down,
        (Transition(MASTER, INIT, Reason.LINK_DOWN), Release()), "INIT", inf),
    Row("MASTER", Event.STEP_DOWN, master, Machine.step_down, (OUR_BOW_OUT,), "LEAVING", 0.5),
    Row("MASTER", Event.STOP, master, Machine.stop, (OUR_BOW_OUT,), "LEAVING", 0.5),
    Row("MASTER", Event.LAPSED, master, Machine.lapse,
        (Transition(MASTER, BACKUP, Reason.LAPSED), Release()), "BACKUP", 3.5),
    Row("MASTER", Event.UNSENT, master, cannot_send, (), "MASTER", 1.25,
        note="it was heard before"),
    Row("MASTER", Event.UNSENT, fresh_master, cannot_send,
        (Transition(MASTER, BACKUP, Reason.UNHEARD), Release()), "BACKUP", 3.5),

    Row("LEAVING", Event.PREFERRED, leaving_for_a_while, hears(FASTER),
        STEPS_DOWN, "HOLDING", 2.9),
    Row("LEAVING", Event.EQUAL, leaving_for_a_while, hears(EQUAL_FROM_HIGHER),
        STEPS_DOWN, "HOLDING", 2.9),
    Row("LEAVING", Event.SLOWER, leaving_for_a_while, hears(SLOWER),
        STEPS_DOWN, "HOLDING", 2.9),
    Row("LEAVING", Event.LEAVING, leaving_for_a_while, hears(5, 0),
        STEPS_DOWN, "HOLDING", 2.9, note="a very slow successor"),
    Row("LEAVING", Event.LEAVING, leaving_for_a_while, hears(A_BOW_OUT),
        (), "LEAVING", 0.4, note="somebody else leaves too"),
    Row("LEAVING", Event.TIMEOUT, leaving_for_a_while, time_out, (OUR_BOW_OUT,), "LEAVING", 0.5),
    Row("LEAVING", Event.TIMEOUT, leaving_for_a_while_at_its_end, time_out,
        STEPS_DOWN, "HOLDING", 1.0, note="nobody came"),
    Row("LEAVING", Event.LINK_DOWN, leaving_for_a_while, Machine.link_down,
        (Transition(MASTER, INIT, Reason.LINK_DOWN), Release()), "INIT", inf),
    Row("LEAVING", Event.LAPSED, leaving_for_a_while, Machine.lapse,
        STEPS_DOWN, "HOLDING", 2.9),

    Row("LEAVING", Event.PREFERRED, leaving_for_good, hears(FASTER), STOPS, "INIT", inf,
        note="for good"),
    Row("LEAVING", Event.EQUAL, leaving_for_good, hears(EQUAL_FROM_HIGHER), STOPS, "INIT", inf,
        note="for good"),
    Row("LEAVING", Event.SLOWER, leaving_for_good, hears(SLOWER), STOPS, "INIT", inf,
        note="for good"),
    Row("LEAVING", Event.TIMEOUT, leaving_for_good_at_its_end, time_out, STOPS, "INIT", inf,
        note="for good, nobody came"),
]
# fmt: on


class Watched(dict[Any, Any]):
    """TABLE, remembering what was looked up."""

    def __init__(self) -> None:
        super().__init__(TABLE)
        self.asked: list[tuple[str, Event]] = []

    def get(self, key: Any, default: Any = None) -> Any:
        self.asked.append((key[0].name, key[1]))
        return super().get(key, default)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched()
    monkeypatch.setattr(machine_module, "TABLE", watched)
    return watched


def mode(machine: Machine) -> str:
    """BACKUP, TRYING and HOLDING, MASTER and LEAVING are one state to the world."""
    return machine._mode.name


def row_id(row: Row) -> str:
    return f"{row.mode}, {row.event.name}" + (f" ({row.note})" if row.note else "")


@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_row(row: Row, table: Watched) -> None:
    machine = row.given(row.parameters)
    now = machine.deadline if row.event is Event.TIMEOUT else NOW
    table.asked.clear()

    effects = row.happens(machine, now)

    assert table.asked == [(row.mode, row.event)]
    assert effects == row.effects
    assert mode(machine) == row.then
    assert machine.deadline - now == pytest.approx(row.deadline)
    assert machine.state.name == {"HOLDING": "BACKUP", "TRYING": "BACKUP", "LEAVING": "MASTER"}.get(
        row.then, row.then
    )
    assert machine.leaving == (row.then == "LEAVING")


def test_every_pair_of_the_table_has_a_row_and_every_row_a_pair() -> None:
    assert {(row.mode, row.event) for row in ROWS} == {(mode.name, e) for mode, e in TABLE}


STAGES = [
    init,
    backup,
    trying,
    holding,
    in_maintenance,
    master,
    leaving_for_a_while,
    leaving_for_good,
]
HAPPENINGS: dict[Event, Happening] = {
    Event.PREFERRED: hears(FASTER),
    Event.EQUAL: hears(EQUAL_FROM_HIGHER),
    Event.SLOWER: hears(SLOWER),
    Event.LEAVING: hears(A_BOW_OUT),
    Event.TIMEOUT: time_out,
    Event.LINK_UP: Machine.link_up,
    Event.LINK_DOWN: Machine.link_down,
    Event.STEP_DOWN: Machine.step_down,
    Event.RESUME: Machine.resume,
    Event.STOP: Machine.stop,
    Event.LAPSED: Machine.lapse,
    Event.SENT: sends,
    Event.UNSENT: cannot_send,
}
IN_TABLE = {(mode.name, event) for mode, event in TABLE}


@pytest.mark.parametrize("event", Event, ids=lambda event: event.name)
@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_a_pair_that_is_not_in_the_table_changes_nothing(
    stage: Callable[[], Machine], event: Event
) -> None:
    machine = stage()
    before = (mode(machine), machine.deadline)

    effects = HAPPENINGS[event](machine, NOW)

    unchanged = effects == () and (mode(machine), machine.deadline) == before
    assert unchanged or (before[0], event) in IN_TABLE
