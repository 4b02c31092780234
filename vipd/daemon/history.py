"""The last events of each VIP, in memory; a reload does not touch them."""

from collections import deque
from collections.abc import Iterable
from heapq import merge

from vipd.daemon.events import Event


class History:
    """A listener that remembers. Each VIP has its own, so that one that flaps does not push out
    what happened to the others; so has the daemon as a whole (ID "")."""

    EACH = 64  # events of one VIP
    VIPS = 512  # whose events are kept; those of VIPs that are gone go first

    def __init__(self) -> None:
        self._of: dict[str, deque[Event]] = {}

    def __call__(self, event: Event) -> None:
        """Remember ``event``."""
        events = self._of.pop(event.id, None)
        if events is None:
            events = deque(maxlen=self.EACH)
            if len(self._of) >= self.VIPS:
                del self._of[next(iter(self._of))]
        events.append(event)
        self._of[event.id] = events  # the last one to be forgotten now

    def __contains__(self, identifier: object) -> bool:
        """Whether something is known of this VIP."""
        return identifier in self._of

    def events(self, ids: Iterable[str] | None = None, after: int = 0) -> list[Event]:
        """The events of these VIPs (None: everything) with numbers above ``after``, oldest
        first."""
        of = self._of.values() if ids is None else [self._of.get(i, ()) for i in dict.fromkeys(ids)]
        found = merge(*of, key=lambda event: event.number)
        return [event for event in found if event.number > after]
