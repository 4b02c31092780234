"""bash is the oracle: for files of the supported subset, its values are our values."""

import os
import subprocess
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
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


def bash_values(texts: list[str]) -> list[dict[str, bytes]]:
    """What bash has in NAMES after sourcing each text, each in a subshell of one process."""
    with tempfile.TemporaryDirectory() as directory:
        for index, text in enumerate(texts):
            Path(directory, str(index)).write_bytes(text.encode("utf-8", "surrogateescape"))
        shown = "".join(f'printf "%s\\0" "${{{name}-<unset>}}";' for name in NAMES)
        loop = f"for ((i=0; i<{len(texts)}; i++)); do ( . ./$i; {shown} ) 2>/dev/null; done"
        done = subprocess.run(
            ["bash", "--norc", "-c", loop],
            cwd=directory,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            capture_output=True,
            timeout=60,
            check=True,
        )
    values = done.stdout.split(b"\0")[:-1]
    assert len(values) == len(texts) * len(NAMES)
    rows = (values[at : at + len(NAMES)] for at in range(0, len(values), len(NAMES)))
    return [dict(zip(NAMES, row, strict=True)) for row in rows]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(TEXT, min_size=40, max_size=40))
def test_our_values_are_those_of_bash(texts: list[str]) -> None:
    read = []
    for text in texts:
        script = parse(text, "file")
        variables = Variables()
        variables.run(script)
        if script.broken or any(map(is_error, variables.problems)):
            continue  # refused (for instance an unquoted { after export): nothing to compare
        values = {name: binding.value.text for name, binding in variables.bindings.items()}
        read.append((text, values))
    # Most of what is generated has to be read: refusing everything would prove nothing.
    assert len(read) >= len(texts) // 4
    for (text, ours), theirs in zip(read, bash_values([text for text, _ in read]), strict=True):
        encoded = {
            name: ours.get(name, "<unset>").encode("utf-8", "surrogateescape") for name in NAMES
        }
        assert encoded == theirs, text
