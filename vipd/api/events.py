"""What happens, told once: to the log, the history, the metrics, and whoever watches.

`Event` is the only type for it. It holds what programs need as fields and what people need as
`Event.text`, and never a password. The types here are also what the control socket speaks
(`vipd.api.io_vipd`), so that the command line imports nothing else of the daemon.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from vipd.carp.states import Reason, State

Level = Literal["error", "warning", "info"]


class Kind(Enum):
    """What an event is about."""

    TRANSITION = "the state of a VIP changed"
    SCRIPT = "an UPSCRIPT or DOWNSCRIPT ended, or something went wrong with NOTIFY"
    WAITING = "a VIP cannot take part, or can again"
    PROBLEM = "something is wrong that somebody should correct"
    DEMOTION = "somebody asked for a hand-over"
    MAINTENANCE = "somebody switched maintenance on or off"
    RELOAD = "the files were read, and what changed in them was applied"
    FAILURE = "a VIP broke, and is started again"
    HEALTH = "a VIP became sick on this host, or well again"
    LATE = "the daemon did not get to run for a while"


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of state. ``address``, ``announcement`` and ``advertisement``: seconds from the
    decision until the addresses were on the interface, were announced, and the first advertisement
    had left; None: not part of it (a script that adds the address tells in its own event).
    ``peer``: the other host that was heard last, ``silence`` seconds before the decision."""

    old: State
    new: State
    reason: Reason
    peer: str | None = None
    silence: float | None = None
    address: float | None = None
    announcement: float | None = None
    advertisement: float | None = None


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """A run of a script that ended after ``seconds``. ``status``: exit status, negative: the signal
    that ended it, None: it could not be started. ``cause``: number of the transition's event, 0 if
    there was none. ``address``: seconds from that transition's decision until an address that the
    script added was there."""

    which: Literal["upscript", "downscript"]
    status: int | None
    seconds: float
    cause: int = 0
    address: float | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """``number`` grows with each event of a daemon's life; ``at`` is Unix time. ``id`` is empty for
    what concerns the daemon as a whole, ``vhid`` then 0; ``interface`` is empty for what concerns
    none; ``state`` is the VIP's, null where that does not matter. ``text`` is a line for people,
    ``code`` a word for machines: a transition's reason, a problem's kind. ``transition``,
    ``script`` and ``reload`` (result → number of VIPs) come with the kinds of these names."""

    number: int
    at: float
    id: str
    vhid: int
    interface: str
    state: State | None
    kind: Kind
    level: Level
    text: str
    code: str = ""
    transition: Transition | None = None
    script: ScriptRun | None = None
    reload: dict[str, int] | None = None
