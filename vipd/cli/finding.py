"""What `vipctl doctor` shows."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something suspicious, and the cure. Both are safe to print. `serious`: an address is not
    where it belongs, or will not be."""

    who: str
    what: str
    cure: str
    serious: bool = False
