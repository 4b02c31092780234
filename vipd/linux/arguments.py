"""Changes the command line that other processes see."""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

#: Fields of /proc/self/stat after the program's name: the addresses of the arguments (proc(5)).
_ARG_START, _ARG_END = 48 - 3, 49 - 3


def show(command: Sequence[str]) -> None:
    """Make ``command``, the end of our command line, the whole of it in lists of processes: without
    the interpreter and its options, which a script has in front. So `pidof` finds it. Does nothing
    if it is longer than the command line. Raises OSError if /proc does not give its place."""
    start, end = _place()
    words = b"".join(os.fsencode(word) + b"\0" for word in command)
    if len(words) <= end - start:
        ctypes.memmove(start, words.ljust(end - start, b"\0"), end - start)


def hide(secret: str) -> None:
    """Overwrite an argument, or the end of one (``--pass=secret``, ``-zpsecret``), with x, so that
    no list of processes shows it. Raises OSError if /proc does not give its place."""
    start, end = _place()
    length = len(wanted := os.fsencode(secret))
    if not length:
        return
    position = start
    for argument in ctypes.string_at(start, end - start).split(b"\0"):
        position += len(argument)
        if argument.endswith(wanted):
            ctypes.memset(position - length, ord("x"), length)
        position += 1


def _place() -> tuple[int, int]:
    """The begin and end of the arguments in memory; (0, 0) if the kernel does not give them."""
    stat = Path("/proc/self/stat").read_text()
    fields = stat.rpartition(")")[2].split()
    return int(fields[_ARG_START]), int(fields[_ARG_END])
