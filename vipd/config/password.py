"""The passwords of a group: from PASSFILE, PASSWORD, or the same options inside OPTIONS; a second
one from PASSFILE_ALSO, PASSWORD_ALSO."""

from collections.abc import Callable
from pathlib import Path

from vipd.config.files import UnreadableError, read_regular
from vipd.config.memory import Memory
from vipd.config.problem import FileLocation, Problem, cited, error, warning
from vipd.config.shell import Binding, Value

_BLANKS = b" \t"
_BOM = "\ufeff".encode()
_CURLY = tuple(quote.encode() for quote in "“”„‟‘’‚‛«»")

UCARP_LIMIT = 19
LIMIT = 20
"""Bytes. The key of the HMAC has 20; the BSDs use them all, ucarp refuses the last."""

#: What the names of the keys of the second password end in.
ALSO = "_ALSO"

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
        report(_unreadable("PASSFILE", value, why))
        return None


def from_keys(
    passfile: Value | None,
    password: Value | None,
    directory: Path,
    memory: Memory,
    report: Report,
    also: str = "",
) -> bytes | None:
    """The password of PASSFILE (as in the newer package), else of PASSWORD (as in the older).
    If a PASSFILE that was read before becomes unreadable through a fault, that is an error.

    ``also``: `ALSO` if these are the values of PASSFILE_ALSO and PASSWORD_ALSO.
    """
    file_key, key = f"PASSFILE{also}", f"PASSWORD{also}"
    if passfile is None:
        if password is None:
            return None
        return _checked(_from_key(key, password, report), password.place, report)
    try:
        content = _read(passfile, directory, memory, report)
    except UnreadableError as why:
        if password is None or (why.fault and why.known):
            report(_unreadable(file_key, passfile, why))
            return None
        report(
            warning(
                passfile.place,
                f"{file_key} {cited(passfile.text)}: {why.message}; {key} is used instead",
                f"create the password file, or remove {file_key}",
            )
        )
        return _checked(_from_key(key, password, report), password.place, report)
    if password is not None and _from_key(key, password, lambda _: None) != content:
        report(
            warning(
                password.place,
                f"{key} differs from what {file_key} holds; {file_key} is used",
                f"remove {key}, or make both the same on every host",
            )
        )
    return _checked(content, passfile.place, report)


def second(
    first: bytes | None,
    passfile: Binding | None,
    password: Binding | None,
    directory: Path,
    memory: Memory,
    report: Report,
) -> bytes | None:
    """The second password, of PASSFILE_ALSO, else of PASSWORD_ALSO; None if it is ``first``."""
    named = {"PASSFILE_ALSO": passfile, "PASSWORD_ALSO": password}
    there = {key: each.value for key, each in named.items() if each and each.value.text.strip()}
    for key, each in named.items():
        if each is not None and not there:
            # No error would mean no second password: the next step of the change would part hosts.
            hint = f"write the second password, or remove {key}"
            report(error(each.place, f"{key} is empty", hint))
            return None
    word = there.get("PASSWORD_ALSO")
    found = from_keys(there.get("PASSFILE_ALSO"), word, directory, memory, report, ALSO)
    if found is None or found != first:
        return found
    key, given = next(iter(there.items()))
    what = f"{key} is the same password as the first one, and so changes nothing"
    hint = f"remove {key}; or, to change the password, write another one there"
    report(warning(given.place, what, hint))
    return None


def _from_key(key: str, password: Value, report: Report) -> bytes:
    """The service wrote --pass=${PASSWORD} without quotes, so a blank ended the password."""
    words = password.words()
    if words and len(words[0].text) < len(password.text):
        report(
            warning(
                password.place,
                f"{key} has a blank in it: only the first word is the password, as with ucarp",
                "choose a password without blanks, or put it into a file (PASSFILE)",
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


def _unreadable(key: str, name: Value, why: UnreadableError) -> Problem:
    return error(name.place, f"{key} {cited(name.text)}: {why.message}", why.hint)


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
