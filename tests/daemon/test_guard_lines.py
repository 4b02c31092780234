"""The guard's log lines are read by whoever reads the daemon's."""

import json
import shlex

import pytest

from vipd.daemon.guard.lines import JSON, KEY_VALUE, PLAIN, TEXT, line

WORDS = 'was killed: "no room", C:\\x'


@pytest.mark.parametrize("vip", ["001", 'a "b" c', "\u00fc\u202e\n"])
def test_they_have_the_fields_of_the_daemons(vip: str) -> None:
    shown = vip.replace("\u202e", "\ufffd").replace("\n", "\ufffd")
    assert line(PLAIN, vip, WORDS) == f"{shown}: {WORDS}"
    assert line(TEXT, vip, WORDS).endswith(f"{shown}: {WORDS}")
    fields = json.loads(line(JSON, vip, WORDS))
    time = fields.pop("time")
    assert (len(time), time[-1]) == (len("2026-01-01T00:00:00.000Z"), "Z")
    expected = {"level": "warning", "id": shown, "reason": "guard", "message": WORDS}
    assert fields == expected
    words = dict(word.split("=", 1) for word in shlex.split(line(KEY_VALUE, vip, WORDS)))
    del words["time"]
    assert words == expected
