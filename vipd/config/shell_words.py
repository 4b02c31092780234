"""The reader under `shell_commands`: from characters to words made of literals and $NAMEs.

It follows bash 5's own reader: a backslash before a newline vanishes (except in single quotes),
double quotes know five escapes, `$'…'` knows C's. What needs execution is reported and skipped.
"""

import re
from bisect import bisect_right

from vipd.config.problem import FileLocation, Problem, Run, error, warning
from vipd.config.shell_steps import Literal, Otherwise, Part, Variable

MAX_PROBLEMS = 20
"""A file with more errors than this is no configuration; more reports would not help."""

MAX_STEPS = 200_000
"""Looks at a next character in one file. A real file needs a thousand; a megabyte of settings
would keep the daemon from its timers for seconds."""

MAX_NESTING = 10
"""How deep one `${NAME:-…}` may stand in another."""

BOM = "\ufeff"


def listed(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


BASH_SETS = listed(
    "BASH BASHOPTS BASHPID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_ARGV0 BASH_CMDS BASH_COMMAND "
    "BASH_LINENO BASH_SOURCE BASH_SUBSHELL BASH_VERSINFO BASH_VERSION COMP_WORDBREAKS DIRSTACK "
    "EPOCHREALTIME EPOCHSECONDS EUID FUNCNAME GROUPS HISTCMD HOME HOSTNAME HOSTTYPE IFS LANG "
    "LINENO LOGNAME MACHTYPE OLDPWD OPTERR OPTIND OSTYPE PATH PIPESTATUS PPID PS4 PWD RANDOM "
    "SECONDS SHELL SHELLOPTS SHLVL SRANDOM TERM UID USER _"
)
"""Names that have a value in bash (or in a service's environment) without being set in a file."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME_PART = (NAME, re.compile(r"[A-Za-z0-9_]+"))
LITERALLY = "for a literal text use single quotes"
# Characters that mean nothing special where they stand, so that they are taken many at a time.
_PLAIN = re.compile(r"[^\\'\"$`~:={ \t\n;&|<>()]+")
_PLAIN_IN_DOUBLE_QUOTES = re.compile(r'[^"$`\\\n]+')
_PLAIN_IN_SINGLE_QUOTES = re.compile(r"[^'\n]+")
_PLAIN_IN_C_QUOTES = re.compile(r"[^'\\\n]+")
_OPERATOR = re.compile(r":?[-=+?]")
_PLAIN_IN_BRACES = re.compile(r"[^}\\'\"$`~<>\n]+")
_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "E": "\x1b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "?": "?",
}
_CODED = re.compile(
    r"(?P<octal>[0-7]{1,3})|x(?P<byte>[0-9a-fA-F]{1,2})"
    r"|u(?P<short>[0-9a-fA-F]{1,4})|U(?P<long>[0-9a-fA-F]{1,8})"
)


class StopReading(Exception):  # noqa: N818 (not an error: the end of what can be understood)
    """Nothing after this point can be understood (an open quote, a block of code)."""


class WordReader:
    """Reads one text once, a word at a time, and keeps the problems."""

    def __init__(self, text: str, file: str) -> None:
        self.problems: list[Problem] = []
        self._file = file
        # Kept, because it belongs to the first word of the first line; but no editor shows it.
        self._bom = text.startswith(BOM)
        self._text = BOM * self._bom + self._cleaned(text.removeprefix(BOM))
        self._index = 0
        self._steps = 0
        self._lines = [0, *(match.end() for match in re.finditer("\n", self._text))]
        self._parts: list[Part] = []
        self._characters: list[str] = []
        self._places: list[FileLocation] = []
        self._good = True
        self._skipping = False  # the word is not used: what has no effect in it does not matter
        self._nesting = 0
        self._first_long_quote: int | None = None

    # ---- the text as a whole -------------------------------------------------------------------

    def _cleaned(self, text: str) -> str:
        """Without carriage returns, reported once; nothing if binary."""
        if (nul := text.find("\0")) >= 0:
            place = FileLocation(
                self._file, text.count("\n", 0, nul) + 1, nul - text.rfind("\n", 0, nul)
            )
            self.problems.append(
                error(
                    place,
                    "a zero byte: this is not a text file",
                    "put a text file in its place; nothing of this one is used",
                )
            )
            return ""
        if (match := re.search(r"\r(?=\n|\Z)", text)) is not None:
            begin = match.start()
            place = FileLocation(
                self._file, text.count("\n", 0, begin) + 1, begin - text.rfind("\n", 0, begin)
            )
            self.problems.append(
                error(
                    place,
                    "lines end in CR LF, as on Windows; to the shell the CR is part of the value",
                    f"remove them: sed -i 's/\\r$//' {self._file}",
                )
            )
            text = re.sub(r"\r(?=\n|\Z)", "", text)
        return text

    def _place(self, index: int) -> FileLocation:
        line = bisect_right(self._lines, index)
        column = index - self._lines[line - 1] + 1
        if self._bom and line == 1:
            column = max(column - 1, 1)
        return FileLocation(self._file, line, column)

    def _refuse(self, index: int, message: str, hint: str) -> None:
        self._good = False
        self._report(index, error(self._place(index), message, hint))

    def _warn(self, index: int, message: str, hint: str) -> None:
        self._report(index, warning(self._place(index), message, hint))

    def _report(self, index: int, problem: Problem) -> None:
        self.problems.append(problem)
        if len(self.problems) >= MAX_PROBLEMS:
            self.problems.append(
                error(
                    self._place(index),
                    "too many problems: the rest of this file is not read",
                    "correct the first ones; some of the others may follow from them",
                )
            )
            raise StopReading

    # ---- characters ----------------------------------------------------------------------------

    def _peek(self) -> str:
        """The next character, continuation lines joined; "" at the end."""
        self._steps += 1
        if self._steps >= MAX_STEPS:
            self._refuse(
                self._index,
                "the file is too long for a configuration: the rest is not read",
                "put the right file in its place",
            )
            raise StopReading
        while self._text.startswith("\\\n", self._index):
            self._index += 2
        return self._text[self._index : self._index + 1]

    def _take(self, character: str, index: int) -> None:
        self._characters.append(character)
        self._places.append(self._place(index))

    def _take_next(self) -> None:
        self._take(self._text[self._index], self._index)
        self._index += 1

    def _take_run(self, plain: re.Pattern[str]) -> bool:
        """Take all characters up to the next that may be special; False if there are none."""
        match = plain.match(self._text, self._index)
        if match is None:
            return False
        file, line, column = self._place(self._index)
        self._characters.append(match[0])
        self._places.extend(Run(file, line, range(column, column + len(match[0]))))
        self._index = match.end()
        return True

    def _close_literal(self) -> None:
        if self._characters:
            self._parts.append(Literal("".join(self._characters), tuple(self._places)))
            self._characters, self._places = [], []

    def _name(self) -> str:
        name = ""
        # More than one round only where a continuation line splits the name.
        while self._peek() and (more := _NAME_PART[bool(name)].match(self._text, self._index)):
            name += more[0]
            self._index = more.end()
        return name

    # ---- values --------------------------------------------------------------------------------

    def _value(self, export: bool) -> tuple[Part, ...]:
        """Read up to the end of the word."""
        self._parts = []
        previous = "="
        while (character := self._peek()) and character not in " \t\n;&|<>()":
            begin = self._index
            if self._take_run(_PLAIN):
                previous = ""
                continue
            if character == "\\":
                self._index += 1
                if self._index >= len(self._text):
                    self._refuse(begin, "the file ends after this backslash", "complete the line")
                    break
                self._take_next()
            elif character == "'":
                self._single_quoted()
            elif character == '"':
                self._index += 1
                self._double_quoted(begin)
            elif character == "$":
                self._dollar(quoted=False)
            elif character == "`":
                self._backquoted()
            elif character == "~" and previous in ("=", ":") and not self._skipping:
                self._refuse(
                    begin,
                    "the shell would put a home directory for this ~",
                    "write the whole path, or quote the value",
                )
                self._index += 1
            elif character == "{" and export and not self._skipping:
                self._refuse(begin, "the shell may expand { } after export", "quote the value")
                self._index += 1
            else:
                self._take_next()
            previous = character
        self._close_literal()
        return tuple(self._parts)

    def _single_quoted(self) -> None:
        begin = self._index
        end = self._text.find("'", begin + 1)
        if end < 0:
            self._unterminated(begin, "'")
        self._note_long_quote(begin, end)
        self._index = begin + 1
        while self._index < end:
            if not self._take_run(_PLAIN_IN_SINGLE_QUOTES):
                self._take_next()
        self._index = end + 1

    def _double_quoted(self, begin: int) -> None:
        while character := self._peek():
            if self._take_run(_PLAIN_IN_DOUBLE_QUOTES):
                continue
            if character == '"':
                self._note_long_quote(begin, self._index)
                self._index += 1
                return
            if character == "$":
                self._dollar(quoted=True)
            elif character == "`":
                self._backquoted()
            elif character == "\\" and self._text[self._index + 1 : self._index + 2] in set(
                '$`"\\'
            ):
                self._index += 1
                self._take_next()
            else:
                self._take_next()
        self._unterminated(begin, '"')

    def _note_long_quote(self, begin: int, end: int) -> None:
        if self._first_long_quote is None and "\n" in self._text[begin:end]:
            self._first_long_quote = begin

    def _unterminated(self, begin: int, quote: str) -> None:
        hint = f"write the missing {quote}; the file may be half-written"
        if self._first_long_quote is not None:
            line = self._place(self._first_long_quote).line
            hint = f"write the missing {quote}; perhaps it is missing since line {line}"
        self._refuse(begin, f"the quote that {quote} opens here never ends", hint)
        raise StopReading

    # ---- what a dollar sign starts -------------------------------------------------------------

    def _dollar(self, quoted: bool) -> None:
        begin = self._index
        self._index += 1
        character = self._peek()
        if character == "'" and not quoted:
            self._c_quoted(begin)
        elif character == '"' and not quoted:
            self._index += 1
            self._double_quoted(begin)
        elif character == "{":
            self._braces(begin, quoted)
        elif character == "(":
            arithmetic = self._text.startswith("((", self._index)
            self._skip_nested("(", ")", begin)
            self._refuse_execution(begin, arithmetic)
        elif character == "[":
            self._skip_nested("[", "]", begin)
            self._refuse_execution(begin, arithmetic=True)
        elif character and character in "$!?#@*-0123456789":
            self._index += 1
            self._refuse_special(begin, character)
        elif name := self._name():
            self._variable(begin, name)
        else:
            self._take("$", begin)

    def _variable(self, begin: int, name: str) -> None:
        if name == "_":
            self._refuse_special(begin, name)
            return
        self._close_literal()
        self._parts.append(Variable(name, self._place(begin)))

    def _braces(self, begin: int, quoted: bool) -> None:
        """`${NAME}` and `${NAME:-word}`, from the brace on."""
        brace = self._index
        self._index += 1
        name = self._name()
        if name and self._peek() == "}":
            self._index += 1
            self._variable(begin, name)
            return
        operator = _OPERATOR.match(self._text, self._index)
        if name and operator and name != "_":
            self._index = operator.end()
            self._otherwise(begin, name, operator[0], quoted)
            return
        self._index = brace
        self._skip_nested("{", "}", begin)
        inside = self._text[brace + 1 : self._index - 1]
        if inside and (inside in "$!?#@*-" or inside.isdigit()):
            self._refuse_special(begin, inside[:1])
        else:
            self._refuse(
                begin,
                "of ${…} only ${NAME} and ${NAME:-text} (also :=, :+ and :?) are read",
                f"write the value itself; {LITERALLY}",
            )

    def _otherwise(self, begin: int, name: str, operator: str, quoted: bool) -> None:
        """`${NAME:-word}`, from the word on."""
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            self._refuse(
                begin,
                f"more than {MAX_NESTING} of ${{…}} stand in each other",
                "write the value itself",
            )
            raise StopReading
        self._close_literal()
        outer, self._parts = self._parts, []
        self._braced_word(begin, quoted)
        self._close_literal()
        word, self._parts = tuple(self._parts), outer
        self._nesting -= 1
        place = self._place(begin)
        self._parts.append(Otherwise(name, operator[-1], len(operator) == 2, word, place))

    def _braced_word(self, begin: int, quoted: bool) -> None:
        """Up to the brace that ends `${NAME:-word}`; in double quotes if `quoted`."""
        while character := self._peek():
            index = self._index
            if self._take_run(_PLAIN_IN_BRACES):
                continue
            if character == "}":
                self._index += 1
                return
            if character == "$":
                self._dollar(quoted)
            elif character == "`":
                self._backquoted()
            elif character == "\\":
                after = self._text[index + 1 : index + 2]
                if after and (not quoted or after in '$`"\\}'):
                    self._index += 1
                self._take_next()
            elif quoted and character in "\"'":
                if self._good:  # once for both of them
                    self._refuse(
                        index,
                        "quotes inside of ${…} that stands in quotes itself are not read",
                        "write the value itself",
                    )
                self._index += 1
            elif character == "'":
                self._single_quoted()
            elif character == '"':
                self._index += 1
                self._double_quoted(index)
            elif character in "<>" and self._text.startswith("(", index + 1):
                # In quotes it starts nothing, but the shell looks for its end there, too.
                self._refuse_execution(index, arithmetic=False)
                raise StopReading
            elif character == "~" and not quoted:
                self._refuse(
                    index,
                    "the shell may put a home directory for this ~",
                    "write the whole path, or quote the value",
                )
                self._index += 1
            else:
                self._take_next()
        self._unterminated(begin, "${")

    def _refuse_special(self, begin: int, character: str) -> None:
        if self._skipping:
            return
        meaning = {
            "$": "the shell's process number, another one on each host and at each start",
            "!": "a process number",
            "?": "the status of the last command",
            "#": "the number of arguments",
            "-": "the shell's flags",
            "_": "the last word of the command before",
        }.get(character, "an argument of the shell")
        self._refuse(
            begin,
            f"to the shell ${character} is {meaning}",
            "put the value in single quotes, '…', where $ is only a dollar sign",
        )

    def _refuse_execution(self, begin: int, arithmetic: bool) -> None:
        what = "arithmetic" if arithmetic else "a command substitution"
        self._refuse(
            begin,
            f"{what}; configuration files are not executed",
            f"write the result itself; {LITERALLY}",
        )

    def _backquoted(self) -> None:
        begin = self._index
        end = re.compile(r"(?:[^`\\]|\\.)*`", re.DOTALL).match(self._text, begin + 1)
        if end is None:
            self._unterminated(begin, "`")
            return
        self._index = end.end()
        self._refuse_execution(begin, arithmetic=False)

    def _skip_nested(self, opening: str, closing: str, begin: int) -> None:
        """Move behind the closing bracket that matches the opening one here."""
        depth = 0
        quote = ""
        index = self._index
        while index < len(self._text):
            character = self._text[index]
            if character == "\\" and quote != "'":
                index += 1
            elif quote:
                quote = "" if character == quote else quote
            elif character in "\"'":
                quote = character
            elif character == opening:
                depth += 1
            elif character == closing:
                depth -= 1
                if depth == 0:
                    self._index = index + 1
                    return
            index += 1
        self._unterminated(begin, f"${opening}")

    def _c_quoted(self, begin: int) -> None:
        """`$'…'` from its quote on, with C's escapes."""
        self._index += 1
        while self._index < len(self._text):
            if self._take_run(_PLAIN_IN_C_QUOTES):
                continue
            index = self._index
            character = self._text[index]
            if character == "'":
                self._note_long_quote(begin, index)
                self._index += 1
                return
            if character != "\\":
                self._take_next()
                continue
            escaped = self._text[index + 1 : index + 2]
            coded = _CODED.match(self._text, index + 1)
            if escaped and escaped in _ESCAPES:
                self._take(_ESCAPES[escaped], index)
                self._index += 2
            elif coded is not None:
                self._coded(index, coded)
            elif escaped in ("c", "x", "u", "U"):
                self._refuse(index, f"\\{escaped} is not read here", "write the character itself")
                self._index += 2
            else:
                # As bash: an unknown escape stays, with its backslash.
                self._take_next()
        self._unterminated(begin, "$'")

    def _coded(self, index: int, coded: re.Match[str]) -> None:
        """`\\ooo`, `\\xHH` (a byte) and `\\uHHHH`, `\\UHHHHHHHH` (a character)."""
        self._index = coded.end()
        kind = coded.lastgroup or ""
        code = int(coded[kind], 8 if kind == "octal" else 16)
        if kind in ("octal", "byte"):
            code &= 0xFF
            text = bytes([code]).decode("utf-8", "surrogateescape")
        elif code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            self._refuse(index, "this is not a character of Unicode", "write the character itself")
            return
        else:
            text = chr(code)
        if code == 0:
            self._refuse(index, "a zero byte cannot be part of a value", "remove it")
            return
        self._take(text, index)
