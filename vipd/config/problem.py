"""What is wrong in the configuration, where it stands, and what to write instead.

Problems are data, never exceptions: one broken file must not stop the other virtual IPs.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, overload

# What may be a password: behind any =, because the next line of the file may have run into this one
# and lost its name (`$\`, then PASSWORD=…, is that variable and the rest); behind --pass, -zPp….
_PASSWORD = re.compile(r"(=|--?p\w*\s|^-[a-z]*p).+", re.DOTALL | re.IGNORECASE)


MAX_OF_A_KIND = 20
"""How many of a kind are reported for one virtual IP: the rest may follow from the first."""


class Severity(StrEnum):
    """How bad a problem is for the virtual IP (or the file) that has it."""

    ERROR = "error"
    """This virtual IP, or this file, does not run; or the host is open to its users."""
    WARNING = "warning"
    """It runs, but needs attention."""


class FileLocation(NamedTuple):
    """One character of one file; line and column count from 1, in characters."""

    file: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Run(Sequence[FileLocation]):
    """The places of adjacent characters on one line. Each is created on demand: only a problem
    needs one."""

    file: str
    line: int
    columns: range

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[FileLocation]:
        for column in self.columns:
            yield FileLocation(self.file, self.line, column)

    @overload
    def __getitem__(self, index: int) -> FileLocation: ...
    @overload
    def __getitem__(self, index: slice) -> "Run": ...
    def __getitem__(self, index: int | slice) -> "FileLocation | Run":
        if isinstance(index, slice):
            return Run(self.file, self.line, self.columns[index])
        return FileLocation(self.file, self.line, self.columns[index])


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `hint` says what to do next; neither text ever holds a password.
    `runs`: an ERROR that keeps nothing from running."""

    severity: Severity
    file: str
    line: int
    column: int
    message: str
    hint: str
    runs: bool = False


class Problems(list[Problem]):
    """The first problems of each severity; the last one says that there are more."""

    def __init__(self) -> None:
        super().__init__()
        self._left = dict.fromkeys(Severity, MAX_OF_A_KIND)

    def full(self, severity: Severity) -> bool:
        """Whether more of these would not be shown."""
        return self._left[severity] <= 0

    def append(self, problem: Problem) -> None:
        """Add it, if it is one of the first."""
        self._left[problem.severity] -= 1
        left = self._left[problem.severity]
        if left > 0:
            super().append(problem)
        elif left == 0:
            super().append(
                Problem(
                    problem.severity,
                    problem.file,
                    problem.line,
                    problem.column,
                    f"too many {problem.severity}s: from here on they are not shown",
                    "correct the first ones; some of the others may follow from them",
                )
            )

    def clear(self) -> None:
        """Remove all problems."""
        super().clear()
        self._left = dict.fromkeys(Severity, MAX_OF_A_KIND)


def error(place: FileLocation, message: str, hint: str) -> Problem:
    """An ERROR at this place."""
    return Problem(Severity.ERROR, *place, message, hint)


def warning(place: FileLocation, message: str, hint: str) -> Problem:
    """A WARNING at this place."""
    return Problem(Severity.WARNING, *place, message, hint)


def alarm(place: FileLocation, message: str, hint: str) -> Problem:
    """An ERROR that does not stop the virtual IP: ucarp ran with it, so the address must stay."""
    return Problem(Severity.ERROR, *place, message, hint, runs=True)


def is_error(problem: Problem) -> bool:
    """Whether this problem keeps its virtual IP or file from running."""
    return problem.severity is Severity.ERROR and not problem.runs


def shown(text: str, limit: int = 60) -> str:
    """Text from a file, made fit for a message: printable, valid UTF-8, not longer than `limit`.

    Files hold any bytes; the ones that are not UTF-8 arrive here as lone surrogates, which no
    terminal, journal or JSON reader takes.
    """
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    clipped = text if len(text) <= limit else text[: limit - 1] + "…"
    valid = clipped.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in valid)


def cited(text: str, limit: int = 60) -> str:
    """`shown` for the value of a key or option, without a password that has run into it: over a
    missing quote, a backslash at the end of a line, or an option that took the next for its value.
    """
    return shown(_PASSWORD.sub(r"\1…", text[: 2 * limit]), limit)
