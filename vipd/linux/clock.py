"""The system clock, as the kernel judges it."""

import ctypes

_TIME_ERROR = 5
_TIMEX_SIZE = 256  # bytes; struct timex has 208


def synchronised() -> bool | None:
    """Whether something (chrony, ntpd, systemd-timesyncd) keeps the clock right; None when the
    kernel does not tell. adjtimex(2), which changes nothing when it is asked to change nothing."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_SIZE))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR
