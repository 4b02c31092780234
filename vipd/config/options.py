"""ucarp's command line as getopt_long reads it, inside OPTIONS.

The table is ucarp 1.5.2's (ucarp_p.h); the rules are glibc's: any unambiguous beginning of a long
name, `--name=value` and `--name value`, short ones in clusters, words that are no options anywhere,
`--` as the end. Where ucarp would print its usage and exit, the result has an ERROR.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import count

from vipd.config.numbers import strtoul
from vipd.config.problem import FileLocation, Problem, Problems, error, shown, warning
from vipd.config.shell import Value


@dataclass(frozen=True, slots=True)
class Option:
    """One option of ucarp: long name, letter, and whether it takes a value."""

    name: str
    letter: str
    takes_value: bool


OPTIONS = (
    Option("interface", "i", True),
    Option("srcip", "s", True),
    # --help says --mcast and -m. The long name is mcastip (--mcast is its beginning), and the
    # letter is missing from the short list: ucarp -m prints the usage and exits.
    Option("mcastip", "m", True),
    Option("vhid", "v", True),
    Option("pass", "p", True),
    Option("preempt", "P", False),
    Option("passfile", "o", True),
    Option("neutral", "n", False),
    Option("addr", "a", True),
    Option("help", "h", False),
    Option("advbase", "b", True),
    Option("advskew", "k", True),
    Option("upscript", "u", True),
    Option("downscript", "d", True),
    Option("deadratio", "r", True),
    Option("debug", "D", False),
    Option("shutdown", "z", False),
    Option("daemonize", "B", False),
    Option("ignoreifstate", "S", False),
    Option("nomcast", "M", False),
    Option("facility", "f", True),
    Option("xparam", "x", True),
)
_BY_NAME = {option.name: option for option in OPTIONS}
_BY_LETTER = {option.letter: option for option in OPTIONS}


@dataclass(frozen=True, slots=True)
class Given:
    """An option that stands in OPTIONS, with its value if it takes one."""

    option: Option
    place: FileLocation
    value: Value | None


@dataclass(frozen=True, slots=True)
class CommandLine:
    """All options of one OPTIONS line in their order, and what is wrong with it."""

    given: tuple[Given, ...]
    problems: tuple[Problem, ...]

    def last(self, name: str) -> Given | None:
        """The last option of this long name: the one that counts."""
        for given in reversed(self.given):
            if given.option.name == name:
                return given
        return None

    def has(self, name: str) -> bool:
        """Whether this option stands there at all."""
        return self.last(name) is not None


def parse(line: Value) -> CommandLine:
    """Read an OPTIONS line. Never raises."""
    return _Reader(line.words()).read()


def group_of(arguments: Iterable[str]) -> tuple[str, int] | None:
    """Interface and VHID in the arguments of an ucarp; None if one is missing. Never raises."""
    line = from_arguments(arguments)
    interface, vhid = line.last("interface"), line.last("vhid")
    if interface and interface.value and vhid and vhid.value:
        return interface.value.text, strtoul(vhid.value.text).value
    return None


def from_arguments(arguments: Iterable[str]) -> CommandLine:
    """The same for the arguments of a process. Never raises."""
    places = (FileLocation("", column=number) for number in count(1))
    words = [
        Value(word, (place,) * len(word), place)
        for word, place in zip(arguments, places, strict=False)
    ]
    return _Reader(words).read()


class _Reader:
    def __init__(self, words: Iterable[Value]) -> None:
        self._words = deque(words)
        self._given: list[Given] = []
        self._problems = Problems()

    def read(self) -> CommandLine:
        while self._words:
            word = self._words.popleft()
            if word.text == "--":
                for ignored in self._words:
                    self._ignore(ignored, "it stands after --")
                break
            if word.text.startswith("--"):
                self._long(word)
            elif word.text.startswith("-") and word.text != "-":
                self._cluster(word)
            else:
                self._ignore(word, "it does not begin with - (quotes inside OPTIONS are literal)")
        return CommandLine(tuple(self._given), tuple(self._problems))

    def _ignore(self, word: Value, why: str) -> None:
        # The word itself is not shown: it may be half a password.
        self._problems.append(
            warning(
                word.place,
                f"this word of OPTIONS is ignored, as by ucarp: {why}",
                "remove it, or write --name=value without blanks",
            )
        )

    def _refuse(self, place: FileLocation, what: str, hint: str) -> None:
        self._problems.append(error(place, f"{what}; ucarp would print its usage and exit", hint))

    def _add(self, option: Option, place: FileLocation, value: Value | None) -> None:
        if option.name == "help":
            self._refuse(place, "OPTIONS asks for help", "remove --help or -h")
        else:
            self._given.append(Given(option, place, value))

    def _next_word(self, option: Option, place: FileLocation) -> None:
        if self._words:
            self._add(option, place, self._words.popleft())
            return
        self._refuse(
            place,
            f"--{option.name} needs a value, and OPTIONS ends here",
            f"write --{_written(option)}=value",
        )

    def _long(self, word: Value) -> None:
        name, equals, _ = word.text[2:].partition("=")
        option = self._named(name, word.place)
        if option is None:
            return
        if not equals and option.takes_value:
            self._next_word(option, word.place)
        elif equals and not option.takes_value:
            self._refuse(
                word.place, f"--{option.name} takes no value", f"write --{option.name} alone"
            )
        elif equals:
            self._add(option, word.place, word.cut(len(name) + 3))
        else:
            self._add(option, word.place, None)

    def _named(self, name: str, place: FileLocation) -> Option | None:
        if (exact := _BY_NAME.get(name)) is not None:
            return exact
        beginnings = [option for option in OPTIONS if option.name.startswith(name)]
        if len(beginnings) == 1:
            return beginnings[0]
        if beginnings:
            names = ", ".join(f"--{_written(option)}" for option in beginnings)
            self._refuse(
                place, f"--{shown(name)} can mean several options", f"write one of {names} in full"
            )
            return None
        near = get_close_matches(name[:40], [_written(option) for option in OPTIONS], 1)
        hint = f"did you mean --{near[0]}?" if near else "see ucarp --help for the options"
        self._refuse(place, f"--{shown(name, 40)} is not an option of ucarp", hint)
        return None

    def _cluster(self, word: Value) -> None:
        if (name := word.text[1:].partition("=")[0]) in _BY_NAME and name[0] in "px":
            # -preempt is -p reempt: another password, and nothing else would report it.
            self._problems.append(
                warning(
                    word.place,
                    f"-{name} with one dash is -{name[0]} with the rest as its value",
                    f"write --{name} with two dashes",
                )
            )
        for index in range(1, len(word.text)):
            letter, place = word.text[index], word.places[index]
            option = _BY_LETTER.get(letter)
            if option is None:
                hint = "see ucarp --help for the options"
                if near := get_close_matches(word.text[1:41], _BY_NAME, 1):
                    hint = f"did you mean --{near[0]}, with two dashes?"
                self._refuse(place, f"-{shown(letter)} is not an option of ucarp", hint)
                return
            if letter == "m":
                self._problems.append(
                    warning(
                        place,
                        "-m works here, but ucarp itself knows only the long form",
                        "write --mcast=GROUP, which both understand",
                    )
                )
            if option.takes_value:
                if index + 1 < len(word.text):
                    self._add(option, place, word.cut(index + 1))
                else:
                    self._next_word(option, place)
                return
            self._add(option, place, None)


def _written(option: Option) -> str:
    """The name as `ucarp --help` writes it."""
    return "mcast" if option.name == "mcastip" else option.name
