"""Where events are published: logged, and given to every listener."""

import logging
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from vipd.api.events import Event, Kind, Level, ScriptRun, Transition
from vipd.carp.states import State

LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}


class Subject(NamedTuple):
    """The VIP that an event is about, and its state after the event."""

    id: str = ""
    vhid: int = 0
    interface: str = ""
    state: State | None = None


DAEMON = Subject()

Listener = Callable[[Event], None]


class Hub:
    """Publishes events: numbers each one, logs it (the event is the record's attribute ``event``),
    and passes it to every listener, in this order. Only for the loop's thread. ``afterwards``
    calls something when nothing more urgent is left."""

    def __init__(
        self,
        log: logging.Logger,
        wall_clock: Callable[[], float] = time.time,
        afterwards: Callable[[Callable[[], None]], None] = lambda work: work(),
    ) -> None:
        self._log = log
        self._wall_clock = wall_clock
        self._afterwards = afterwards
        self._postponed: deque[Callable[[], object]] = deque()
        self._listeners: list[Listener] = []
        self.last = 0  # number of the last event

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with each event from now on; it must be quick. Returns a function that
        ends the subscription."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def postpone(self, publish: Callable[[float], object]) -> None:
        """Have something published when nothing more urgent is left, but before all that happens
        later. ``publish`` gets the time of now."""
        self._postponed.append(partial(publish, self._wall_clock()))
        self._afterwards(self._publish_next)

    def settle(self) -> None:
        """Publish what was postponed."""
        while self._postponed:
            self._publish_next()

    def _publish_next(self) -> None:
        if self._postponed:  # else `settle` was quicker
            self._postponed.popleft()()

    def publish(
        self,
        subject: Subject,
        kind: Kind,
        text: str,
        *,
        level: Level = "warning",
        code: str = "",
        transition: Transition | None = None,
        script: ScriptRun | None = None,
        reload: dict[str, int] | None = None,
        at: float | None = None,
    ) -> Event:
        """Log the event, and pass it to every listener. ``at``: when it happened, if not now."""
        if at is None:
            self.settle()
        self.last += 1
        event = Event(
            self.last,
            self._wall_clock() if at is None else at,
            *subject,
            kind,
            level,
            text,
            code,
            transition,
            script,
            reload,
        )
        line = f"{event.id}: {text}" if event.id else text
        self._log.log(LEVELS[level], "%s", line, extra={"event": event})
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception:  # must not affect the VIP or other listeners
                self._log.exception("a listener failed at event %d", event.number)
        return event
