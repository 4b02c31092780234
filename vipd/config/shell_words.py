"""The reader under `shell`: from characters to assignments made of literals and $NAMEs.

It follows bash 5's own reader: a backslash before a newline vanishes (except in single quotes),
double quotes know five escapes, `$'…'` knows C's. What needs execution is reported and skipped.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vipd.config.problem import Place, Problem, Run, error, shown

MAX_PROBLEMS = 20
"""A file with more errors than this is no configuration; reading on would only make noise."""

MAX_STEPS = 200_000
"""Looks at a next character in one file. A real file needs a thousand; a megabyte of settings
would keep the daemon from its timers for seconds."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


BASH_SETS = _words(
    "BASH BASHOPTS BASHPID BASH_ALIASES BASH_ARGC BASH_ARGV BASH_ARGV0 BASH_CMDS BASH_COMMAND "
    "BASH_LINENO BASH_SOURCE BASH_SUBSHELL BASH_VERSINFO BASH_VERSION COMP_WORDBREAKS DIRSTACK "
    "EPOCHREALTIME EPOCHSECONDS EUID FUNCNAME GROUPS HISTCMD HOME HOSTNAME HOSTTYPE IFS LANG "
    "LINENO LOGNAME MACHTYPE OLDPWD OPTERR OPTIND OSTYPE PATH PIPESTATUS PPID PS4 PWD RANDOM "
    "SECONDS SHELL SHELLOPTS SHLVL SRANDOM TERM UID USER _"
)
"""Names that have a value in bash (or in a service's environment) without being set in a file."""

_CONTROL = _words(
    "if then elif else fi for while until do done case esac select function time { } ! [[ coproc "
    "return exit"
)
_BUILTINS = _words(
    "source . eval exec set unset shopt declare typeset local readonly alias echo printf test [ "
    "read let cd umask trap true false : logger ip hostname"
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME_PART = (_NAME, re.compile(r"[A-Za-z0-9_]+"))
_LITERALLY = "for a literal text use single quotes"
# Characters that mean nothing special where they stand, so that they are taken many at a time.
_PLAIN = re.compile(r"[^\\'\"$`~:={ \t\n;&|<>()]+")
_PLAIN_IN_DOUBLE_QUOTES = re.compile(r'[^"$`\\\n]+')
_PLAIN_IN_SINGLE_QUOTES = re.compile(r"[^'\n]+")
_PLAIN_IN_C_QUOTES = re.compile(r"[^'\\\n]+")
# Nearly every assignment: nothing but plain characters, quoted or not, up to the end of the word.
_USUAL = re.compile(
    rf"(?P<name>{_NAME.pattern})="
    r"""(?:"(?P<double>[^"$`\\\n]*)"|'(?P<single>[^'\n]*)'|(?P<bare>[^\\'"$`~:={ \t\n;&|<>()]*))"""
    r"(?=[ \t\n;]|\Z)"
)
_USUAL_STEPS = 7
"""Looks that it stands for, so that MAX_STEPS is as much work as ever."""
_ESCAPED_IN_QUOTES = re.compile(r'\\[$`"\\]')
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


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that stands for itself, with the place of each character."""

    text: str
    places: Sequence[Place]


@dataclass(frozen=True, slots=True)
class Variable:
    """`$NAME` or `${NAME}`; `place` is that of the dollar sign."""

    name: str
    place: Place


Part = Literal | Variable


@dataclass(frozen=True, slots=True)
class Assignment:
    """`name=parts` (or `name+=parts`); `place` is that of the name, `start` that of the value."""

    name: str
    parts: tuple[Part, ...]
    append: bool
    place: Place
    start: Place


@dataclass(frozen=True, slots=True)
class Command:
    """Assignments that stand on one line. With `export`, all values are expanded before any is
    assigned; without, one after the other."""

    assignments: tuple[Assignment, ...]
    export: bool


class _StopReading(Exception):  # noqa: N818 (not an error: the end of what can be understood)
    """Nothing after this point can be understood (an open quote, a block of code)."""


class Parser:
    """Reads one text once: iterate over `commands`, then look at `problems`."""

    def __init__(self, text: str, file: str) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._text = self._cleaned(text)
        self._index = 0
        self._steps = 0
        self._lines = [0, *(match.end() for match in re.finditer("\n", self._text))]
        self._parts: list[Part] = []
        self._characters: list[str] = []
        self._places: list[Place] = []
        self._good = True
        self._first_long_quote: int | None = None

    def commands(self) -> Iterator[Command]:
        """Each command that could be read."""
        try:
            while self._index < len(self._text):
                command = self._command()
                if command is not None and command.assignments:
                    yield command
        except _StopReading:
            return

    # ---- the text as a whole -------------------------------------------------------------------

    def _cleaned(self, text: str) -> str:
        """Without byte order mark and carriage returns, each reported once; nothing if binary."""
        if (nul := text.find("\0")) >= 0:
            place = Place(self._file, text.count("\n", 0, nul) + 1, nul - text.rfind("\n", 0, nul))
            self.problems.append(
                error(
                    place,
                    "a zero byte: this is not a text file",
                    "put a text file in its place; nothing of this one is used",
                )
            )
            return ""
        if text.startswith("\ufeff"):
            self.problems.append(
                error(
                    Place(self._file),
                    "the file begins with a byte order mark, which the shell takes for text",
                    "save it as UTF-8 without a byte order mark",
                )
            )
            text = text[1:]
        if (match := re.search(r"\r(?=\n|\Z)", text)) is not None:
            begin = match.start()
            place = Place(
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

    def _place(self, index: int) -> Place:
        line = bisect_right(self._lines, index)
        return Place(self._file, line, index - self._lines[line - 1] + 1)

    def _refuse(self, index: int, message: str, hint: str) -> None:
        self._good = False
        self.problems.append(error(self._place(index), message, hint))
        if len(self.problems) >= MAX_PROBLEMS:
            self.problems.append(
                error(
                    self._place(index),
                    "too many errors: the rest of this file is not read",
                    "correct the first ones; some of the others may follow from them",
                )
            )
            raise _StopReading

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
            raise _StopReading
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

    # ---- commands ------------------------------------------------------------------------------

    def _command(self) -> Command | None:
        """One command up to its `;` or newline; None when it was refused."""
        assignments: list[Assignment] = []
        words = 0
        export = False
        before = ""
        while True:
            while (character := self._peek()) and character in " \t":
                self._index += 1
            if character == "#":
                self._skip_comment()
                continue
            if not character or character in "\n;":
                if character == ";" and not words:
                    self._refuse(self._index, "a ; without a command before it", "remove it")
                self._index += 1
                return Command(tuple(assignments), export)
            if character in "&|<>()":
                self._refuse_operator(character)
                return None
            words += 1
            begin = self._index
            self._good = True
            if (assignment := self._assignment(export)) is not None:
                before = assignment.name
                if self._good:
                    assignments.append(assignment)
                continue
            bare = self._bare_word(begin)
            if bare == "export" and words == 1:
                export = True
            elif not (export and bare and _NAME.fullmatch(bare)):
                self._refuse_word(begin, bare, before, export)
                self._skip_command()
                return None

    def _skip_comment(self) -> None:
        end = self._text.find("\n", self._index)
        self._index = len(self._text) if end < 0 else end

    def _assignment(self, export: bool) -> Assignment | None:
        """`NAME=value` or `NAME+=value` from here; None, and nothing read, when it is not one."""
        begin = self._index
        if (usual := _USUAL.match(self._text, begin)) is not None:
            return self._usual(usual)
        name = self._name()
        append = self._peek() == "+"
        if name and append:
            self._index += 1
        if not name or self._peek() != "=":
            self._index = begin
            return None
        self._index += 1
        if self._peek() == "(":
            self._refuse(self._index, "this is an array", 'write NAME="one value"')
            raise _StopReading
        start = self._place(min(self._index, len(self._text)))
        parts = self._value(export)
        return Assignment(name, parts, append, self._place(begin), start)

    def _usual(self, match: re.Match[str]) -> Assignment:
        """What the rest of this class would make of it, in a fifth of the time."""
        self._index = match.end()
        self._steps += _USUAL_STEPS
        place = self._place(match.start())
        file, line, column = place
        quoting = match.lastgroup or ""
        text = match[quoting]
        start = Place(file, line, column + match.end("name") + 1 - match.start())
        first = column + match.start(quoting) - match.start()
        run = Run(file, line, range(first, first + len(text)))
        parts = (Literal(text, run),) if text else ()
        return Assignment(match["name"], parts, False, place, start)

    def _name(self) -> str:
        name = ""
        # More than one round only where a continuation line splits the name.
        while self._peek() and (more := _NAME_PART[bool(name)].match(self._text, self._index)):
            name += more[0]
            self._index = more.end()
        return name

    def _bare_word(self, begin: int) -> str | None:
        """Read a word that is no assignment; its text if nothing in it was quoted or expanded."""
        known = len(self.problems)
        parts = self._value(export=False)
        del self.problems[known:]  # the word itself is refused; no second complaint about it
        self._good = True
        text = self._text[begin : self._index]
        plain = not parts or (len(parts) == 1 and isinstance(parts[0], Literal))
        return text if plain and not set(text) & set("\"'\\$`") else None

    def _skip_command(self) -> None:
        """Read on to the end of a refused command, over its quotes, without further complaints.

        Stops all reading where a block begins: what is inside it must not count as a setting.
        """
        known = len(self.problems)
        while (character := self._peek()) and character not in "\n;":
            after_blank = self._text[self._index - 1] in " \t"
            if character in "()" or self._text.startswith("<<", self._index):
                raise _StopReading
            if character == "#" and after_blank:
                self._skip_comment()
            elif character in " \t&|<>":
                self._index += 1
            elif character == "{" and after_blank:
                raise _StopReading
            else:
                self._value(export=False)
        self._index += 1
        del self.problems[known:]

    def _refuse_operator(self, character: str) -> None:
        what = {
            "&": "& or && starts commands",
            "|": "| or || joins commands",
            "<": "< redirects input",
            ">": "> redirects output",
            "(": "( starts a command or a function",
            ")": ") ends a command",
        }[character]
        self._refuse(
            self._index,
            f"{what}; configuration files are not executed",
            f"only NAME=value is read here; {_LITERALLY}",
        )
        self._skip_command()

    def _refuse_word(self, begin: int, bare: str | None, before: str, export: bool) -> None:
        """Say what is wrong with a word that stands where an assignment should.

        Never quotes an unknown word: it may be the second half of a password with a blank in it.
        """
        if bare in _CONTROL:
            self._refuse(
                begin,
                f"“{bare}” belongs to a program; configuration files are not executed",
                "write plain NAME=value lines; nothing after this one is read",
            )
            raise _StopReading
        if bare in (".", "source"):
            message = f"“{bare}” reads another file; vipd reads vip-common.conf and this file only"
            hint = "put shared lines into vip-common.conf"
        elif bare in _BUILTINS:
            message = f"“{bare}” is a command; configuration files are not executed"
            hint = "write plain NAME=value lines"
        elif export:
            message = "after export only NAME or NAME=value is read"
            hint = 'write export NAME="value"'
        elif before:
            message = f"the value of {shown(before)} ends before this word, which is not part of it"
            hint = f'quote values that have blanks: {shown(before)}="…"; no blank after the ='
        elif re.match(r"[ \t]*\+?=", self._text[self._index :][:80]):
            message = "there is a blank before the =, so this is a command, not an assignment"
            hint = "write NAME=value without blanks around the ="
        else:
            message = "this is a command, not an assignment; configuration files are not executed"
            hint = 'write NAME="value", or # in front of a comment'
        self._refuse(begin, message, hint)

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
            elif character == "~" and previous in ("=", ":"):
                self._refuse(
                    begin,
                    "the shell would put a home directory for this ~",
                    "write the whole path, or quote the value",
                )
                self._index += 1
            elif character == "{" and export:
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
        raise _StopReading

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
            self._braces(begin)
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

    def _braces(self, begin: int) -> None:
        """`${NAME}`, from its brace on."""
        brace = self._index
        self._index += 1
        name = self._name()
        if name and self._peek() == "}":
            self._index += 1
            self._variable(begin, name)
            return
        self._index = brace
        self._skip_nested("{", "}", begin)
        inside = self._text[brace + 1 : self._index - 1]
        if inside and (inside in "$!?#@*-" or inside.isdigit()):
            self._refuse_special(begin, inside[:1])
        else:
            self._refuse(
                begin,
                "of ${…} only the plain ${NAME} is read",
                f"write the value itself; {_LITERALLY}",
            )

    def _refuse_special(self, begin: int, character: str) -> None:
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
            f"write the result itself; {_LITERALLY}",
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
                # As bash: an escape nobody knows stays, with its backslash.
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
