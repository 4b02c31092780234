"""The deadlines of all VIPs, on one timer of the event loop."""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from math import inf

from vipd.daemon.events.counters import Histogram
from vipd.daemon.vips.afterwards import Afterwards

#: Seconds: an advertisement may be 0.05 late, and a master-down time is seldom below 1.
_LATENESS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Alarm:
    """One VIP's next deadline. It may be moved at any time, most often to later: a backup does that
    with every advertisement that it receives. That changes only a number; the entry in the heap is
    corrected when its old time comes."""

    __slots__ = ("_timers", "call", "queued", "wanted")

    def __init__(self, timers: "Timers", call: Callable[[float], None]) -> None:
        self._timers = timers
        self.call = call
        self.wanted = inf
        self.queued = inf

    def set(self, when: float) -> None:
        """Call at this time of the loop's clock, and at no other; ``inf``: not at all."""
        self.wanted = when
        if when < self.queued:
            self._timers.queue(self, when)


class Timers:
    """Alarms ordered by time. An alarm's function gets the time; if it raises, the loop's exception
    handler is called, and the other alarms still run.

    ``catch_up`` is called before the alarms if they are more than `LATE` seconds late, with the
    number of seconds: the process was stopped, or had no CPU, and must read the queued packets
    before it decides anything. (The loop does not ensure that: after SIGCONT, epoll_wait(2) reports
    no file, only that it was interrupted.) ``before`` is called before anything else, with the
    time; ``after`` after the alarms, with the same time. ``lateness``: by how many seconds the
    earliest alarm of each wake-up was late. ``late_at``: when one was last late by more than
    `LATE`.
    """

    LATE = 0.1
    TOGETHER = 0.25

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.catch_up: Callable[[float], None] = lambda _late: None
        self.before: Callable[[float], None] = lambda _now: None
        self.after: Callable[[float], None] = lambda _now: None
        self.lateness = Histogram(_LATENESS)
        self.late_at = -inf
        #: When the alarm that rings now began to.
        self.looked_at = -inf
        self._loop = loop
        self._heap: list[tuple[float, int, Alarm]] = []
        self._number = 0  # orders entries of the same time
        self._handle: asyncio.TimerHandle | None = None
        self.afterwards = Afterwards(loop, self._is_due)

    def alarm(self, call: Callable[[float], None]) -> Alarm:
        return Alarm(self, call)

    def queue(self, alarm: Alarm, when: float) -> None:
        alarm.queued = when
        self._number += 1
        heappush(self._heap, (when, self._number, alarm))
        if self._heap[0][2] is alarm:
            self._schedule()

    def _schedule(self) -> None:
        if self._handle:
            self._handle.cancel()
        self._handle = self._loop.call_at(self._heap[0][0], self._turn) if self._heap else None

    def _turn(self) -> None:
        self.afterwards.begin()
        self._fire()
        self.afterwards.rest()

    def _is_due(self) -> bool:
        return bool(self._heap) and self._heap[0][0] <= self._loop.time()

    def _fire(self) -> None:
        heap = self._heap
        self._handle = None
        # The time from before catching up: if we are stopped again during that, alarms that become
        # due wait for the next turn, which is late as well and reads the queued packets first.
        now = self._loop.time()
        self._guard("looking at the clocks", self.before, now)
        if heap:
            late = now - heap[0][0]
            self.lateness.observe(late)
            if late > self.LATE:
                self.hear_first(late)
        due = []
        together = now + self.TOGETHER
        while heap:
            # An entry that is only to be corrected soon is corrected with the others: what hundreds
            # of backups hear within a moment costs one wake-up.
            when, _, alarm = heap[0]
            if when > now and (when > together or alarm.wanted <= when):
                break
            heappop(heap)
            if when == alarm.queued:  # else an entry that an earlier one replaced
                alarm.queued = inf
                due.append(alarm)
        began = self._loop.time()
        for alarm in due:
            self.looked_at = self._loop.time()
            if alarm.wanted <= now and self.looked_at - began <= self.LATE / 2:
                alarm.wanted = inf
                try:  # as `_guard` does, without its cost for each
                    alarm.call(now)
                except Exception as error:
                    self._failed("an alarm", error)
            elif alarm.wanted < alarm.queued:
                # It was moved; or this turn is slow, or we were stopped: the next turn reads first.
                self.queue(alarm, alarm.wanted)
        self._guard("after the alarms", self.after, now)
        self._schedule()

    def hear_first(self, late: float) -> None:
        """Read what waits, because we are late by so many seconds."""
        self.late_at = self._loop.time()
        self._guard("catching up", self.catch_up, late)

    def _guard(self, what: str, call: Callable[[float], None], seconds: float) -> None:
        """Run ``call``: an exception in one VIP must not stop the alarms of all others for ever."""
        try:
            call(seconds)
        except Exception as error:
            self._failed(what, error)

    def _failed(self, what: str, error: Exception) -> None:
        self._loop.call_exception_handler({"message": what, "exception": error})
