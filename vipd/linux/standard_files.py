"""Descriptors 0 to 2, which may be closed when a program starts (``vipd-ucarp … >&- 2>&-``)."""

import os


def fill() -> None:
    """Open /dev/null for those that are closed: else a socket of ours gets such a number, and log
    lines are written to it. Call this before anything is opened. Raises OSError."""
    while (null := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(null)
