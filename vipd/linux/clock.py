"""The synchronisation of the system clock."""

import ctypes

_TIME_ERROR = 5
_TIMEX_SIZE = 256  # bytes; struct timex has 208


def synchronised() -> bool | None:
    """Whether the kernel counts the clock as synchronised (by chrony, ntpd, systemd-timesyncd);
    None if it does not report that. Uses adjtimex(2) without any change."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_SIZE))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _TIME_ERROR
