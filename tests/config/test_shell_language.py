"""The assignment language: what it reads, what it refuses, and where it says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vipd.config.problem import FileLocation, Problem, is_error
from vipd.config.shell import MAX_DEPTH, MAX_SOURCED, MAX_VALUE, Script, Variables, parse
from vipd.config.shell_commands import Parser
from vipd.config.shell_words import MAX_NESTING, MAX_PROBLEMS, MAX_STEPS

FILE = "vip-001.conf"


def read(text: str, **presets: str) -> tuple[dict[str, str], list[Problem]]:
    script = parse(text, FILE)
    variables = Variables.of(presets, FileLocation(FILE))
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
    ("eval", "eval A=1", (1, 1), "“eval”", "NAME=value"),
    ("an array", "A=(1 2)", (1, 3), "array", "one value"),
    ("an array element", "A[0]=1", (1, 1), "command", "NAME"),
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
    ("a file in PATH", "A=1\n. common", (2, 3), "looked for in PATH", "whole path"),
    ("a file in some directory", "source ./x", (1, 8), "current directory", "whole path"),
    ("several files", ". /x y", (1, 1), "one file only", "vip-common.conf"),
    ("no file", ".", (1, 1), "one file only", "vip-common.conf"),
    ("a substitution for a file", ". $(x)", (1, 3), "command substitution", "result itself"),
    ("a substitution for a word", "echo `x`", (1, 6), "command substitution", "result itself"),
    ("part of a value", "A=${B%x}", (1, 3), "only ${NAME}", "write the value"),
    ("the length of a value", "A=${#B}", (1, 3), "only ${NAME}", "write the value"),
    ("an end without a value", "A=${B:?none}", (1, 3), "the shell stops here", "set B before"),
    ("quotes in quotes", "A=\"${B:-'x'}\"", (1, 9), "quotes inside", "value itself"),
    ("a home directory in ${…}", "A=${B:-~}", (1, 8), "home directory", "whole path"),
    ("a program in ${…}", "A=${B:->(x)}", (1, 8), "command substitution", "result itself"),
    ("half a program in ${…}", 'A="${B:-<(}"', (1, 9), "command substitution", "result itself"),
    ("printf into a variable", "printf -v A x", (1, 1), "“printf” is a command", "NAME=value"),
    ("a descriptor in a variable", "x {A}>/dev/null", (1, 1), "a command", "NAME"),
    ("read", "read A", (1, 1), "“read” is a command", "NAME=value"),
    ("local", "local A=1", (1, 1), "“local” is a command", "NAME=value"),
    ("set", "set -e", (1, 1), "“set” is a command", "NAME=value"),
    ("a builtin in quotes", "'unset' A", (1, 1), "a command", "NAME"),
    ("a command in a variable", "B=unset\n$B A", (2, 1), "a command", "NAME"),
    ("a command that a glob names", "[e]val A=1", (1, 1), "a command", "NAME"),
    ("unset before a command", "A=1 unset A", (1, 5), "“unset” is a command", "NAME=value"),
    ("a pipe of commands", "echo a | read A", (1, 1), "“echo” is a command", "NAME=value"),
    ("a command in the background", "echo a &", (1, 1), "“echo” is a command", "NAME=value"),
    ("an integer", "declare -i A=1", (1, 9), "after declare only", "NAME="),
    ("an array that is declared", "declare -a A", (1, 9), "after declare only", "NAME="),
    ("an element that is unset", "unset A[0]", (1, 7), "after unset only", "unset NAME"),
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


SKIPPED = [
    # what, text, (line, column), part of message, part of hint: B is 1 afterwards, and A is not set
    ("a command", "ip addr add 192.0.2.1 dev eth0\nB=1", (1, 1), "“ip” is a command", "UPSCRIPT"),
    ("true", "B=1; true", (1, 6), "“true” is a command", "UPSCRIPT"),
    ("an unknown command", "B=1\nsome thing", (2, 1), "it is skipped", "# in front"),
    ("redirections", "echo x >/x 2>&1 </y &>>z >|a\nB=1", (1, 1), "“echo”", "UPSCRIPT"),
    ("blanks around =", 'A = "001"\nB=1', (1, 1), "blank before the =", "without blanks"),
    ("a blank after =", 'A= "001"\nB=1', (1, 4), "value of A ends", 'A="…"'),
    ("an unquoted blank", "A=b c\nB=1", (1, 5), "A is what it was", 'A="…"'),
    ("a byte order mark", "\ufeffA=1\nB=1", (1, 1), "byte order mark", "save"),
    ("a minus in a name", "A-A=1\nB=1", (1, 1), "it is skipped", "NAME"),
]


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"), [s[1:] for s in SKIPPED], ids=[s[0] for s in SKIPPED]
)
def test_a_command_that_set_nothing_is_skipped_and_told(
    text: str, place: tuple[int, int], message: str, hint: str
) -> None:
    values, (problem,) = read(text)
    assert values == {"B": "1"}
    assert not is_error(problem)
    assert (problem.line, problem.column) == place
    assert message in problem.message
    assert hint in problem.hint


FOLLOWED = [
    # what, text, value of A, (line, column), part of message
    ("declare", "declare A=1", "1", (1, 1), "“declare” is a command"),
    ("typeset -x", "typeset -x A=1", "1", (1, 1), "“typeset” is a command"),
    ("readonly", "B=1\nreadonly A=$B", "1", (2, 1), "“readonly” is a command"),
    ("unset", "A=1 B=2; unset B", "1", (1, 10), "“unset” is a command"),
    ("a default", "A=${B:-x y}", "x y", (1, 3), "B has no value before this line, so what stands"),
    ("no default", "B=1 A=${B:-x}", "1", (1, 7), "B has a value before this line, so that"),
    ("a default in quotes", 'A="-${B-x}-"', "-x-", (1, 5), "${B-…}"),
    ("an empty value", "B=; A=${B-x}", "", (1, 7), "so that value is taken"),
    ("an alternative", "B=1 A=${B:+x}", "x", (1, 7), "so what stands in the braces is taken"),
    ("no alternative", "A=x${B:+y}", "x", (1, 4), "so it stands for nothing"),
]


@pytest.mark.parametrize(
    ("text", "value", "place", "message"), [f[1:] for f in FOLLOWED], ids=[f[0] for f in FOLLOWED]
)
def test_what_reading_can_follow_is_followed_and_told(
    text: str, value: str, place: tuple[int, int], message: str
) -> None:
    values, (problem,) = read(text)
    assert values["A"] == value
    assert not is_error(problem)
    assert (problem.line, problem.column) == place
    assert message in problem.message
    assert problem.hint


def test_what_is_read_only_stays() -> None:
    values, problems = read("readonly A=1\nreadonly A=2\nexport A=3 B=4\nunset A")
    assert values == {"A": "1", "B": "4"}
    assert not any(map(is_error, problems))
    _, problems = read("readonly A=1\nA=2")  # the shell drops the rest of the line
    assert [(p.line, is_error(p)) for p in problems] == [(1, False), (2, True)]
    assert "read-only since line 1" in problems[1].message


def test_a_variable_that_is_declared_without_a_value_is_refused_where_it_has_one() -> None:
    assert not any(map(is_error, read("declare A\nB=1")[1]))
    values, problems = read("A=1\ndeclare A")
    assert [is_error(problem) for problem in problems] == [False, True]
    assert values == {"A": "1"}


def sourced(files: dict[str, str]) -> tuple[dict[str, str], list[Problem], list[str]]:
    """What comes of /first, which may read the others."""

    def reader(path: str) -> Script | None:
        return parse(files[path], path) if path in files else None

    variables = Variables(reader=reader)
    variables.run(parse(". /first", FILE))
    values = {name: binding.value.text for name, binding in variables.bindings.items()}
    return values, variables.problems, variables.sourced


def test_a_file_that_a_file_reads_is_more_assignments() -> None:
    values, problems, files = sourced(
        {"/first": "A=1\n. /second\nC=$B", "/second": 'B="$A 2"\nsource /absent\n'}
    )
    assert values == {"A": "1", "B": "1 2", "C": "1 2"}
    (problem,) = problems
    assert (problem.file, problem.line, problem.column) == ("/second", 2, 8)
    assert not is_error(problem)
    assert "there is no /absent" in problem.message
    assert files == ["/first", "/second", "/absent"]


def test_a_file_with_errors_is_told_where_they_are_and_where_it_is_read() -> None:
    values, problems, _ = sourced({"/first": "A=1\nB=$(x)\n"})
    assert values == {}
    assert [(p.file, p.line, is_error(p)) for p in problems] == [
        ("/first", 2, True),
        (FILE, 1, True),
    ]


def test_files_that_read_one_another_end() -> None:
    _, problems, _ = sourced({"/first": ". /second", "/second": ". /first"})
    assert "is being read already" in problems[0].message
    deep = {f"/{n}": f". /{n + 1}" for n in range(100)} | {"/first": ". /0"}
    _, problems, files = sourced(deep)
    assert len(files) == MAX_DEPTH
    assert "more than" in problems[0].message
    wide = {"/first": ". /second; . /second\n" * 100, "/second": "A+=x"}
    values, problems, files = sourced(wide)
    assert len(files) == MAX_SOURCED
    assert len(values["A"]) == MAX_SOURCED - 1
    assert any(map(is_error, problems))


def test_defaults_in_defaults_end() -> None:
    _, problems = read("A=" + "${B:-" * (MAX_NESTING + 1) + "x" + "}" * (MAX_NESTING + 1))
    assert "stand in each other" in problems[0].message
    _, problems = read("A=" + "${B:-" * 100_000)
    assert is_error(problems[0])


@pytest.mark.parametrize(
    "text",
    [
        'PASSWORD="pa$$w0rd"',
        "PASSWORD=first secret",
        "PASSWORD = secret",
        "PASSWORD= secret",
        'PASSWORD="secret',
        "PASSWORD=`secret`",
        "PASSWORD=${B-secret}",
        "PASSWORD=\n : ${PASSWORD:=secret} secret",
        "\ufeffPASSWORD=secret",
        "declare -i PASSWORD=secret",
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
    assert "too many problems" in problems[-1].message
    assert is_error(problems[-1])


@pytest.mark.parametrize("piece", ["A=b\n", "A=b ", "A=\\\n", 'A="$', "A=$B", "# x\n"])
def test_a_megabyte_of_anything_is_read_or_refused_in_bounded_steps(piece: str) -> None:
    _, problems = read(piece * (1_000_000 // len(piece)))
    assert any("too long for a configuration" in problem.message for problem in problems)


def test_plain_assignments_count_as_the_steps_they_save() -> None:
    parser = Parser("A=1\n" * 250_000, "vip-001.conf")
    assert MAX_STEPS / 20 < sum(1 for _ in parser.steps()) < MAX_STEPS / 5


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
