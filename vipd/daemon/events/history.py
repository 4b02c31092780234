"""The last events of each VIP, in memory; a reload does not touch them."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from heapq import merge

from vipd.api.events import Event


class History:
    """A listener that keeps events. Each VIP has its own list, so that a flapping VIP does not push
    out the events of others; so has the daemon as a whole (ID "")."""

    EACH = 64  # events of one VIP
    VIPS = 512  # with events; those without a new event for longest are dropped first

    def __init__(self) -> None:
        self._of: dict[str, list[Event]] = {}  # lists: a deque takes 0.6 kB at once

    def __call__(self, event: Event) -> None:
        """Keep ``event``."""
        events = self._of.pop(event.id, None)
        if events is None:
            events = []
            if len(self._of) >= self.VIPS:
                del self._of[next(iter(self._of))]
        elif len(events) == self.EACH:
            del events[0]
        events.append(event)
        self._of[event.id] = events  # now the last one to be dropped

    def __contains__(self, identifier: object) -> bool:
        """Whether there are events of this VIP."""
        return identifier in self._of

    def events(self, ids: Iterable[str] | None = None, after: int = 0) -> Iterator[Event]:
        """The events of these VIPs (None: of all) that are known now, with numbers above ``after``,
        oldest first. There may be 30,000: the iterator finds each one only when it is fetched."""
        tails = []
        for events in self._of_these(ids):
            if events[-1].number > after:
                tail = list(events)
                tails.append(tail[bisect_right(tail, after, key=_number) :])
        return merge(*tails, key=_number)

    def newest(self, ids: Iterable[str] | None = None) -> Iterator[Event]:
        """The same, newest first."""
        tails = [list(reversed(events)) for events in self._of_these(ids)]
        return merge(*tails, key=_number, reverse=True)

    def _of_these(self, ids: Iterable[str] | None) -> Iterator[list[Event]]:
        wanted = self._of if ids is None else dict.fromkeys(ids)
        return (self._of[each] for each in wanted if each in self._of)


def _number(event: Event) -> int:
    return event.number
