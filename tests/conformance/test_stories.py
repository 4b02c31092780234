"""Every story of tests/conformance comes true, and together they leave nothing out."""

import re
from functools import cache
from pathlib import Path

import pytest

from vipd.carp.machine import TABLE
from vipd.carp.packet import Drop
from vipd.carp.states import Input, Mode, Reason

from .packets import read_frame
from .story import FILE, Telling, tell

HERE = Path(__file__).parent
FOLDERS = sorted(path.parent for path in HERE.rglob(FILE))


@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_the_story_comes_true(folder: Path) -> None:
    assert tell(folder).text == (folder / FILE).read_text()


@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_what_we_send_is_what_was_recorded(folder: Path) -> None:
    sent = tell(folder).sent
    for path in folder.glob("sent-*.hex"):
        assert sent[int(path.stem.removeprefix("sent-")) - 1] == read_frame(path)[14:]


@cache
def all_tellings() -> list[Telling]:
    return [tell(folder) for folder in FOLDERS]


def test_every_row_of_the_table_is_in_a_story_and_so_is_whatever_is_in_no_row() -> None:
    """A pair of mode and event without a row changes nothing, and that is told as well."""
    told = {pair for telling in all_tellings() for pair in telling.asked}
    assert told >= {(mode.name, event) for mode, event in TABLE}
    never = {("INIT", Input.TIMEOUT), ("TRYING", Input.TIMEOUT)}  # these have no deadline
    assert told == {(mode.name, event) for mode in Mode for event in Input} - never


def test_every_reason_to_refuse_a_packet_is_in_a_story() -> None:
    assert {drop for telling in all_tellings() for drop in telling.drops} == set(Drop)


def test_every_reason_of_a_transition_is_in_a_story() -> None:
    assert {why for telling in all_tellings() for why in telling.reasons} == set(Reason)


def test_every_recorded_packet_is_in_a_story() -> None:
    heard = {path for telling in all_tellings() for path in telling.heard}
    no_packets_for_us = re.compile(r"sent-\d+|hashed.*")
    assert heard == {p for p in HERE.rglob("*.hex") if not no_packets_for_us.fullmatch(p.stem)}
