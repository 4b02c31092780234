"""The shell language of the configuration files, as far as they may use it: assignments.

bash sourced these files; `parse` reads them without executing anything, and `Variables.run` gives
the values that bash would give (the tests compare it with bash itself). What reading cannot follow
is refused where it stands; a command that sets nothing is skipped. Every character of every value
knows the place it came from, so that a wrong option inside OPTIONS is reported at its own column.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vipd.config.problem import FileLocation, Problem, Problems, error, is_error, shown, warning
from vipd.config.shell_commands import Parser
from vipd.config.shell_steps import (
    Assignment,
    Command,
    Declare,
    Literal,
    Name,
    Otherwise,
    Part,
    ReadOnly,
    Skipped,
    Source,
    Step,
    Unset,
    Variable,
)
from vipd.config.shell_words import BASH_SETS

MAX_VALUE = 65_536
"""Longest value in characters. `A=$A$A` a few dozen times would otherwise fill the memory."""

MAX_COPIED = 200_000
"""Characters copied for all values of one virtual IP. A real one needs a thousand; `B=$A` fifty
thousand times, with a long A, would take minutes."""

MAX_DEPTH = 8
"""How deep files may read files, and"""
MAX_SOURCED = 64
"""how many files one virtual IP may read: real ones have fewer, and two files that read each
other twice would never end."""


_WORD = re.compile(r"[^ \t\n]+")


@dataclass(frozen=True, slots=True)
class Value:
    """A text, and the place of each of its characters; `start` is where an empty one stands."""

    text: str
    places: Sequence[FileLocation]
    start: FileLocation

    @property
    def place(self) -> FileLocation:
        """Where it begins."""
        return self.places[0] if self.places else self.start

    def cut(self, begin: int, end: int | None = None) -> "Value":
        """Part of this text, with its places."""
        places = self.places[begin:end]
        start = self.start
        if not places and self.places:
            start = self.places[-1]
        return Value(self.text[begin:end], places, start)

    def words(self) -> "tuple[Value, ...]":
        """Split on blanks as bash does with an unquoted $NAME: nothing else separates."""
        return tuple(self.cut(*match.span()) for match in _WORD.finditer(self.text))


@dataclass(frozen=True, slots=True)
class Script:
    """A file that was read: what it does, and what is wrong with its text."""

    steps: tuple[Step, ...]
    problems: tuple[Problem, ...]

    @property
    def broken(self) -> bool:
        """Whether something in the text had to be refused."""
        return any(is_error(problem) for problem in self.problems)


def parse(text: str, file: str) -> Script:
    """Read a file's text. Never raises; what cannot be read is a problem of the result."""
    parser = Parser(text, file)
    steps = tuple(parser.steps())
    return Script(steps, tuple(parser.problems))


Reader = Callable[[str], Script | None]
"""Reads the file of a path that begins with /; None when there is none."""


def _no_reader(_path: str) -> Script | None:
    return None


@dataclass(frozen=True, slots=True)
class Binding:
    """The value of a name, and where it was set. `preset`: by the service, in no file."""

    value: Value
    place: FileLocation
    preset: bool = False


@dataclass(slots=True)
class Variables:
    """The shell's variables while the files of one virtual IP are read, one after the other."""

    bindings: dict[str, Binding] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    problems: Problems = field(default_factory=Problems)
    reader: Reader = _no_reader
    sourced: list[str] = field(default_factory=list)
    """The files that were read for `.`, or would have been if they were there."""
    _copied: int = field(default=0, init=False)
    _fixed: dict[str, FileLocation] = field(default_factory=dict, init=False)
    _open: list[str] = field(default_factory=list, init=False)

    @classmethod
    def of(
        cls, presets: Mapping[str, str], place: FileLocation, reader: Reader = _no_reader
    ) -> "Variables":
        """Start with the variables that the service itself set before it read the files. `reader`
        reads what the files themselves read."""
        bindings = {
            name: Binding(Value(text, (place,) * len(text), place), place, preset=True)
            for name, text in presets.items()
        }
        return cls(bindings, reader=reader)

    def run(self, script: Script) -> None:
        """Run the steps of the script; add problems to `problems`."""
        for step in script.steps:
            if type(step) is Command and not step.at_once:  # nearly always
                for assignment in step.assignments:
                    self._assign(assignment, self._expand(assignment))
                continue
            match step:
                case Command(assignments=assignments):
                    expanded = [(each, self._expand(each)) for each in assignments]
                    for assignment, value in expanded:
                        if not self._stays(assignment.name, assignment.place):
                            self._assign(assignment, value)
                case Declare(names=names):
                    self._declare(names)
                case ReadOnly(names=names):
                    self._fixed.update({each.name: each.place for each in names})
                case Unset(names=names):
                    for each in names:
                        if not self._stays(each.name, each.place):
                            self.bindings.pop(each.name, None)
                case Source():
                    self._source(step)
                case Skipped(parts=parts):
                    self._side_effects(parts)

    def _assign(self, assignment: Assignment, value: Value | None) -> None:
        if value is None:
            return
        name = assignment.name
        if name in self._fixed:
            self._refuse_change(name, assignment.place)
            return
        if assignment.append and (before := self.bindings.get(name)) is not None:
            self.used.add(name)
            old = before.value
            if not self._may_copy(len(old.text) + len(value.text), assignment.place):
                return
            value = Value(old.text + value.text, (*old.places, *value.places), old.start)
        if len(value.text) > MAX_VALUE:
            self._too_long(name, assignment.place)
            return
        self.bindings[name] = Binding(value, assignment.place)

    def _refuse_change(self, name: str, place: FileLocation) -> None:
        self._error(
            place,
            f"{shown(name)} is read-only since line {self._fixed[name].line} of "
            f"{shown(self._fixed[name].file, 200)}; the shell drops the rest of this line",
            "remove readonly there, or the assignment here",
        )

    def _stays(self, name: str, place: FileLocation) -> bool:
        """Whether a builtin leaves a variable as it is, and complains, because it is read-only."""
        if name not in self._fixed:
            return False
        self._warn(
            place,
            f"{shown(name)} is read-only since line {self._fixed[name].line} of "
            f"{shown(self._fixed[name].file, 200)}: it stays as it is, as with ucarp",
            "remove readonly there, or this line",
        )
        return True

    def _declare(self, names: Iterable[Name]) -> None:
        for each in names:
            if each.name in self.bindings:
                self._error(
                    each.place,
                    f"{shown(each.name)} is set, and here the shell may take its value away",
                    f"remove the line, or write {shown(each.name)}=value",
                )

    # ---- files that files read -------------------------------------------------------------------

    def _source(self, step: Source) -> None:
        value = self._value(step.path, "", step.place)
        if value is None:
            return
        path = value.text
        name = shown(path, 200)
        if not path.startswith("/") or any(character in " \t\n*?[]" for character in path):
            self._error(
                step.place,
                "this file is looked for in PATH or the current directory, wherever those are",
                "write its whole path, which begins with /, and has no blanks",
            )
        elif path in self._open:
            self._error(step.place, f"{name} is being read already", "remove this line")
        elif len(self._open) >= MAX_DEPTH or len(self.sourced) >= MAX_SOURCED:
            self._error(
                step.place,
                f"files read files more than {MAX_DEPTH} deep, or more than {MAX_SOURCED} of them",
                "put the lines into one file",
            )
        else:
            self.sourced.append(path)
            self._read(path, name, step.place)

    def _read(self, path: str, name: str, place: FileLocation) -> None:
        script = self.reader(path)
        if script is None:
            self._warn(
                place,
                f"there is no {name}: what it should set is not set, as with ucarp",
                "create it, or remove this line",
            )
            return
        self.problems.extend(script.problems)
        if script.broken:
            first = next(problem for problem in script.problems if is_error(problem))
            self._error(
                place,
                f"{name}, which is read here, has errors; the first is in line {first.line}",
                f"correct {name}",
            )
            return
        self._open.append(path)
        self.run(script)
        self._open.pop()

    # ---- values ----------------------------------------------------------------------------------

    def _expand(self, assignment: Assignment) -> Value | None:
        match assignment.parts:
            case (Literal(text=text, places=run),):  # nearly always
                return Value(text, run, assignment.start)
        return self._value(assignment.parts, assignment.name, assignment.start)

    def _value(self, parts: Iterable[Part], target: str, start: FileLocation) -> Value | None:
        """The value of a word; `target` is the variable that receives it."""
        texts: list[str] = []
        places: list[FileLocation] = []
        for part in parts:
            value: Literal | Value | None
            match part:
                case Literal():
                    value = part
                case Variable():
                    value = self._look_up(part, target)
                case Otherwise():
                    value = self._otherwise(part, target)
            if value is None or not self._may_copy(len(value.text), start):
                return None
            texts.append(value.text)
            places.extend(value.places)
            if len(places) > MAX_VALUE:
                self._too_long(target, start)
                return None
        return Value("".join(texts), tuple(places), start)

    def _may_copy(self, length: int, place: FileLocation) -> bool:
        """Whether `length` more characters are within the limit."""
        before, self._copied = self._copied, self._copied + length
        if before <= MAX_COPIED < self._copied:
            self._error(
                place,
                f"the values that stand for others have more than {MAX_COPIED} characters together",
                "put the right file in its place",
            )
        return self._copied <= MAX_COPIED

    def _otherwise(self, part: Otherwise, target: str) -> Value | None:
        """`${NAME:-word}` and its relatives."""
        name = part.name
        self.used.add(name)
        if name in BASH_SETS and name not in self.bindings:
            self._refuse_bash_sets(name, part.place)
            return None
        binding, taken = self.bindings.get(name), self._takes(part)
        if part.operator == "?" and taken:
            self._error(
                part.place,
                f"{shown(name)} has no value before this line, and the shell stops here",
                f"set {shown(name)} before, or in vip-common.conf",
            )
            return None
        has = "no" if taken is not (part.operator == "+") else "a"
        then = "what stands in the braces is taken" if taken else "that value is taken"
        if part.operator == "+" and not taken:
            then = "it stands for nothing"
        self._warn(
            part.place,
            f"{part.written}: {shown(name)} has {has} value before this line, so {then}",
            "write the value itself",
        )
        if not taken:
            empty = Value("", (), part.place)
            return binding.value if binding and part.operator != "+" else empty
        word = self._value(part.word, target, part.place)
        if word is not None and part.operator == "=":
            if name in self._fixed:
                self._refuse_change(name, part.place)
                return None
            self.bindings[name] = Binding(word, part.place)
        return word

    def _takes(self, part: Otherwise) -> bool:
        """Whether the word is used instead of the variable's value."""
        binding = self.bindings.get(part.name)
        there = binding is not None and bool(binding.value.text or not part.colon)
        return there if part.operator == "+" else not there

    def _side_effects(self, parts: Iterable[Part]) -> None:
        """What the words of a skipped command do to variables."""
        for part in parts:
            if isinstance(part, Otherwise):
                if part.operator in "=?":
                    self._otherwise(part, part.name)
                elif self._takes(part):
                    self._side_effects(part.word)

    def _look_up(self, variable: Variable, target: str) -> Value | None:
        name = variable.name
        self.used.add(name)
        if (binding := self.bindings.get(name)) is not None:
            return binding.value
        if name in BASH_SETS:
            self._refuse_bash_sets(name, variable.place)
            return None
        # In a password, what follows the $ may well be a part of it.
        what = "the name behind this $" if "PASS" in target.upper() else f"${shown(name)}"
        self._warn(
            variable.place,
            f"{what} is not set anywhere before this line, so it stands for nothing",
            "set it before, or in vip-common.conf; for a literal $ use single quotes",
        )
        return Value("", (), variable.place)

    def _refuse_bash_sets(self, name: str, place: FileLocation) -> None:
        self._error(
            place,
            f"${name} is a variable that the shell fills in by itself; vipd does not",
            "write the value itself, or use single quotes when a literal $ is meant",
        )

    def _too_long(self, name: str, place: FileLocation) -> None:
        what = f"the value of {shown(name)}" if name else "this path"
        self._error(place, f"{what} is longer than {MAX_VALUE} characters", "shorten it")

    def _error(self, place: FileLocation, message: str, hint: str) -> None:
        self.problems.append(error(place, message, hint))

    def _warn(self, place: FileLocation, message: str, hint: str) -> None:
        self.problems.append(warning(place, message, hint))
