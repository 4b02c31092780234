"""What the masters that are followed on an interface say as long as nothing changes; the kernel is
told, so that it wakes us up at once for anything else."""

import asyncio
from collections.abc import Callable, Mapping
from math import inf
from typing import Protocol

from vipd.carp.machine import Machine
from vipd.linux.wire import Wire
from vipd.linux.wire_filter import Words

#: For how long what is expected may wait to be read, seconds: a quarter of the shortest interval of
#: which anything is expected.
GATHER = 0.25
#: How long ago a packet may have come to count from then, seconds: it has waited for `GATHER`, and
#: we may be late by as much. What is older has waited because we did not run, and counts from now:
#: nobody is to be silent because we were.
RECENT = 2 * GATHER
SHORTEST_ADVBASE = 1
#: It pays for more VHIDs than this, or more packets at once; less cost one wake-up each.
_MANY = 8
#: Seconds from a change until it is looked for; between two looks; and until the next one when a
#: member has another state: a new master's rivals may say what was expected before.
_SOON, _SELDOM, _PAUSE = 0.01, 1.0, 0.1


class Follower(Protocol):
    machine: Machine


class Expectations:
    """``members``: the VIPs on the interface, by VHID. ``changed`` is called when the kernel was
    told something else: there may be other sockets.

    If the kernel is told late, what is not expected any more waits for about `GATHER`: nothing is
    lost, and nothing is decided before it is heard.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        members: Mapping[int, Follower],
        changed: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._members = members
        self._changed = changed
        self._wire: Wire | None = None
        self._words: dict[Words, frozenset[int]] = {}
        self._busy = False  # a few VHIDs say a lot
        self._looked = -inf
        self._timer: asyncio.TimerHandle | None = None

    def open(self, wire: Wire) -> None:
        self._wire, self._words, self._busy = wire, {}, False

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._wire = None

    def look_soon(self, packets: int = 0, *, moved: bool = False) -> None:
        """Something may be expected that was not, or the other way round. ``packets``: so many have
        come at once. ``moved``: the state of a member is not what it was."""
        self._busy = self._busy or packets > _MANY
        if not self._wire or not (self._busy or len(self._members) > _MANY):
            return
        at = max(self._loop.time() + _SOON, self._looked + (_PAUSE if moved else _SELDOM))
        if self._timer and at < self._timer.when():
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(at, self._look)

    def _look(self) -> None:
        self._timer = None
        self._looked = self._loop.time()
        words = self._expected()
        if self._wire and words != self._words:
            self._words = words
            self._wire.expect(words)
            self._changed()

    def _expected(self) -> dict[Words, frozenset[int]]:
        found: dict[Words, set[int]] = {}
        for vhid, member in self._members.items():
            if expects := member.machine.expects:
                advbase, advskew, demotion = expects
                if advbase >= SHORTEST_ADVBASE and not demotion:
                    found.setdefault((advbase, advskew), set()).add(vhid)
        if not self._busy and sum(map(len, found.values())) <= _MANY:
            return {}
        return {words: frozenset(vhids) for words, vhids in found.items()}
