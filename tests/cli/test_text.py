"""Tables, colours and times."""

import io

import pytest

from vipd.cli.text import Cell, Colour, coloured, milliseconds, safe, span, table


@pytest.mark.parametrize(
    ("seconds", "long", "short"),
    [
        (-1, "0.0 s", "0.0s"), (0.04, "0.0 s", "0.0s"), (0.94, "0.9 s", "0.9s"),
        (0.96, "1 s", "1s"), (59.4, "59 s", "59s"), (60, "1 min", "1m"),
        (185, "3 min 5 s", "3m5s"), (3600, "1 h", "1h"), (7980, "2 h 13 min", "2h13m"),
        (8 * 86400 + 4 * 3600 + 1, "8 d 4 h", "8d4h"), (86399.7, "1 d", "1d"),
    ],
)  # fmt: skip
def test_a_time_span_has_two_units_at_most(seconds: float, long: str, short: str) -> None:
    assert (span(seconds), span(seconds, short=True)) == (long, short)


def test_a_measured_time_keeps_the_digits_that_mean_something() -> None:
    assert [milliseconds(t) for t in (0.00042, 0.0123, 1.5)] == ["0.4 ms", "12 ms", "1.50 s"]


@pytest.mark.parametrize(
    "text",
    ["\x1b[2J", "\x1b]0;owned\x07", "a\nb", "a\rb", "\x9b31m", "\u202e1", "\u2066", "\udc80"],
)
def test_text_from_outside_cannot_command_a_terminal(text: str) -> None:
    assert safe(text).isprintable()
    safe(text).encode()  # and can be written


def test_text_from_outside_has_an_end() -> None:
    assert len(safe("x" * 1_000_000)) <= 2000


def test_columns_are_as_wide_as_their_widest_cell_whatever_their_colour() -> None:
    rows = [("001", Cell("MASTER", Colour.GOOD), "x"), ("2", Cell("INIT", Colour.BAD), "y")]
    plain = table(("ID", "STATE", ""), rows, colours=False)
    assert plain == ["ID   STATE", "001  MASTER  x", "2    INIT    y"]
    assert table(("ID", "STATE", ""), rows, colours=True)[1:] == [
        "001  \x1b[1;32mMASTER\x1b[0m  x",
        "2    \x1b[1;31mINIT\x1b[0m    y",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, False),
     ({"NO_COLOR": ""}, True)],
)  # fmt: skip
def test_colours_are_for_terminals_that_want_them(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], wanted: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert coloured(Terminal()) is wanted
    assert not coloured(io.StringIO())
