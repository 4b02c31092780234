"""OPTIONS: what glibc's getopt_long reads, and where; and no word of a password in a message."""

from helpers.getopt import glibc_reads

from vipd.config.options import parse
from vipd.config.problem import FileLocation, is_error
from vipd.config.shell import Value

SECRET = "L0ve&Peace"


def check(data: bytes) -> None:
    text = data.replace(b"\0", b"").decode("utf-8", "surrogateescape")
    for words in (text, f"{text} -p {SECRET}", f"{text} --pass={SECRET}"):
        as_glibc(words)


def as_glibc(text: str) -> None:
    columns = range(1, len(text) + 1)
    value = Value(
        text, tuple(FileLocation("f", 1, column) for column in columns), FileLocation("f")
    )
    line = parse(value)
    for problem in line.problems:
        assert 1 <= problem.column <= max(1, len(text))
        assert SECRET not in problem.message + problem.hint
        assert (problem.message + problem.hint).isprintable()
    for given in line.given:
        if given.value is not None:
            begin = given.value.place.column - 1
            assert text[begin:].startswith(given.value.text) or not given.value.text
    ours = [(g.option.letter, None if g.value is None else g.value.text) for g in line.given]
    theirs = glibc_reads([word.text for word in value.words()])
    if any(map(is_error, line.problems)):
        assert theirs is None
    else:
        assert ours == theirs
