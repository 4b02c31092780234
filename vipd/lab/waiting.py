"""The one way to wait in a lab: poll, for a limited time."""

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
    """Call `look()` every `interval` seconds; return its first result that is not None.

    After `timeout` seconds: TimeoutError(complaint()). `look` is called at least once, and once
    more after the time is up, so that a slow machine does not miss a result that is there already.
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
