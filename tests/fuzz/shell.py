"""The language of the files: bash's values, every character at its place, in little time."""

import re
from collections.abc import Iterable
from functools import cache
from time import process_time
from zlib import crc32

from helpers.bash import Bash

from vipd.config.problem import FileLocation, Problem, is_error
from vipd.config.shell import MAX_VALUE, Script, Value, Variables, parse
from vipd.config.shell_steps import (
    Assignment,
    Command,
    Declare,
    Literal,
    Otherwise,
    Part,
    ReadOnly,
    Skipped,
    Source,
    Unset,
)
from vipd.config.shell_words import BASH_SETS, MAX_PROBLEMS

FILE = "vip-001.conf"
#: Names that mean nothing to bash itself: short ones, and those of our own files.
HARMLESS = re.compile(
    r"[A-Za-z][0-9a-z]{0,2}|ID|VHID|VIP_ADDRESS|OPTIONS|PASSWORD|PASSFILE|[A-Z]+_(ADDRESS|INTERFACE)"
)
#: Bytes with which bash marks others inside its words; it loses count of them (in $'\\^A', say).
MARKS = "\x01\x7f"
#: One in so many inputs is read a thousand times over, in this many seconds of CPU at most.
TRIED_LONG, LONG = 64, 20.0


def check(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    script = parse(text, FILE)
    variables = Variables()
    variables.run(script)
    problems = (*script.problems, *variables.problems)
    values = [binding.value for binding in variables.bindings.values()]

    assert len(script.problems) <= MAX_PROBLEMS + 1
    file = _File(text)
    for place in _places(script, problems, values):
        file.has(place)
    for value in values:
        assert len(value.text) == len(value.places) <= MAX_VALUE
        for character, place in zip(value.text, value.places, strict=True):
            assert file.at(place) in (character, "\\")
        words = value.words()
        assert [word.text for word in words] == re.findall(r"[^ \t\n]+", value.text)
    if not any(map(is_error, problems)) and not any(map(_changes_bash, problems)):
        as_bash(text, script, variables)
    if crc32(data) % TRIED_LONG == 0:
        not_slow(text)


class _File:
    """The text as an editor shows it: lines without CR, and no byte order mark."""

    def __init__(self, text: str) -> None:
        self._lines = re.sub(r"\r(?=\n|\Z)", "", text.removeprefix("\ufeff")).split("\n")

    def has(self, place: FileLocation) -> None:
        file, line, column = place
        assert file == FILE
        assert 1 <= line <= len(self._lines)
        assert 1 <= column <= len(self._lines[line - 1]) + 1

    def at(self, place: FileLocation) -> str:
        return (self._lines[place.line - 1] + "\n")[place.column - 1]


def _places(
    script: Script, problems: Iterable[Problem], values: Iterable[Value]
) -> Iterable[FileLocation]:
    for problem in problems:
        yield FileLocation(problem.file, problem.line, problem.column)
    for value in values:
        yield from (value.start, value.place, *value.places)
    for assignment in _assignments(script):
        yield from (assignment.place, assignment.start)
        yield from _of_parts(assignment.parts)
    for step in script.steps:
        match step:
            case Declare(names=names) | ReadOnly(names=names) | Unset(names=names):
                yield from (name.place for name in names)
            case Source(path=path, place=place):
                yield place
                yield from _of_parts(path)
            case Skipped(parts=parts):
                yield from _of_parts(parts)


def _of_parts(parts: Iterable[Part]) -> Iterable[FileLocation]:
    for part in parts:
        if isinstance(part, Literal):
            yield from part.places
            continue
        yield part.place
        if isinstance(part, Otherwise):
            yield from _of_parts(part.word)


def _assignments(script: Script) -> Iterable[Assignment]:
    for step in script.steps:
        if isinstance(step, Command):
            yield from step.assignments


def _changes_bash(problem: Problem) -> bool:
    """Whether our one bash may not be asked: it would look for a program, read a file, or keep a
    variable for good. (Fixed texts do this in tests/config/test_shell_against_bash.py.)"""
    builtin = re.match("“(:|true|false|echo|declare|typeset|unset)” is a command", problem.message)
    known = builtin or "has a value before" in problem.message or "has no value" in problem.message
    return not known and "is not set anywhere" not in problem.message


@cache
def _bash() -> Bash:
    return Bash()


def as_bash(text: str, script: Script, variables: Variables) -> None:
    """bash has the same values, and nothing to complain about. It starts without variables."""
    assigned = {assignment.name for assignment in _assignments(script)}
    exported = set()
    if re.search("export|declare|typeset|unset", text):
        exported = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text))
    names = sorted(assigned | variables.used)
    fixed = any(isinstance(step, ReadOnly) for step in script.steps)
    if fixed or exported & BASH_SETS or not all(map(HARMLESS.fullmatch, names)):
        return
    values = {name: binding.value.text for name, binding in variables.bindings.items()}
    if any(mark in text + "".join(values.values()) for mark in MARKS):
        return
    ours = {name: values.get(name, "<unset>").encode("utf-8", "surrogateescape") for name in names}
    theirs = _bash().ask(text, names)
    assert ours == theirs, f"{text!r}: we read {ours}, bash {theirs}"


def not_slow(text: str) -> None:
    begin = process_time()
    Variables().run(parse(text * 1000, FILE))
    assert process_time() - begin < LONG
