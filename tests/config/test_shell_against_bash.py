"""bash is the oracle: for files of the supported subset, its values are our values."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.bash import Bash
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vipd.config.files import UnreadableError, read_configuration
from vipd.config.problem import is_error
from vipd.config.shell import Script, Variables, parse

NAMES = ("A", "B", "_c1")

PLAIN = st.text(st.sampled_from("ab1-=.,:/%@^*?[]{}+#é\udcff!"), min_size=1, max_size=5)
ANY = st.text(st.sampled_from("ab 1\t;&|<>(){}#~*?!é\udcff\n"), max_size=6)
NAME = st.sampled_from([*NAMES, "NOT_SET"])
USE = NAME.map("${}".format) | NAME.map("${{{}}}".format)
IN_DOUBLE = st.lists(
    ANY
    | USE.map("{} ".format)
    | st.sampled_from(["\\$", "\\`", '\\"', "\\\\", "\\\n", "\\x", "'", "$ "]),
    max_size=5,
).map(lambda parts: '"' + "".join(parts) + '"')
SINGLE = st.text(st.sampled_from('ab $`"\\\n#;é\udcff'), max_size=6).map("'{}'".format)
ESCAPES = st.sampled_from(
    ["a", " ", '"', "$", "\\n", "\\t", "\\\\", "\\'", '\\"', "\\x41", "\\xe9", "\\101", "\\3771",
     "\\u00e9", "\\U1f600", "\\q", "\\e", "\\?", "\n"]
)  # fmt: skip
C_QUOTED = st.lists(ESCAPES, max_size=5).map(lambda parts: "$'" + "".join(parts) + "'")
ESCAPED = st.sampled_from(["\\ ", "\\$", "\\'", '\\"', "\\\\", "\\a", "\\;", "\\#", "\\\n"])
OPERATOR = st.sampled_from([":-", "-", ":=", "=", ":+", "+", ":?", "?"])


def otherwise(word: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """`${NAME:-word}` and its relatives."""
    parts = st.lists(word, max_size=3).map("".join)
    return st.tuples(NAME, OPERATOR, parts).map("${{{0[0]}{0[1]}{0[2]}}}".format)


UNQUOTED = otherwise(
    st.recursive(
        PLAIN | ANY | USE | IN_DOUBLE | SINGLE | C_QUOTED | ESCAPED, otherwise, max_leaves=3
    )
)
QUOTED = otherwise(
    st.recursive(
        PLAIN | ANY | USE | st.sampled_from(["\\}", "\\$", "\\x", "\\\n", "\\\\"]),
        otherwise,
        max_leaves=3,
    )
).map('"{}"'.format)
PART = PLAIN | USE | IN_DOUBLE | SINGLE | C_QUOTED | ESCAPED | UNQUOTED | QUOTED | st.just('$"x y"')
VALUE = st.lists(PART, max_size=4).map("".join)
ASSIGNMENT = st.tuples(st.sampled_from(NAMES), st.sampled_from(["=", "=", "=", "+="]), VALUE).map(
    "".join
)
ARGUMENT = PART | st.sampled_from(
    ["$$", "$1", "$_", "~/x", "{a,b}", "A=b", ">/dev/null", "2>&1", "#"]
)
#: What follows the end of a comment is a command of any name, and bash forks before it looks for
#: its program, which the oracle may not: it would wait 15 s and end.
BEYOND_COMMENT = re.compile(r"\s#.*\n", re.DOTALL)
SKIPPED = (
    st.tuples(
        st.lists(ASSIGNMENT, max_size=1).map("".join),
        st.sampled_from([":", "true", "echo", "some_command", "'echo'", "ec\\ho", "[ x ] #"]),
        st.lists(ARGUMENT, max_size=4).map(" ".join),
    )
    .map(" ".join)
    .filter(lambda text: not BEYOND_COMMENT.search(text))
)
LINE = st.one_of(
    st.lists(ASSIGNMENT, min_size=1, max_size=3).map("  ".join),
    st.lists(ASSIGNMENT, min_size=1, max_size=3).map("; ".join),
    st.lists(ASSIGNMENT, min_size=1, max_size=2).map(" ".join).map("export {}".format),
    st.just("export A"),
    st.lists(ASSIGNMENT, min_size=1, max_size=2).map(" ".join).map("declare -x {}".format),
    st.sampled_from(["unset A", "unset -v A B", "declare NEW", "typeset -g B=1 NEW"]),
    SKIPPED,
    SKIPPED.map("A=1; {}; B=2".format),
    ASSIGNMENT.map("{} # a comment".format),
    ANY.map(lambda text: "# " + text.replace("\n", " ")),
    st.just(""),
)
TEXT = st.lists(LINE, min_size=1, max_size=6).map("\n".join)


@pytest.fixture(scope="module")
def bash() -> Iterator[Bash]:
    with Bash() as oracle:
        yield oracle


@settings(max_examples=1000, deadline=None)
@given(text=TEXT)
def test_our_values_are_those_of_bash(text: str, bash: Bash) -> None:
    script = parse(text, "file")
    variables = Variables()
    variables.run(script)
    # Refused (for instance an unquoted { after export): nothing to compare. Most is not, or
    # hypothesis complains: refusing everything would prove nothing.
    assume(not script.broken and not any(map(is_error, variables.problems)))
    values = {name: binding.value.text for name, binding in variables.bindings.items()}
    names = (*NAMES, "NOT_SET", "NEW")
    ours = {name: values.get(name, "<unset>").encode("utf-8", "surrogateescape") for name in names}
    assert ours == bash.ask(text, names)


# ---- what the oracle above may not do: start programs, read files, fix values --------------------

#: Where the old service sourced the files: in a function of its init script, and in a script.
PLACES = ("in_a_function() { . ./file; show; }; in_a_function", ". ./file; show")
SHOW = "show() { for each in A B C; do printf '%s\\0' \"${!each-<unset>}\"; done; }; "
TEXTS = [
    ("a byte order mark", "\ufeffA=1\nB=2\n"),
    ("a byte order mark before quotes", "\ufeffA='1\n2' C=3\nB=2\n"),
    ("a byte order mark before a comment with a quote", "\ufeff# don't\nB=2\n# x'\nC=3"),
    ("a byte order mark before export", "\ufeffexport A=1; B=2"),
    ("a byte order mark, a blank", "\ufeff A=1\nB=2"),
    ("a byte order mark alone", "\ufeff\nB=2"),
    ("a program", "ip addr add 192.0.2.1/32 dev nowhere >/dev/null 2>&1\nA=1"),
    ("no program", "A=1\nno-such-program $A ~/x {a,b} * $$ '#' # it's one\nB=2"),
    ("a minus in a name", "A-B=1\nB=2"),
    ("blanks around =", 'A = "001"\nB=2'),
    ("a blank after =", 'A=1\nA= "001"\nB=2'),
    ("an unquoted blank", "A=old\nA=--preempt --shutdown\nB=2"),
    ("an unquoted blank, twice", "A=1 B=2 no-such-program C=3\n"),
    ("a redirection that fails", "echo x >/nowhere/x\nA=1"),
    ("a prefix before :", "A=1 :\nB=2"),
    ("readonly", "readonly A=1 B\nC=2\n"),
    ("readonly twice", "readonly A=1\nreadonly A=2 B=3\nexport A=4 C=5\nunset A\n"),
    ("declare -r", "declare -r A=1\ntypeset -x B=$A\ndeclare -g C=3\n"),
    ("declare expands first", "A=1\ndeclare A=2 B=$A\n"),
    ("unset", "A=1 B=2\nunset -v A\nunset -f B\n"),
    (": with :=", ": ${A:=1} ${B=$A} ${A:=2}\n: ${C+${B:=9}}"),
    ("a file", ". /tmp-file\nB=${A}2\nsource '/tmp-file'\n"),
    ("a file named by a variable", "C=/tmp-file\n. $C\n"),
    ("a file that is not there", "A=1\n. /nowhere/at/all\nB=2"),
    ("printf", "printf '%s' -v >/dev/null\nA=1\n"),
    ("many on a line", "A=1; true; B=2; no-such-program; C=3"),
]


@pytest.mark.parametrize("text", [each[1] for each in TEXTS], ids=[each[0] for each in TEXTS])
@pytest.mark.parametrize("where", PLACES, ids=["in a function", "in a script"])
def test_what_runs_as_it_ran_has_the_values_of_bash(tmp_path: Path, where: str, text: str) -> None:
    other = tmp_path / "other"
    other.write_text("A=$A+from-file\n: skipped\n")
    text = text.replace("/tmp-file", str(other))
    (tmp_path / "file").write_text(text)
    done = subprocess.run(
        ["bash", "--norc", "-c", SHOW + where],
        capture_output=True, cwd=tmp_path, env={"PATH": "/usr/sbin:/usr/bin"}, check=True,
        timeout=30,
    )  # fmt: skip

    def reader(path: str) -> Script | None:
        try:
            return parse(read_configuration(Path(path)).decode(), path)
        except UnreadableError:
            return None

    script = parse(text, "file")
    variables = Variables(reader=reader)
    variables.run(script)
    problems = (*script.problems, *variables.problems)
    assert not any(map(is_error, problems)), problems
    values = {name: binding.value.text for name, binding in variables.bindings.items()}
    theirs = done.stdout.decode().split("\0")[-4:-1]
    assert [values.get(name, "<unset>") for name in "ABC"] == theirs
