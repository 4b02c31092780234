"""asyncio without TLS."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_tls() -> Iterator[None]:
    """Import asyncio within this: it does without ssl where Python has none. We use no TLS, which
    is 4 MB and 8 ms. Afterwards others may import ssl as usual."""
    absent = "ssl" not in sys.modules
    if absent:
        sys.modules["ssl"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if absent:
            del sys.modules["ssl"]
