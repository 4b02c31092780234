"""What others see of our command line."""

import ctypes
import os
from pathlib import Path

#: Fields of /proc/self/stat behind the program's name: where the arguments are in memory (proc(5)).
_ARG_START, _ARG_END = 48 - 3, 49 - 3


def hide(secret: str) -> None:
    """Overwrite an argument, or the end of one (``--pass=secret``, ``-zpsecret``), with x, so that
    no list of processes shows it. Raises OSError where /proc does not tell."""
    stat = Path("/proc/self/stat").read_text()
    fields = stat.rpartition(")")[2].split()
    start, end = int(fields[_ARG_START]), int(fields[_ARG_END])
    length = len(wanted := os.fsencode(secret))
    if not start or not length:
        return
    position = start
    for argument in ctypes.string_at(start, end - start).split(b"\0"):
        position += len(argument)
        if argument.endswith(wanted):
            ctypes.memset(position - length, ord("x"), length)
        position += 1
