"""What a configuration file does, step by step, as far as it may do anything."""

from collections.abc import Sequence
from typing import NamedTuple

from vipd.config.problem import FileLocation


class Literal(NamedTuple):
    """Text that stands for itself, with the place of each character."""

    text: str
    places: Sequence[FileLocation]


class Variable(NamedTuple):
    """`$NAME` or `${NAME}`; `place` is that of the dollar sign."""

    name: str
    place: FileLocation


class Otherwise(NamedTuple):
    """`${NAME:-word}` and its relatives. `operator` is one of - = + ?; with `colon`, an empty value
    counts as none; `place` is that of the dollar sign."""

    name: str
    operator: str
    colon: bool
    word: "tuple[Part, ...]"
    place: FileLocation

    @property
    def written(self) -> str:
        """As it stands in the file, without the word."""
        return f"${{{self.name}{':' * self.colon}{self.operator}…}}"


Part = Literal | Variable | Otherwise


class Assignment(NamedTuple):
    """`name=parts` (or `name+=parts`); `place` is that of the name, `start` that of the value."""

    name: str
    parts: tuple[Part, ...]
    append: bool
    place: FileLocation
    start: FileLocation


class Command(NamedTuple):
    """Assignments that stand on one line. With `at_once` (export, declare, readonly), all values
    are expanded before any is assigned; without, one after the other."""

    assignments: tuple[Assignment, ...]
    at_once: bool = False


class Name(NamedTuple):
    """A variable that a command names without giving it a value."""

    name: str
    place: FileLocation


class Declare(NamedTuple):
    """`declare NAME`: in a function, which the old service sourced the files in, the variable loses
    its value; elsewhere it keeps it."""

    names: tuple[Name, ...]


class ReadOnly(NamedTuple):
    """`readonly NAME`, or `readonly NAME=value` after its assignment: the value stays."""

    names: tuple[Name, ...]


class Unset(NamedTuple):
    """`unset NAME …`."""

    names: tuple[Name, ...]


class Source(NamedTuple):
    """`. FILE`; `place` is that of the file's name."""

    path: tuple[Part, ...]
    place: FileLocation


class Skipped(NamedTuple):
    """A command that sets no variable, except through `${NAME:=word}` among its words."""

    parts: tuple[Part, ...]


Step = Command | Declare | ReadOnly | Unset | Source | Skipped
