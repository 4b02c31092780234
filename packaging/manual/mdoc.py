"""Text to mdoc(7), as groff and mandoc both read it: one sentence a line."""

import inspect
import re
import textwrap
from collections.abc import Iterable

DATE = "November 22, 2026"
"""Of the pages' texts, not of the day they were made: making them again must change nothing."""

MINUS = r"\-"
_SENTENCE = re.compile(r"(?<=[A-Za-z0-9)’”\]][.:!?]) (?=[A-Z0-9“(])")
_OPTION = re.compile(r"(?<![\w-])(--?)(?=[A-Za-z])")
_ESCAPES = {"\\": r"\e", "`": r"\(ga", "'": r"\(aq", "^": r"\(ha", "~": r"\(ti"}


def text(words: str) -> str:
    """Plain text as it stands in a line of mdoc."""
    escaped = "".join(_ESCAPES.get(c, c) if c.isascii() else f"\\[u{ord(c):04X}]" for c in words)
    return _OPTION.sub(lambda match: match[1].replace("-", r"\-"), escaped)


def lines(paragraph: str) -> list[str]:
    """A paragraph, every sentence on lines of its own."""
    flat = " ".join(paragraph.split())
    return [
        _safe(text(line))
        for sentence in _SENTENCE.split(flat)
        for line in textwrap.wrap(sentence, 72, break_long_words=False, break_on_hyphens=False)
    ]


def _safe(line: str) -> str:
    """A line that does not begin like a macro."""
    return rf"\&{line}" if line.startswith((".", "'", r"\(aq")) else line


def paragraphs(doc: str | None) -> list[str]:
    """The paragraphs of a docstring or help text, those of “Exit status” left out."""
    parts = re.split(r"\n\s*\n", inspect.cleandoc(doc or ""))
    return [" ".join(each.split()) for each in parts if each and not _is_status(each)]


def exit_status(doc: str | None) -> str:
    """What the paragraph “Exit status: …” of a docstring or help text says, or ""."""
    parts = re.split(r"\n\s*\n", inspect.cleandoc(doc or ""))
    found = [" ".join(each.split()) for each in parts if _is_status(each)]
    return found[0].removeprefix("Exit status:").strip() if found else ""


def _is_status(paragraph: str) -> bool:
    return paragraph.lstrip().startswith("Exit status:")


def body(doc: str | None) -> list[str]:
    """All paragraphs of a docstring, one after the other."""
    out: list[str] = []
    for number, each in enumerate(paragraphs(doc)):
        out += [".Pp"] * bool(number) + lines(each)
    return out


def flags(names: Iterable[str], value: str = "") -> str:
    """Options and what they take, as macros: “Fl n , Fl \\-limit Ar N”."""
    given = " , ".join(f"Fl {name[1:].replace('-', MINUS)}" for name in names)
    return given + (f" Ar {text(value)}" if value else "")


def tagged(entries: Iterable[tuple[str, list[str]]], width: str = "Ds") -> list[str]:
    """A list: heads (macros, or text that is escaped already) and what is said about each."""
    out = [f".Bl -tag -width {width}"]
    for head, said in entries:
        out += [f".It {head}", *said]
    return [*out, ".El"]


def literal(block: str) -> list[str]:
    """Text that stays as it stands."""
    return [".Bd -literal", *(_safe(text(line)) for line in block.splitlines()), ".Ed"]


def page(name: str, section: int, what: str, sections: Iterable[tuple[str, list[str]]]) -> str:
    """A whole page."""
    out = [
        '.\\" Made by packaging/manual from the programs themselves: do not edit.',
        f".Dd {DATE}",
        f".Dt {name.upper()} {section}",
        ".Os",
        ".Sh NAME",
        f".Nm {name}",
        f".Nd {text(what)}",
    ]
    for title, content in sections:
        if content:
            out += [f".Sh {title}", *content]
    return "\n".join(out) + "\n"
