"""Whether an advertisement with a correct digest is new, and what its sender meant to say.

For each tagged host (`vipd.carp.tag`) the latest sequence that was heard is remembered, and only a
later one counts. No host's clock is compared with another's: a host whose own sequences are too
early, because its clock was set back and its file is gone, goes on behind the latest that it hears
(`vipd.daemon.vips.counter`). So the rule needs no exception that a recording could use.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from math import inf

from vipd.carp.packet import Advertisement, Drop
from vipd.carp.rank import bows_out
from vipd.carp.tag import FAR, Reading, Tags, following, is_newer, sequence_of
from vipd.carp.timing import interval

#: Tagged hosts that are remembered at most, and untagged ones. Only who knows a password gets in.
HOSTS = 64
UNTAGGED_HOSTS = 32
#: For so long at least, seconds, copies of an advertisement (the other family, the other password,
#: doubled by the network) and those that it has overtaken are no news, but no reason to complain.
COPIES = 1.0
#: A living host is held to tags for so many of its intervals after its last advertisement, and not
#: for longer than it takes to give it up: after that, an older vipd may run there.
HELD_INTERVALS = 2.0
#: After an altered advertisement, a host that was never heard is believed from its second one on,
#: for so long, seconds: a tag alone can be guessed in 2**14 attempts.
SUSPICION = 3600.0


class Mode(Enum):
    """AUTHENTICATE: ``AUTO``: advertisements that have no tag are believed, unless their sender has
    just sent some that have one. ``STRICT``: they are not. ``OFF``: tags are not looked at."""

    AUTO = "auto"
    STRICT = "strict"
    OFF = "off"


class _Host:
    """A tagged host. ``sequence``: the latest that was heard, ``at`` this time. ``marked``: the
    latest as it was before ``marked_at``, not longer than `COPIES` before the last one; ``before``:
    as it was at the mark before that. ``held_until``: before this time, untagged advertisements in
    its name do not count."""

    __slots__ = ("at", "before", "held_until", "marked", "marked_at", "sequence")

    def __init__(self, sequence: int) -> None:
        self.sequence = self.marked = self.before = sequence
        self.at = self.marked_at = self.held_until = -inf


class Authenticity:
    """What one group remembers of its other hosts. ``mode`` may be changed at any time.

    ``sequence``: that of the advertisement that `judge` has just believed; None: it has no tag.
    """

    __slots__ = ("_doubted", "_hosts", "_suspicious_until", "_untagged", "mode", "sequence")

    def __init__(self, mode: Mode = Mode.AUTO) -> None:
        self.mode = mode
        self.sequence: int | None = None
        self._hosts: dict[bytes, _Host] = {}
        self._untagged: dict[bytes, float] = {}  # until when they count as such
        self._suspicious_until = -inf
        #: Hosts that were never heard, and the sequence that each has shown. Each by itself: of
        #: several new masters that speak in turns, all are to be heard.
        self._doubted: dict[bytes, int] = {}

    def judge(
        self,
        ad: Advertisement,
        host: bytes,
        tags: Tags,
        now: float,
        patience: float,
        came: float = 0.0,
    ) -> Drop | bool:
        """Why it does not count; else whether it says something new (False: it is a copy of what
        was heard, or was overtaken by it).

        ``host``: who has sent it, as it says; ``tags``: those of the password that its digest was
        made with. ``patience``: the seconds of silence after which its sender is given up.
        ``came``: when it came, if that may be long before ``now``, because the process was stopped.
        """
        self.sequence = None
        reading = tags.read(ad, host)
        if reading is Reading.GENUINE:
            return self._is_new(ad, host, now, patience, min(came or now, now))
        if self.mode is Mode.OFF:
            return True
        if reading is Reading.ALTERED and now >= self._untagged.get(host, -inf):
            # Who sends without tags gets a number that looks like one now and then.
            self._suspicious_until = now + SUSPICION
            return Drop.FORGED
        known = self._hosts.get(host)
        if self.mode is Mode.STRICT or (known and now < known.held_until):
            return Drop.UNTAGGED
        if host not in self._untagged and len(self._untagged) >= UNTAGGED_HOSTS:
            del self._untagged[min(self._untagged, key=self._untagged.__getitem__)]
        self._untagged[host] = now + patience
        return True

    def _is_new(
        self, ad: Advertisement, host: bytes, now: float, patience: float, came: float
    ) -> Drop | bool:
        sequence = sequence_of(ad.counter)
        known = self._hosts.get(host)
        if known is None:
            if self._is_doubted(host, sequence, now):
                return False
            if len(self._hosts) >= HOSTS:
                del self._hosts[min(self._hosts, key=lambda each: self._hosts[each].at)]
            # Whatever it has sent before may have been overtaken by this one.
            known = self._hosts[host] = _Host(following(sequence, -FAR))
        if is_newer(sequence, known.sequence):
            if now >= known.marked_at + COPIES:
                known.before, known.marked = known.marked, known.sequence
                known.marked_at = now
            known.sequence, known.at = sequence, now
            self._untagged.pop(host, None)
            # After its bow-out a host may come back with a program that knows no tags.
            held = min(HELD_INTERVALS * interval(ad.advbase, ad.advskew), patience)
            known.held_until = -inf if bows_out(ad) else now + held
            new = True
        else:
            new = self.mode is Mode.OFF
            if not new and not (came < known.at + 2 * COPIES and is_newer(sequence, known.before)):
                return Drop.REPEATED
        self.sequence = sequence
        return new

    def _is_doubted(self, host: bytes, sequence: int, now: float) -> bool:
        """Whether a host that was never heard must first show that it knows a second tag."""
        if self.mode is Mode.OFF or now >= self._suspicious_until:
            return False
        shown = self._doubted.pop(host, None)
        if shown is not None and is_newer(sequence, shown):
            return False
        if len(self._doubted) >= HOSTS:
            del self._doubted[next(iter(self._doubted))]  # not shown for the longest time
        self._doubted[host] = sequence
        return True

    @property
    def known(self) -> Iterator[tuple[bytes, int]]:
        """The tagged hosts, and the latest sequence of each: what `remember` is given."""
        return ((host, known.sequence) for host, known in self._hosts.items())

    def remember(self, known: Mapping[bytes, int], now: float) -> None:
        """What an earlier process has heard, which may have ended a moment ago: copies of it, and
        what it has overtaken, may still come. Has no effect on hosts that were heard since."""
        for host, sequence in known.items():
            if host not in self._hosts and len(self._hosts) < HOSTS:
                heard = self._hosts[host] = _Host(following(sequence, -FAR))
                heard.sequence, heard.at = sequence, now

    def is_held(self, host: bytes, now: float) -> bool:
        """Whether only tagged advertisements of this host count now."""
        known = self._hosts.get(host)
        return known is not None and now < known.held_until
