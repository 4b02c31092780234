"""The password of a group: from PASSFILE, PASSWORD, or the same options inside OPTIONS."""

from collections.abc import Callable
from pathlib import Path

from vipd.config.files import UnreadableError, read_regular
from vipd.config.memory import Memory
from vipd.config.problem import FileLocation, Problem, cited, error, warning
from vipd.config.shell import Value

_BLANKS = b" \t"
_BOM = "\ufeff".encode()
_CURLY = tuple(quote.encode() for quote in "“”„‟‘’‚‛«»")

UCARP_LIMIT = 19
LIMIT = 20
"""Bytes. The key of the HMAC has 20; the BSDs use them all, ucarp refuses the last."""

Report = Callable[[Problem], None]


def from_options(
    name: str, value: Value, directory: Path, memory: Memory, report: Report
) -> bytes | None:
    """The password of `--pass` or `--passfile`."""
    if name == "pass":
        return _checked(_bytes(value.text), value.place, report)
    try:
        return _checked(_read(value, directory, memory, report), value.place, report)
    except UnreadableError as why:
        report(_unreadable(value, why))
        return None


def from_keys(
    passfile: Value | None,
    password: Value | None,
    directory: Path,
    memory: Memory,
    report: Report,
) -> bytes | None:
    """The password of PASSFILE (as in the newer package), else of PASSWORD (as in the older).
    If a PASSFILE that was read before becomes unreadable through a fault, that is an error.
    """
    if passfile is None:
        if password is None:
            return None
        return _checked(_from_key(password, report), password.place, report)
    try:
        content = _read(passfile, directory, memory, report)
    except UnreadableError as why:
        if password is None or (why.fault and why.known):
            report(_unreadable(passfile, why))
            return None
        report(
            warning(
                passfile.place,
                f"PASSFILE {cited(passfile.text)}: {why.message}; PASSWORD is used instead",
                "create the password file, or remove PASSFILE",
            )
        )
        return _checked(_from_key(password, report), password.place, report)
    if password is not None and _from_key(password, lambda _: None) != content:
        report(
            warning(
                password.place,
                "PASSWORD differs from what PASSFILE holds; PASSFILE is used",
                "remove PASSWORD, or make both the same on every host",
            )
        )
    return _checked(content, passfile.place, report)


def _from_key(password: Value, report: Report) -> bytes:
    """The service wrote --pass=${PASSWORD} without quotes, so a blank ended the password."""
    words = password.words()
    if words and len(words[0].text) < len(password.text):
        report(
            warning(
                password.place,
                "PASSWORD has a blank in it: only the first word is the password, as with ucarp",
                "choose a password without blanks, or put it into a file named by PASSFILE",
            )
        )
    return _bytes(words[0].text if words else "")


def _read(name: Value, directory: Path, memory: Memory, report: Report) -> bytes:
    """First line of a password file as ucarp's fgets reads it: 511 bytes, up to a zero byte."""
    content = memory.content(directory / name.text, lambda path: read_regular(path, 511))
    line = content.split(b"\n", 1)[0].split(b"\0", 1)[0]
    if line.endswith(b"\r"):
        report(
            warning(
                name.place,
                f"the first line of {cited(name.text)} ends in CR LF; as for ucarp, the CR is "
                "part of the password",
                f"if no host needs it: sed -i 's/\\r$//' {cited(name.text)}, on all of them",
            )
        )
    elif line != line.strip(_BLANKS) or line.startswith(_BOM):
        where = "begins with a byte order mark" if line.startswith(_BOM) else "begins with a blank"
        report(
            warning(
                name.place,
                f"the first line of {cited(name.text)} "
                f"{'ends in a blank' if line != line.rstrip(_BLANKS) else where}; as for ucarp, it "
                "is part of the password",
                "remove it on all hosts of the group, if none of them needs it",
            )
        )
    return line


def _unreadable(name: Value, why: UnreadableError) -> Problem:
    return error(name.place, f"PASSFILE {cited(name.text)}: {why.message}", why.hint)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _checked(password: bytes, place: FileLocation, report: Report) -> bytes | None:
    """The password if its length is usable: 1 to 20 bytes."""
    length = len(password)
    if password.startswith(_CURLY) or password.endswith(_CURLY):
        report(
            warning(
                place,
                "the password has curly quotes around it; as for ucarp, they are part of it",
                "write straight quotes, on all hosts of the group at once, if they are not meant",
            )
        )
    if length == 0:
        report(
            error(
                place,
                "the password is empty; without one, which is the BSDs' default, anybody could "
                "take the address",
                "write one of 1 to 19 bytes, the same on every host",
            )
        )
        return None
    if length > LIMIT:
        report(
            error(
                place,
                f"the password has {length} bytes; CARP uses 20 at most, ucarp and the BSDs 19",
                "choose one of 1 to 19 bytes, on every host",
            )
        )
        return None
    if length > UCARP_LIMIT:
        report(
            warning(
                place,
                f"the password has {length} bytes; ucarp refuses to start with more than 19, and "
                "the BSDs cut it off there",
                "choose one of 1 to 19 bytes, unless all hosts run vipd",
            )
        )
    return password
