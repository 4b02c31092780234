"""A program and its arguments, as a value of a key."""

import re
import shlex

from vipd.config.problem import cited, error, shown, warning
from vipd.config.shell import Value
from vipd.config.values import Report

_SHELL_ONLY = re.compile(r"\d?[|&;<>].*|`.*|\$\(.*")


def words(key: str, value: Value, report: Report) -> tuple[str, ...] | None:
    """The whole path of a program, and its arguments, split as a shell would split them."""
    try:
        found = shlex.split(value.text)
        value.text.encode()
    except ValueError as why:
        what = f"{key} cannot be split into words: {why}"
        if isinstance(why, UnicodeError):
            what = f"{key} is not valid UTF-8"
        hint = f"write {key}='/PATH/OF/A/PROGRAM ARGUMENT …', with quotes in pairs"
        report(error(value.place, what, hint))
        return None
    path = found[0] if found else ""
    if not path.startswith("/") or shown(path, len(path)) != path:
        what = f"{key} “{cited(path)}” is not the whole path of a program"
        hint = f"write it from / on, like {key}='/usr/bin/curl -fsS http://127.0.0.1/'"
        report(error(value.place, what, hint))
        return None
    for word in found[1:]:
        if _SHELL_ONLY.fullmatch(word):
            what = f"{key} has “{cited(word)}”, which is an argument like any other here"
            hint = "no shell runs this: write a script, or /bin/sh -c '…'"
            report(warning(value.place, what, hint))
            break
    return tuple(found)
