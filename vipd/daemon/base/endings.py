"""The end of a program's output, and how it ended, for people."""

import signal
from fcntl import F_SETPIPE_SZ, fcntl

from vipd.daemon.log.logger import printable

#: How much of a program's last output is kept, bytes.
TAIL = 2048
#: Bytes that are read of it at a time, and of one that prints more than a usual pipe holds.
PORTION, _MUCH = 65536, 1 << 20
#: How much of its last line of output is for people, characters.
_LINE = 200


def how(status: int) -> str:
    """``status``: the exit status; negative: the signal that ended it."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"ended by {signal.Signals(-status).name}"
    except ValueError:  # a real-time signal: most of them have no name
        return f"ended by signal {-status}"


def last_line(output: bytearray) -> str:
    """The last line that is not blank, safe to print and short."""
    if not output:
        return ""
    lines = output.decode(errors="replace").split("\n")
    text = printable(next((line.strip() for line in reversed(lines) if line.strip()), ""))
    return text if len(text) <= _LINE else f"{text[: _LINE - 1]}…"


def enlarged(pipe: int) -> int:
    """Make room in a pipe whose writer waits for us whenever it is full; returns for how much."""
    try:
        return fcntl(pipe, F_SETPIPE_SZ, _MUCH)
    except OSError:  # this user has too many of these
        return PORTION
