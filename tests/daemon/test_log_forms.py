"""The same line as text, key=value, JSON, and as an entry of the journal."""

import json
import logging
import sys
from pathlib import Path

import pytest

from vipd.api.events import Event, Kind, Transition
from vipd.carp.states import Reason, State
from vipd.daemon.events.hub import Hub, Subject
from vipd.daemon.log import formats, logger
from vipd.daemon.log.logger import Log, VipLog, log


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Kept:
    handler = Kept()
    logger = logging.getLogger("vipd")
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "level", logging.DEBUG)
    return handler


def shown(kept: Kept, form: str, *, priorities: bool = True) -> str:
    return formats.formatter(form, priorities=priorities).format(kept.records[-1])


def entry(kept: Kept) -> list[tuple[str, str]]:
    """The fields of an entry that has no line breaks in it."""
    lines = formats.entry(kept.records[-1], shown(kept, "text", priorities=False)).decode()
    return [(line.partition("=")[0], line.partition("=")[2]) for line in lines.splitlines()]


@pytest.fixture
def transition(kept: Kept) -> Event:
    assert not kept.records
    return Hub(logging.getLogger("vipd")).publish(
        Subject("001", 1, "eth1", State.MASTER),
        Kind.TRANSITION,
        "Switching to state: MASTER (nothing heard from a master)",
        transition=Transition(State.BACKUP, State.MASTER, Reason.MASTER_DOWN),
    )


@pytest.mark.usefixtures("transition")
def test_a_transition_as_text_is_what_ucarp_says_and_why(kept: Kept) -> None:
    words = "001: Switching to state: MASTER (nothing heard from a master)"
    assert shown(kept, "text") == f"<4>{words}"
    assert shown(kept, "text", priorities=False) == words


@pytest.mark.usefixtures("transition")
def test_a_transition_as_key_value(kept: Kept) -> None:
    time, _, rest = shown(kept, "kv").partition(" ")
    assert time.startswith("time=2")
    assert time.endswith("Z")
    assert rest == (
        "level=warning id=001 vhid=1 interface=eth1 state=MASTER event=transition "
        'reason=MASTER_DOWN message="Switching to state: MASTER (nothing heard from a master)"'
    )


@pytest.mark.usefixtures("transition")
def test_a_transition_as_json(kept: Kept) -> None:
    line = json.loads(shown(kept, "json"))
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "id": "001",
        "vhid": 1,
        "interface": "eth1",
        "event": "transition",
        "state": "MASTER",
        "reason": "MASTER_DOWN",
        "message": "Switching to state: MASTER (nothing heard from a master)",
    }


@pytest.mark.usefixtures("transition")
def test_a_transition_in_the_journal_is_found_with_and_without_zeros(kept: Kept) -> None:
    fields = entry(kept)
    assert [value for name, value in fields if name == "VIPD_ID"] == ["001", "1"]
    named = dict(fields)
    assert named["MESSAGE"] == "001: Switching to state: MASTER (nothing heard from a master)"
    assert named["PRIORITY"] == "4"
    assert named["SYSLOG_IDENTIFIER"] == "vipd"
    assert named["VIPD_STATE"] == "MASTER"
    assert named["VIPD_REASON"] == "MASTER_DOWN"
    assert named["VIPD_INTERFACE"] == "eth1"
    assert named["VIPD_VHID"] == "1"


def test_who_waits_says_for_what(kept: Kept) -> None:
    subject = Subject("001", 1, "eth1")
    hub = Hub(logging.getLogger("vipd"))
    hub.publish(subject, Kind.WAITING, "waiting: eth1 has no carrier", code="waiting")
    assert json.loads(shown(kept, "json"))["reason"] == "eth1 has no carrier"
    assert ("VIPD_REASON", "eth1 has no carrier") in entry(kept)


@pytest.mark.parametrize(
    ("identifier", "found"),
    [("1", ["1"]), ("010", ["010", "10"]), ("web", ["web"]), ("٣", ["٣"])],
)
def test_an_id_stands_in_the_journal_as_it_is_typed(
    kept: Kept, identifier: str, found: list[str]
) -> None:
    VipLog(identifier).info("hello")
    assert [value for name, value in entry(kept) if name == "VIPD_ID"] == found


def test_a_line_of_a_vip_has_what_is_known_of_it(kept: Kept) -> None:
    log = VipLog("002", lambda: {"vhid": 2, "interface": "eth1", "state": "BACKUP"})
    log.warning("waiting: %s", "eth1 has no carrier", extra={"reason": "eth1 has no carrier"})
    assert shown(kept, "text") == "<4>002: waiting: eth1 has no carrier"
    assert json.loads(shown(kept, "json"))["reason"] == "eth1 has no carrier"
    assert ("VIPD_STATE", "BACKUP") in entry(kept)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("two words", '"two words"'),
        ('a"quote', '"a\\"quote"'),
        ("a=b", '"a=b"'),
        ("back\\slash", '"back\\\\slash"'),
        ("line\nbreak", '"line\\nbreak"'),
        ("grün", "grün"),
    ],
)
def test_values_are_quoted_where_they_have_to_be(kept: Kept, value: str, written: str) -> None:
    Log(lambda: {"reason": value}).info("hello")
    assert f" reason={written} message=hello" in shown(kept, "kv")


def test_a_traceback_is_one_line_of_json_and_one_entry(kept: Kept) -> None:
    try:
        raise ValueError("odd\nthing")
    except ValueError:
        Log().error("failed", exc_info=sys.exc_info())
    for form in ("json", "kv"):
        assert "\n" not in shown(kept, form)
    assert "ValueError: odd" in json.loads(shown(kept, "json"))["traceback"]
    text = shown(kept, "text", priorities=False)
    data = text.encode()
    expected = b"MESSAGE\n" + len(data).to_bytes(8, "little") + data + b"\n"
    assert formats.entry(kept.records[-1], text).startswith(expected)


def test_bytes_that_are_no_text_are_escaped(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", True)  # start() changes it
    # Not through a logger: pytest would keep it for its report, which cannot hold it either.
    kept.emit(logging.makeLogRecord({"name": "vipd", "msg": "vip-\udcff.conf", "levelno": 20}))
    assert entry(kept)[0] == ("MESSAGE", "vip-\\udcff.conf")
    with (tmp_path / "log").open("w") as stream:
        logger.start("info", stream=stream).handle(kept.records[-1])
    assert (tmp_path / "log").read_text() == "<6>vip-\\udcff.conf\n"


def test_an_endless_message_still_fits_a_datagram(kept: Kept) -> None:
    Log().info("ä" * 1_000_000)
    data = formats.entry(kept.records[-1], shown(kept, "text", priorities=False))
    assert len(data) < 100_000


def test_every_line_has_a_reason(kept: Kept) -> None:
    log.warning("hello")
    assert json.loads(shown(kept, "json"))["reason"] == "test_log_forms"
    assert ("VIPD_REASON", "test_log_forms") in entry(kept)
