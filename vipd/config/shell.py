"""The shell language of the configuration files, as far as they may use it: assignments.

bash sourced these files; `parse` reads them without executing anything, and `Variables.run` gives
the values that bash would give (the tests hold it against bash itself). Whatever would have run a
program is refused where it stands. Every character of every value knows the place it came from, so
that a wrong option inside OPTIONS is reported at its own column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vipd.config.problem import Place, Problem, error, is_error, shown, warning
from vipd.config.shell_words import (
    BASH_SETS,
    Assignment,
    Command,
    Literal,
    Parser,
    Variable,
)

MAX_VALUE = 65_536
"""Longest value in characters. `A=$A$A` a few dozen times would otherwise fill the memory."""


@dataclass(frozen=True, slots=True)
class Value:
    """A text, and the place of each of its characters; `start` is where an empty one stands."""

    text: str
    places: Sequence[Place]
    start: Place

    @property
    def place(self) -> Place:
        """Where it begins."""
        return self.places[0] if self.places else self.start

    def cut(self, begin: int, end: int | None = None) -> "Value":
        """Part of this text, with its places."""
        places = self.places[begin:end]
        start = (places or self.places[-1:] or (self.start,))[0]
        return Value(self.text[begin:end], places, start)

    def words(self) -> "tuple[Value, ...]":
        """Split on blanks as bash does with an unquoted $NAME: nothing else separates."""
        words = []
        begin = None
        for index, character in enumerate(self.text):
            if character in " \t\n":
                if begin is not None:
                    words.append(self.cut(begin, index))
                begin = None
            elif begin is None:
                begin = index
        if begin is not None:
            words.append(self.cut(begin))
        return tuple(words)


@dataclass(frozen=True, slots=True)
class Script:
    """A file that was read: what it assigns, and what is wrong with its text."""

    commands: tuple[Command, ...]
    problems: tuple[Problem, ...]

    @property
    def broken(self) -> bool:
        """Whether something in the text had to be refused."""
        return any(is_error(problem) for problem in self.problems)


def parse(text: str, file: str) -> Script:
    """Read a file's text. Never raises; what cannot be read is a problem of the result."""
    parser = Parser(text, file)
    commands = tuple(parser.commands())
    return Script(commands, tuple(parser.problems))


@dataclass(frozen=True, slots=True)
class Binding:
    """What a name stands for, and where that was said. `preset`: by the service, in no file."""

    value: Value
    place: Place
    preset: bool = False


@dataclass(slots=True)
class Variables:
    """The shell's variables while the files of one virtual IP are read, one after the other."""

    bindings: dict[str, Binding] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    @classmethod
    def of(cls, presets: Mapping[str, str], place: Place) -> "Variables":
        """Start with the variables that the service itself set before it read the files."""
        return cls(
            {
                name: Binding(Value(text, (place,) * len(text), place), place, preset=True)
                for name, text in presets.items()
            }
        )

    def run(self, script: Script) -> None:
        """Do what the script's commands say; problems are added to `problems`."""
        for command in script.commands:
            if command.export:
                expanded = [(each, self._expand(each)) for each in command.assignments]
                for assignment, value in expanded:
                    self._assign(assignment, value)
            else:
                for assignment in command.assignments:
                    self._assign(assignment, self._expand(assignment))

    def _assign(self, assignment: Assignment, value: Value | None) -> None:
        if value is None:
            return
        if assignment.append and (before := self.bindings.get(assignment.name)) is not None:
            self.used.add(assignment.name)
            old = before.value
            value = Value(old.text + value.text, (*old.places, *value.places), old.start)
        if len(value.text) > MAX_VALUE:
            self._too_long(assignment)
            return
        self.bindings[assignment.name] = Binding(value, assignment.place)

    def _expand(self, assignment: Assignment) -> Value | None:
        match assignment.parts:
            case (Literal(text=text, places=run),):  # nearly always
                return Value(text, run, assignment.start)
        texts: list[str] = []
        places: list[Place] = []
        for part in assignment.parts:
            if isinstance(part, Literal):
                texts.append(part.text)
                places.extend(part.places)
                continue
            binding = self._look_up(part, assignment)
            if binding is None:
                return None
            texts.append(binding.text)
            places.extend(binding.places)
            if len(places) > MAX_VALUE:
                self._too_long(assignment)
                return None
        return Value("".join(texts), tuple(places), assignment.start)

    def _look_up(self, variable: Variable, assignment: Assignment) -> Value | None:
        name = variable.name
        self.used.add(name)
        if (binding := self.bindings.get(name)) is not None:
            return binding.value
        if name in BASH_SETS:
            self.problems.append(
                error(
                    variable.place,
                    f"${name} is a variable that the shell fills in by itself; vipd does not",
                    "write the value itself, or use single quotes when a literal $ is meant",
                )
            )
            return None
        # In a password, what follows the $ may well be a part of it.
        what = "the name behind this $" if "PASS" in assignment.name.upper() else f"${shown(name)}"
        self.problems.append(
            warning(
                variable.place,
                f"{what} is not set anywhere before this line, so it stands for nothing",
                "set it before, or in vip-common.conf; for a literal $ use single quotes",
            )
        )
        return Value("", (), variable.place)

    def _too_long(self, assignment: Assignment) -> None:
        self.problems.append(
            error(
                assignment.place,
                f"the value of {shown(assignment.name)} is longer than {MAX_VALUE} characters",
                "shorten it",
            )
        )
