"""The reader under `shell`: from words to the steps of a file.

What has an effect that reading cannot follow is refused where it stands. Commands that set no
variable are skipped, with a warning: the service ran them, or failed to, and continued.
"""

import re
from collections.abc import Iterator

from vipd.config.problem import FileLocation, Run, shown
from vipd.config.shell_steps import (
    Assignment,
    Command,
    Declare,
    Literal,
    Name,
    Part,
    ReadOnly,
    Skipped,
    Source,
    Step,
    Unset,
)
from vipd.config.shell_words import LITERALLY, NAME, StopReading, WordReader, listed

_CONTROL = listed(
    "if then elif else fi for while until do done case esac select function time { } ! [[ coproc "
    "return exit"
)
#: Builtins that set variables, end the shell, run other commands or change what later ones mean.
_CHANGES = listed(
    "alias bg bind break builtin cd command compgen complete compopt continue disown enable eval "
    "exec fc fg getopts history jobs kill let local logout mapfile popd pushd read readarray set "
    "shift shopt suspend trap unalias wait"
)
_DECLARE = listed("declare typeset")
#: Those that are read for what they are, when they are the first word.
_READ = listed("export declare typeset readonly unset . source")
#: Commands that are called by their names in messages: they are no part of a password.
_KNOWN = listed(
    "echo printf test [ : true false logger ip hostname umask ulimit sleep sysctl modprobe "
    "ifconfig route arping touch chmod chown mkdir sudo env"
)
#: Options of declare that change no value.
_ATTRIBUTES = listed("-x +x -r -g -rx -xr -gx -xg -gr -rg")
#: Bytes that are no UTF-8: this is no configuration.
_NO_TEXT = re.compile("[\ud800-\udfff]")
_GLOB = frozenset("*?[]{}~")
# Nearly every assignment: nothing but plain characters, quoted or not, up to the end of the word.
_USUAL = re.compile(
    rf"(?P<name>{NAME.pattern})="
    r"""(?:"(?P<double>[^"$`\\\n]*)"|'(?P<single>[^'\n]*)'|(?P<bare>[^\\'"$`~:={ \t\n;&|<>()]*))"""
    r"(?=[ \t\n;]|\Z)"
)
_USUAL_STEPS = 7
"""Looks that it stands for, so that MAX_STEPS is as much work as ever."""
_REDIRECTION = re.compile(r"&>>?|<[&>]?|>[>&|]?")


class Parser(WordReader):
    """Reads one text once: iterate over `steps`, then look at `problems`."""

    def steps(self) -> Iterator[Step]:
        """Each step that could be read."""
        try:
            while self._index < len(self._text):
                yield from self._command()
        except StopReading:
            return

    def _command(self) -> tuple[Step, ...]:
        """One command up to its `;` or newline; nothing when it was refused."""
        assignments: list[Assignment] = []
        empty = True
        while True:
            character = self._next_word()
            if not character or character in "\n;":
                if character == ";" and empty:
                    self._refuse(self._index, "a ; without a command before it", "remove it")
                self._index += 1
                return (Command(tuple(assignments)),) if assignments else ()
            if character in "&|<>()":
                self._refuse_operator(character)
                return ()
            begin = self._index
            self._good = True
            if (assignment := self._assignment(in_command=False)) is None:
                return self._named(begin, assignments, first=empty)
            empty = False
            if self._good:
                assignments.append(assignment)

    def _next_word(self) -> str:
        """Move to the next word of the command, over blanks and a comment: its first character."""
        while (character := self._peek()) and character in " \t":
            self._index += 1
        if character == "#":
            self._skip_comment()
            character = self._peek()
        return character

    def _skip_comment(self) -> None:
        end = self._text.find("\n", self._index)
        self._index = len(self._text) if end < 0 else end

    def _assignment(self, in_command: bool) -> Assignment | None:
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
            raise StopReading
        start = self._place(min(self._index, len(self._text)))
        parts = self._value(in_command)
        return Assignment(name, parts, append, self._place(begin), start)

    def _usual(self, match: re.Match[str]) -> Assignment:
        """The same result as the rest of this class, in a fifth of the time."""
        self._index = match.end()
        self._steps += _USUAL_STEPS
        place = self._place(match.start())
        file, line, column = place
        quoting = match.lastgroup or ""
        text = match[quoting]
        start = FileLocation(file, line, column + match.end("name") + 1 - match.start())
        first = column + match.start(quoting) - match.start()
        run = Run(file, line, range(first, first + len(text)))
        parts = (Literal(text, run),) if text else ()
        return Assignment(match["name"], parts, False, place, start)

    # ---- commands that are read, or skipped ------------------------------------------------------

    def _named(self, begin: int, before: list[Assignment], *, first: bool) -> tuple[Step, ...]:
        """A command that begins with a word that is no assignment, from this word on."""
        word, written = self._command_word(begin)
        name = before[-1].name if before else ""
        if first and word in _READ and word == written:
            if word in (".", "source"):
                return self._source(word)
            return self._unset() if word == "unset" else self._declaration(word)
        if written in _CONTROL:
            self._refuse(
                begin,
                f"“{written}” belongs to a program; configuration files are not executed",
                "write plain NAME=value lines; nothing after this one is read",
            )
            raise StopReading
        what, hint = self._about(word, written, name)
        known = word is not None and word not in _CHANGES and word not in _READ
        parts = self._rest(word) if word is not None and known else None
        if parts is None:
            return self._refuse_command(begin, what, hint)
        if not self._good:
            self._skip_command()
            return ()
        self._index += 1
        if begin == 0 and self._bom:
            self._warn(
                begin,
                "the file begins with a byte order mark, so that its first line is a command to "
                "the shell: it is skipped, and sets nothing, as with ucarp",
                "save the file as UTF-8 without a byte order mark, if the line is to count",
            )
        elif name:
            self._warn(
                begin,
                f"the value of {shown(name)} ends before this word, which the shell ran as a "
                f"command: {shown(name)} is what it was before this line, as with ucarp",
                hint,
            )
        else:
            self._warn(begin, f"{what}: it is skipped, and set nothing for ucarp either", hint)
        # As the shell expands them: the words, then what stands before the command.
        return (Skipped(parts + tuple(part for each in before for part in each.parts)),)

    def _command_word(self, begin: int) -> tuple[str | None, str]:
        """Read a word that is no assignment: the command's name, None when only a shell could tell
        it; and as it is written."""
        known = len(self.problems)
        parts = self._value(export=False)
        plain = self._good and all(isinstance(part, Literal) for part in parts)
        del self.problems[known:]  # the word itself is refused; no second complaint about it
        self._good = True
        written = self._text[begin : self._index]
        word = "".join(part.text for part in parts if isinstance(part, Literal))
        if word != "[" and (not plain or _GLOB & set(written) or _NO_TEXT.search(word)):
            return None, written
        return word, written

    def _rest(self, word: str) -> tuple[Part, ...] | None:
        """The other words of a command that is skipped; None when reading cannot follow it."""
        parts: list[Part] = []
        files: list[Part] = []  # what is redirected to: expanded after the words
        self._skipping = True
        try:
            while (character := self._next_word()) and character not in "\n;":
                redirection = _REDIRECTION.match(self._text, self._index)
                if redirection is not None:
                    if self._text.startswith("<<", self._index):
                        return None
                    self._index = redirection.end()
                    character = self._next_word()
                if not character or character in "\n;&|<>()":
                    return None
                begin = self._index
                more = self._value(export=False)
                if word == "printf" and not parts and not _is_text(more):
                    return None  # printf -v sets a variable
                if self._text[begin : self._index].startswith("{") and self._peek() in ("<", ">"):
                    return None  # so does {NAME}>FILE
                (parts if redirection is None else files).extend(more)
        finally:
            self._skipping = False
        return (*parts, *files)

    def _declaration(self, word: str) -> tuple[Step, ...]:
        """What follows export, declare, typeset or readonly."""
        begin = self._index - len(word)
        fixed = word == "readonly"
        assignments: list[Assignment] = []
        names: list[Name] = []
        while (character := self._next_word()) and character not in "\n;":
            if character in "&|<>()":
                self._refuse_operator(character)
                return ()
            here = self._index
            self._good = True
            if (assignment := self._assignment(in_command=True)) is not None:
                if assignment.append and word != "export":
                    self._refuse(here, f"+= after {word} is not read", "write NAME=value")
                elif self._good:
                    assignments.append(assignment)
                continue
            name, written = self._command_word(here)
            if word in _DECLARE and not assignments and not names and written in _ATTRIBUTES:
                fixed = fixed or "r" in written
            elif name == written and NAME.fullmatch(written):
                names.append(Name(written, self._place(here)))
            else:
                hint = f'write {word * (word == "export")} NAME="value"'.replace("  ", " ")
                what = f"after {word} only NAME or NAME=value is read"
                return self._refuse_command(here, what, hint)
        self._index += 1
        if word == "export":
            return (Command(tuple(assignments), at_once=True),) if assignments else ()
        self._warn(
            begin,
            f"“{word}” is a command; it is read for what it assigns, as the shell did",
            "write NAME=value",
        )
        set_here = [Name(each.name, each.place) for each in assignments]
        steps: list[Step] = [Command(tuple(assignments), at_once=True)] if assignments else []
        if names and word != "readonly":
            steps.append(Declare(tuple(names)))
        if fixed:
            steps.append(ReadOnly((*set_here, *names)))
        return tuple(steps)

    def _unset(self) -> tuple[Step, ...]:
        begin = self._index - len("unset")
        names: list[Name] = []
        functions = False
        while (character := self._next_word()) and character not in "\n;":
            if character in "&|<>()":
                self._refuse_operator(character)
                return ()
            here = self._index
            name, written = self._command_word(here)
            if not names and name == written and written in ("-v", "-f"):
                functions = functions or written == "-f"
            elif name == written and NAME.fullmatch(written):
                names.append(Name(written, self._place(here)))
            else:
                what = "after unset only names of variables are read"
                return self._refuse_command(here, what, "write unset NAME, or remove the line")
        self._index += 1
        self._warn(
            begin,
            "“unset” is a command; it is read for what it says, as the shell did",
            "remove it, together with the lines that set these variables",
        )
        return () if functions else (Unset(tuple(names)),)

    def _source(self, word: str) -> tuple[Step, ...]:
        """The name of the file behind `.` or `source`."""
        begin = self._index - len(word)
        character = self._next_word()
        here = self._index
        self._good = True
        parts = self._value(export=True) if character and character not in "\n;&|<>()" else ()
        if not self._good:
            self._skip_command()
            return ()
        written = self._text[here : self._index]
        if not parts or self._next_word() not in ("", "\n", ";") or _GLOB & set(written):
            return self._refuse_command(
                begin,
                f"“{word}” is read with the path of one file only",
                f"write {word} /etc/ucarp/NAME, or put the lines into vip-common.conf",
            )
        self._index += 1
        return (Source(parts, self._place(here)),)

    # ---- what is refused -------------------------------------------------------------------------

    def _about(self, word: str | None, written: str, before: str) -> tuple[str, str]:
        """What is wrong with a word that stands where an assignment should, and what to write.

        Never quotes an unknown word: it may be the second half of a password with a blank in it.
        """
        if word == written and (word in _KNOWN or word in _CHANGES or word in _READ):
            return (
                f"“{word}” is a command; configuration files are not executed",
                "write plain NAME=value lines; commands belong into UPSCRIPT",
            )
        if before:
            return (
                f"the value of {shown(before)} ends before this word, which is not part of it",
                f'quote values that have blanks: {shown(before)}="…"; no blank after the =',
            )
        if re.match(r"[ \t]*\+?=", self._text[self._index :][:80]):
            return (
                "there is a blank before the =, so this is a command, not an assignment",
                "write NAME=value without blanks around the =",
            )
        return (
            "this is a command, not an assignment; configuration files are not executed",
            'write NAME="value", or # in front of a comment',
        )

    def _refuse_command(self, begin: int, message: str, hint: str) -> tuple[Step, ...]:
        self._refuse(begin, message, hint)
        self._skip_command()
        return ()

    def _skip_command(self) -> None:
        """Read on to the end of a refused command, over its quotes, without further complaints.

        Stops all reading where a block begins: what is inside it must not count as a setting.
        """
        known = len(self.problems)
        while (character := self._peek()) and character not in "\n;":
            after_blank = self._text[self._index - 1] in " \t"
            if character in "()" or self._text.startswith("<<", self._index):
                raise StopReading
            if character == "#" and after_blank:
                self._skip_comment()
            elif character in " \t&|<>":
                self._index += 1
            elif character == "{" and after_blank:
                raise StopReading
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
            f"only NAME=value is read here; {LITERALLY}",
        )
        self._skip_command()


def _is_text(parts: tuple[Part, ...]) -> bool:
    """Whether these are no option, whatever they are."""
    first = parts[0] if parts else None
    return isinstance(first, Literal) and not first.text.startswith("-")
