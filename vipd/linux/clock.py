"""The system's clocks: whether they are synchronised, and whether the machine stood still."""

import ctypes
import errno
import os
import time
from contextlib import suppress

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


_TFD_NONBLOCK, _TFD_CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC
_ABSTIME, _CANCEL_ON_SET = 1, 2
_FAR = 1 << 40  # seconds since the epoch: never


def suspended() -> float:
    """Seconds for which the machine has been suspended since it was booted. CLOCK_MONOTONIC, which
    all timers here use, stands still meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


def ahead() -> float:
    """By how many seconds the time of day is ahead of CLOCK_MONOTONIC. It jumps when somebody sets
    the clock; and when a virtual machine that was paused goes on, and its clock is put right."""
    return time.clock_gettime(time.CLOCK_REALTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


class ClockChanges:
    """Becomes readable when the machine resumes, or its clock is set (timerfd_create(2),
    TFD_TIMER_CANCEL_ON_SET). Raises OSError when the kernel refuses it."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._file: int = self._libc.timerfd_create(
            time.CLOCK_REALTIME, _TFD_NONBLOCK | _TFD_CLOEXEC
        )
        if self._file < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        try:
            self._arm()
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        return self._file

    def read(self) -> None:
        """Wait for the next change. Raises OSError likewise."""
        with suppress(OSError):  # ECANCELED: that is what it says
            os.read(self._file, 8)
        self._arm()

    def _arm(self) -> None:
        when = (ctypes.c_long * 4)(0, 0, _FAR, 0)  # struct itimerspec: interval, value
        flags = _ABSTIME | _CANCEL_ON_SET
        failed = self._libc.timerfd_settime(self._file, flags, ctypes.byref(when), None)
        # ECANCELED: the clock was set just now, and the timer is armed.
        if failed and (error := ctypes.get_errno()) != errno.ECANCELED:
            raise OSError(error, os.strerror(error))

    def close(self) -> None:
        os.close(self._file)
