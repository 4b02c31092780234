"""Lines of `vipctl history`."""

import json
from dataclasses import replace

from cli.samples import NOW
from vipd.api.events import Event, Kind, ScriptRun, Transition
from vipd.carp.states import Reason, State
from vipd.cli.history import as_json_line, line

RISE = Transition(
    State.BACKUP, State.MASTER, Reason.MASTER_DOWN, "198.51.100.180", 3.04, 0.0004, 0.0006, 0.00071
)
EVENT = Event(
    7,
    NOW + 0.125,
    "001",
    1,
    "eth1",
    State.MASTER,
    Kind.TRANSITION,
    "warning",
    "Switching",
    transition=RISE,
)


def shown(event: Event) -> str:
    """The line, its time left out."""
    return line(event, colours=False).split("  ", 1)[1]


def test_a_transition_has_its_reason_and_its_measured_times() -> None:
    assert shown(EVENT) == (
        "001  BACKUP → MASTER: nothing heard from a master (198.51.100.180 was heard 3 s before); "
        "address 0.4 ms, announcement 0.6 ms, advertisement 0.7 ms"
    )
    assert line(EVENT, colours=False)[19:24] == ".125 "


def test_a_transition_has_only_what_belongs_to_it() -> None:
    down = Transition(State.MASTER, State.INIT, Reason.LINK_DOWN)
    assert shown(replace(EVENT, transition=down)) == "001  MASTER → INIT: interface is down"
    told = replace(down, new=State.BACKUP, reason=Reason.PREFERRED_MASTER, peer="a", silence=0.0)
    assert shown(replace(EVENT, transition=told)) == (
        "001  MASTER → BACKUP: preferred master advertised (a)"
    )


def test_a_script_tells_how_it_ended_and_how_long_it_took() -> None:
    ran = ScriptRun("upscript", 0, 1.2, 7, 0.9)
    event = replace(EVENT, kind=Kind.SCRIPT, transition=None)
    assert [
        shown(replace(event, script=each))
        for each in (
            ran,
            replace(ran, status=3, address=None),
            replace(ran, status=-9, address=None),
            replace(ran, status=None, seconds=0.001, address=None),
        )
    ] == [
        "001  upscript succeeded after 1.20 s; address 900 ms",
        "001  upscript failed with status 3 after 1.20 s",
        "001  upscript was ended by signal 9 after 1.20 s",
        "001  upscript could not be started after 1.0 ms",
    ]


def test_what_concerns_the_daemon_has_its_name_and_any_text_is_harmless() -> None:
    event = replace(EVENT, id="", kind=Kind.RELOAD, transition=None, text="read\x1b[2J")
    assert shown(event) == "vipd  read\\x1b[2J"


def test_json_is_one_line_with_names_of_states() -> None:
    text = as_json_line(EVENT)
    assert "\n" not in text
    told = json.loads(text)
    assert (told["number"], told["kind"]) == (7, "TRANSITION")
    assert told["transition"]["new"] == "MASTER"
    assert told["transition"]["reason"] == "MASTER_DOWN"
