"""The one way to wait in a lab: look again and again, for a bounded time."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_until(
    look: Callable[[], Found | None],
    *,
    timeout: float,
    complaint: Callable[[], str],
    interval: float = 0.02,
) -> Found:
    """Return the first result of `look()` that is not None, looking every `interval` seconds.

    After `timeout` seconds: TimeoutError(complaint()). `look` is called at least once, and once
    more after the time is up, so that a slow machine does not lose a result it already has.
    """
    deadline = time.monotonic() + timeout
    while True:
        last = time.monotonic() >= deadline
        found = look()
        if found is not None:
            return found
        if last:
            raise TimeoutError(complaint())
        time.sleep(interval)
