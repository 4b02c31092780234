"""OPTIONS: glibc's getopt_long and the real ucarp are the oracles."""

import subprocess

import pytest
from helpers.getopt import glibc_reads
from hypothesis import given, settings
from hypothesis import strategies as st

from vipd.config.options import OPTIONS, CommandLine, parse
from vipd.config.problem import FileLocation, is_error
from vipd.config.shell import Value


def value_of(text: str) -> Value:
    place = FileLocation("f")
    return Value(
        text, tuple(FileLocation("f", 1, column) for column in range(1, len(text) + 1)), place
    )


def read(text: str) -> CommandLine:
    return parse(value_of(text))


def pairs(line: CommandLine) -> list[tuple[str, str | None]]:
    return [(g.option.letter, None if g.value is None else g.value.text) for g in line.given]


SPELLINGS = [
    ("long with =", "--advskew=10", [("k", "10")]),
    ("long with a blank", "--advskew 10", [("k", "10")]),
    ("an unambiguous beginning", "--preem", [("P", None)]),
    ("the shortest beginning", "--pr", [("P", None)]),
    ("a beginning with a value", "--advs=3", [("k", "3")]),
    ("exact although longer names begin so", "--pass=x", [("p", "x")]),
    ("--mcast and the name behind it", "--mcast=239.192.0.5 --mcastip 224.0.0.9",
     [("m", "239.192.0.5"), ("m", "224.0.0.9")]),
    ("a cluster", "-zPk10", [("z", None), ("P", None), ("k", "10")]),
    ("a short one with its value", "-b2", [("b", "2")]),
    ("a short one and a blank", "-b 2", [("b", "2")]),
    ("a value that looks like an option", "-x --preempt", [("x", "--preempt")]),
    ("a short value that begins with =", "-b=2", [("b", "=2")]),
    ("an empty value", "--xparam=", [("x", "")]),
    ("options of the service", "-D -B -f local0", [("D", None), ("B", None), ("f", "local0")]),
    ("many blanks", "  --preempt \t\n --neutral ", [("P", None), ("n", None)]),
    ("literal quotes", "--xparam='a'", [("x", "'a'")]),
    ("nothing", "", []),
    ("the end", "--", []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "given"), [s[1:] for s in SPELLINGS], ids=[s[0] for s in SPELLINGS]
)
def test_it_reads_every_spelling(text: str, given: list[tuple[str, str | None]]) -> None:
    line = read(text)
    assert pairs(line) == given
    assert line.problems == ()


REFUSED = [
    ("an unknown long option", "-P --advskw=1", 4, "--advskw is not", "--advskew"),
    ("an unknown letter", "-zq", 3, "-q is not", "--help"),
    ("an ambiguous beginning", "--adv=1", 1, "several", "--advbase, --advskew"),
    ("a missing value", "-P --advskew", 4, "needs a value", "--advskew=value"),
    ("a missing short value", "-Pk", 3, "needs a value", "--advskew=value"),
    ("a value where none is taken", "--preempt=yes", 1, "takes no value", "--preempt alone"),
    ("help", "--help", 1, "asks for help", "remove"),
    ("help in short", "-h", 2, "asks for help", "remove"),
    ("an empty name", "--=x", 1, "several", "in full"),
]


@pytest.mark.parametrize(
    ("text", "column", "message", "hint"),
    [r[1:] for r in REFUSED],
    ids=[r[0] for r in REFUSED],
)
def test_it_refuses_what_makes_ucarp_print_its_usage(
    text: str, column: int, message: str, hint: str
) -> None:
    (problem,) = read(text).problems
    assert is_error(problem)
    assert problem.column == column
    assert message in problem.message
    assert hint in problem.hint


@pytest.mark.parametrize(("text", "column"), [("secret -P", 1), ("-P 'two words'", 4), ("-- x", 4)])
def test_words_that_are_no_options_are_ignored_with_a_warning(text: str, column: int) -> None:
    problems = read(text).problems
    assert not any(map(is_error, problems))
    assert problems[0].column == column
    assert "secret" not in problems[0].message


def test_one_dash_too_few_is_warned_of_where_it_makes_another_password() -> None:
    line = read("-preempt")
    assert pairs(line) == [("p", "reempt")]
    assert [is_error(problem) for problem in line.problems] == [False]
    assert "--preempt" in line.problems[0].hint


def test_the_letter_m_works_and_is_warned_of() -> None:
    line = read("-m 239.192.0.5")
    assert pairs(line) == [("m", "239.192.0.5")]
    assert [is_error(problem) for problem in line.problems] == [False]


# ---- the oracles ---------------------------------------------------------------------------------


NAMES = st.sampled_from([option.name for option in OPTIONS])
WORD = st.one_of(
    NAMES.map("--{}".format),
    st.tuples(NAMES, st.integers(0, 13)).map(lambda pair: "--" + pair[0][: pair[1]]),
    st.tuples(NAMES, st.integers(1, 13)).map(lambda pair: f"--{pair[0][: pair[1]]}=10"),
    st.text(st.sampled_from("zPnSMDBbkrxvh1=-"), min_size=1, max_size=5).map("-{}".format),
    st.sampled_from(["-", "--", "10", "word", "é", "\udcff", "-ü"]),
)


@settings(max_examples=400)
@given(st.lists(WORD, max_size=6))
def test_it_reads_what_glibc_reads(words: list[str]) -> None:
    line = read(" ".join(words))
    theirs = glibc_reads(words)
    if any(map(is_error, line.problems)):
        assert theirs is None
    else:
        assert pairs(line) == theirs


@given(st.text(max_size=80))
def test_no_text_makes_it_raise(text: str) -> None:
    line = read(text)
    assert all(1 <= problem.column <= max(1, len(text)) for problem in line.problems)


@pytest.mark.parametrize(
    "text", [s[1] for s in SPELLINGS] + [r[1] for r in REFUSED] + ["word -P", "-m 224.0.0.5"]
)
def test_the_real_ucarp_agrees_about_what_it_refuses(text: str) -> None:
    """ucarp prints its usage, or goes on and complains about something else in its log."""
    done = subprocess.run(
        ["ucarp", "-i", "absent0", "-s", "192.0.2.1", "-v", "1", "-p", "x", "-a", "192.0.2.2",
         *[word for word in text.split() if word not in ("-B", "-f", "local0")]],
        capture_output=True, text=True, timeout=10, check=False,
    )  # fmt: skip
    output = done.stdout + done.stderr
    refused = "Sample usage" in output
    assert refused or "[ERROR]" in output
    known_here_only = text.startswith("-m")
    assert refused == (known_here_only or any(map(is_error, read(text).problems)))
