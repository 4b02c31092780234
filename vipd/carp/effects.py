"""What a machine asks to be done. Effects are carried out in the order in which they come."""

from dataclasses import dataclass

from vipd.carp.states import Reason, State


@dataclass(frozen=True, slots=True)
class Transition:
    """The state changed. Comes before the effects that follow from it."""

    old: State
    new: State
    reason: Reason


@dataclass(frozen=True, slots=True)
class Acquire:
    """Put the addresses on the interface (or run UPSCRIPT)."""


@dataclass(frozen=True, slots=True)
class Release:
    """Take the addresses off the interface (or run DOWNSCRIPT). ``at_start``: the machine has just
    started and never had them; removes what an earlier process may have left."""

    at_start: bool = False


@dataclass(frozen=True, slots=True)
class Announce:
    """Announce the addresses to the network (gratuitous ARP, unsolicited ND)."""


@dataclass(frozen=True, slots=True)
class SendAdvertisement:
    """Send one advertisement with these values (ours, or the bow-out's 255/255). Report the result
    to `Machine.sent` if it could not be sent, or if ``Machine.last_send_failed``."""

    advbase: int
    advskew: int


Effect = Transition | Acquire | Release | Announce | SendAdvertisement
Effects = tuple[Effect, ...]
