"""What a check or a tracked thing says about this host."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Verdict:
    """``well``: None while there is none yet. ``since``: the time of the clock at which it became
    so. ``said``: one line about it for people, safe to print; "" if there is nothing to say.
    ``ends``: of a tracked thing that is not well, when it is well again: the end of a sentence."""

    well: bool | None
    since: float
    said: str = ""
    ends: str = ""


def not_before(left: float) -> str:
    """The end of `Verdict.ends` for something that is held for ``left`` seconds."""
    if left <= 0:
        return ""
    until = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(round(time.time() + left)))
    return f", and not before {until} (CHECK_HOLD)"


class Source(Protocol):
    """Something that gives verdicts: one check, or one tracked interface, file, unit or gateway. It
    is made with a function without arguments that it calls when its verdict has changed.
    Several VIPs may share one."""

    @property
    def verdict(self) -> Verdict:
        """What it says now."""

    def start(self) -> None:
        """Begin to look. A verdict comes later, or at once."""

    def close(self) -> None:
        """End, with all that was started."""


@runtime_checkable
class Resuming(Protocol):
    """A source that can take over from one which asks the same at other times."""

    def resume(self, before: Any) -> None:
        """Go on with the verdict of ``before``, a source of the same type, and with how long that
        stands."""


Changed = Callable[[], None]
Reasons = Mapping[str, Verdict]
"""The verdicts of a VIP, by their name in `vipctl status`: check:web, track:eth2, group:router."""
