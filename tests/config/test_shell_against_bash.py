"""bash is the oracle: for files of the supported subset, its values are our values."""

from collections.abc import Iterator

import pytest
from helpers.bash import Bash
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vipd.config.problem import is_error
from vipd.config.shell import Variables, parse

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
PART = PLAIN | USE | IN_DOUBLE | SINGLE | C_QUOTED | ESCAPED | st.just('$"x y"')
VALUE = st.lists(PART, max_size=4).map("".join)
ASSIGNMENT = st.tuples(st.sampled_from(NAMES), st.sampled_from(["=", "=", "=", "+="]), VALUE).map(
    "".join
)
LINE = st.one_of(
    st.lists(ASSIGNMENT, min_size=1, max_size=3).map("  ".join),
    st.lists(ASSIGNMENT, min_size=1, max_size=3).map("; ".join),
    st.lists(ASSIGNMENT, min_size=1, max_size=2).map(" ".join).map("export {}".format),
    st.just("export A"),
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
    ours = {name: values.get(name, "<unset>").encode("utf-8", "surrogateescape") for name in NAMES}
    assert ours == bash.ask(text, NAMES)
