"""The assignment language: what it reads, what it refuses, and where it says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipd.config.problem import Place, Problem, is_error
from vipd.config.shell import MAX_VALUE, Variables, parse
from vipd.config.shell_words import MAX_PROBLEMS, MAX_STEPS, Parser

FILE = "vip-001.conf"


def read(text: str, **presets: str) -> tuple[dict[str, str], list[Problem]]:
    script = parse(text, FILE)
    variables = Variables.of(presets, Place(FILE))
    variables.run(script)
    values = {name: binding.value.text for name, binding in variables.bindings.items()}
    return values, [*script.problems, *variables.problems]


READ = [
    ("a plain word", "A=b", "b"),
    ("nothing", "A=", ""),
    ("double quotes", 'A="b c"', "b c"),
    ("single quotes keep everything", "A='pa$$w0rd \\ `x`'", "pa$$w0rd \\ `x`"),
    ("quotes join", "A=b\"c d\"'e f'g", "bc de fg"),
    ("export", "export A=b", "b"),
    ("export of a name that is set", "A=b\nexport A", "b"),
    ("several on a line", "Z=1 A=b C=d", "b"),
    ("semicolons", "Z=1; A=b; C=d;", "b"),
    ("the last one counts", "A=b\nA=c", "c"),
    ("a comment behind", "A=b # c", "b"),
    ("a # inside a word is no comment", "A=b#c", "b#c"),
    ("a comment line", "# A=x\n  # A=y\nA=b", "b"),
    ("blanks in front", "  \tA=b", "b"),
    ("a continuation line", 'A="b \\\nc"', "b c"),
    ("a continuation outside quotes", "A=b\\\nc", "bc"),
    ("a backslash", "A=b\\ c\\$d", "b c$d"),
    ("a backslash in double quotes", 'A="b\\"c\\$d\\\\e\\f"', 'b"c$d\\e\\f'),
    ("a newline in quotes", 'A="b\nc"', "b\nc"),
    ("C quotes", r"A=$'b\tc\x41\101\u00e9\'d'", "b\tcAAé'd"),
    ("translated quotes", 'A=$"b c"', "b c"),
    ("a name", "B=x\nA=$B", "x"),
    ("a name in braces", "B=x\nA=a${B}c", "axc"),
    ("a name in double quotes", 'B="x y"\nA="-$B-"', "-x y-"),
    ("its own old value", 'A="--preempt"\nA="$A --advskew=10"', "--preempt --advskew=10"),
    ("appending", "A=b\nA+=c", "bc"),
    ("one after the other on a line", "B=x A=$B", "x"),
    ("a lonely dollar", "A='x'$", "x$"),
    ("a dollar before a blank in quotes", 'A="$ $%"', "$ $%"),
    ("globs and braces as they are", "A=*{1,2}[x]?", "*{1,2}[x]?"),
    ("no newline at the end", "Z=1\nA=b", "b"),
    ("an invalid byte", "A=b\udcff", "b\udcff"),
    ("operators in quotes", "A='a|b>c&d;e(f)'", "a|b>c&d;e(f)"),
]


@pytest.mark.parametrize(("text", "value"), [r[1:] for r in READ], ids=[r[0] for r in READ])
def test_it_reads(text: str, value: str) -> None:
    values, problems = read(text)
    assert values["A"] == value
    assert problems == []


REFUSED = [
    # what, text, (line, column), part of message, part of hint
    ("$(…)", 'A=1\nB="x$(hostname)"', (2, 5), "command substitution", "single quotes"),
    ("backticks", "A=`hostname`", (1, 3), "command substitution", "result itself"),
    ("$((…))", "A=$((1+1))", (1, 3), "arithmetic", "result itself"),
    ("$[…]", "A=$[1+1]", (1, 3), "arithmetic", "result itself"),
    ("${A:-…}", "A=${B:-x}", (1, 3), "${NAME}", "write the value"),
    ("the process number", 'PASSWORD="pa$$w0rd"', (1, 13), "process number", "single quotes"),
    ("the process number in braces", 'A="${$}"', (1, 4), "process number", "single quotes"),
    ("an argument", 'A="pa$1"', (1, 6), "argument", "single quotes"),
    ("the status", "A=$?", (1, 3), "status", "single quotes"),
    ("the last process", "A=a$!", (1, 4), "process number", "single quotes"),
    ("the last word", "A=$_", (1, 3), "last word", "single quotes"),
    ("bash's own variables", "A=$RANDOM", (1, 3), "fills in by itself", "value itself"),
    ("if", "if true; then\nA=1\nfi", (1, 1), "“if”", "NAME=value"),
    ("[ … ] && …", "[ -n x ] && A=1", (1, 1), "“[”", "NAME=value"),
    ("for", "for x in 1; do A=1; done", (1, 1), "“for”", "NAME=value"),
    ("a function", "f() {\nA=1\n}", (1, 1), "command", "NAME"),
    ("a pipe", "A=1 | cat", (1, 5), "|", "NAME=value"),
    ("a redirection", "A=1 > /tmp/x", (1, 5), "redirects", "NAME=value"),
    ("&&", "A=1 && B=2", (1, 5), "&&", "NAME=value"),
    ("a background job", "A=1 &", (1, 5), "&", "NAME=value"),
    ("source", "source /etc/x", (1, 1), "reads another file", "vip-common.conf"),
    (".", ". /etc/x", (1, 1), "reads another file", "vip-common.conf"),
    ("a command", "ip addr add 192.0.2.1/32 dev eth0", (1, 1), "“ip” is a command", "NAME"),
    ("eval", "eval A=1", (1, 1), "“eval”", "NAME=value"),
    ("an array", "A=(1 2)", (1, 3), "array", "one value"),
    ("an array element", "A[0]=1", (1, 1), "command", "NAME"),
    ("blanks around =", 'ID = "001"', (1, 1), "blank before the =", "without blanks"),
    ("a blank after =", 'ID= "001"', (1, 5), "value of ID ends", 'ID="…"'),
    ("an unquoted blank", "A=b c", (1, 5), "value of A ends", 'A="…"'),
    ("a home directory", "A=~/x", (1, 3), "home directory", "whole path"),
    ("a here document", "cat <<X\nA=1\nX", (1, 1), "command", "NAME"),
    ("a word after export", "export -n A", (1, 8), "after export", "export NAME"),
    ("a lonely ;", "; A=1", (1, 1), ";", "remove"),
    ("an open double quote", 'A=1\nB="x\nC=2\n', (2, 3), "never ends", "half-written"),
    ("an open single quote", "A='x", (1, 3), "never ends", "half-written"),
    ("an open $(", "A=$(x", (1, 3), "never ends", "half-written"),
    ("an open ${", "A=${x", (1, 3), "never ends", "half-written"),
    ("an open backtick", "A=`x", (1, 3), "never ends", "half-written"),
    ("an open $'", "A=$'x", (1, 3), "never ends", "half-written"),
    ("a backslash at the end", "A=x\\", (1, 4), "ends after this backslash", "complete"),
    ("CR LF", "# x\nA=1\r\nB=2\r\n", (2, 4), "CR LF", "sed"),
    ("a byte order mark", "\ufeffA=1\n", (1, 1), "byte order mark", "save"),
    ("a zero byte", "A=1\nB=\0", (2, 3), "zero byte", "text file"),
    ("a zero byte in C quotes", r"A=$'\0'", (1, 5), "zero byte", "remove"),
]


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_it_refuses_and_says_where_and_what_instead(
    text: str, place: tuple[int, int], message: str, hint: str
) -> None:
    _, problems = read(text)
    assert [is_error(problem) for problem in problems] == [True]
    problem = problems[0]
    assert (problem.line, problem.column) == place
    assert message in problem.message
    assert hint in problem.hint


@pytest.mark.parametrize(
    "text",
    [
        'PASSWORD="pa$$w0rd"',
        "PASSWORD=first secret",
        "PASSWORD = secret",
        "PASSWORD= secret",
        'PASSWORD="secret',
        "PASSWORD=`secret`",
        "PASSWORD=${secret-x}",
        "PASSWORD=pa$secret",
    ],
)
def test_no_message_shows_a_password(text: str) -> None:
    _, problems = read(text)
    assert problems
    for problem in problems:
        shown = problem.message + problem.hint
        assert "w0rd" not in shown
        assert "secret" not in shown


def test_a_refused_assignment_is_skipped_and_the_others_count() -> None:
    values, problems = read('A=1\nB=$(x)\nC="a" D=`y` E=2\nF=3 | cat\nG=4\n')
    assert values == {"A": "1", "C": "a", "E": "2", "G": "4"}
    assert [problem.line for problem in problems] == [2, 3, 4]


@pytest.mark.parametrize(
    "block",
    ["if x; then\nB=2\nfi", "f() {\nB=2\n}", "[ x ] && {\nB=2\n}", "cat <<E\nB=2\nE", "{\nB=2\n}"],
)
def test_what_stands_inside_a_block_never_counts(block: str) -> None:
    values, _ = read(f"A=1\n{block}\n")
    assert values == {"A": "1"}


def test_an_unset_name_is_empty_with_a_warning_at_its_dollar() -> None:
    values, problems = read('A="x${NOPE}y"')
    assert values["A"] == "xy"
    assert [(p.line, p.column, is_error(p)) for p in problems] == [(1, 5, False)]


def test_export_expands_everything_before_it_assigns() -> None:
    values, _ = read("B=old\nexport B=new A=$B")
    assert values == {"B": "new", "A": "old"}


def test_each_character_knows_where_it_stands_also_through_a_variable() -> None:
    script = parse('A="--x\\\n --y"\nB="$A -z"\n', FILE)
    variables = Variables()
    variables.run(script)
    words = variables.bindings["B"].value.words()
    assert [(w.text, w.place.line, w.place.column) for w in words] == [
        ("--x", 1, 4),
        ("--y", 2, 2),
        ("-z", 3, 7),
    ]


def test_a_missing_quote_is_traced_to_the_line_that_swallowed_the_next() -> None:
    _, problems = read('A="x\nB="y"\nC=1\n')
    assert "line 1" in problems[-1].hint


def test_values_that_double_at_each_line_end_in_an_error_not_in_all_memory() -> None:
    values, problems = read("A=xxxxxxxxxx\n" + "A=$A$A\n" * 100)
    assert len(values["A"]) <= MAX_VALUE
    assert "longer than" in problems[0].message


def test_a_text_that_is_no_configuration_ends_after_some_errors() -> None:
    _, problems = read("this is prose\n" * 10_000)
    assert len(problems) == MAX_PROBLEMS + 1
    assert "too many errors" in problems[-1].message


@pytest.mark.parametrize("piece", ["A=b\n", "A=b ", "A=\\\n", 'A="$', "A=$B", "# x\n"])
def test_a_megabyte_of_anything_is_read_or_refused_in_bounded_steps(piece: str) -> None:
    _, problems = read(piece * (1_000_000 // len(piece)))
    assert any("too long for a configuration" in problem.message for problem in problems)


def test_plain_assignments_count_as_the_steps_they_save() -> None:
    parser = Parser("A=1\n" * 250_000, "vip-001.conf")
    assert MAX_STEPS / 20 < sum(1 for _ in parser.commands()) < MAX_STEPS / 5


PIECES = st.sampled_from(
    [*"ABab01_ \t\n;&|<>(){}[]'\"\\$`~=+#:!?*\r\0\ufeff\udcff", "${", "$(", "$'", "if ", "export "]
)


@given(st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=60))
def test_no_text_makes_it_raise(text: str) -> None:
    _, problems = read(text)
    lines = text.split("\n")
    for problem in problems:
        assert 1 <= problem.line <= len(lines)
        assert problem.column >= 1
        assert (problem.message + problem.hint).isprintable()
