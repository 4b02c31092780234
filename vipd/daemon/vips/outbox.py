"""The regular advertisements of one turn of the loop: all are made first, and leave together then.

So the work of one VIP does not delay the advertisements of the others, and hundreds of them cost
one system call.
"""

from collections.abc import Callable, Collection

from vipd.daemon.vips.timers import Timers
from vipd.linux.departures import AT_ONCE, Departures
from vipd.linux.wire import LONGEST, Wire

Departed = Callable[[int | None, Collection[int], float], None]
"""What became of them: how many frames left, the errno of each of the others, and when they were
sent at the earliest. None: nothing was tried, because it is late, and what has come meanwhile
counts first."""


class Outbox:
    """Is empty whenever the loop does anything but ring alarms: `Timers` flushes it after them."""

    def __init__(self, timers: Timers, clock: Callable[[], float]) -> None:
        self._timers = timers
        self._clock = clock
        self._waiting: list[tuple[Wire, list[bytes], Departed]] = []
        self._missed: list[Departed] = []
        self._since = 0.0
        self._departures = Departures(LONGEST)
        timers.after = self._end_turn

    def post(self, wire: Wire, frames: list[bytes], departed: Departed) -> None:
        """Send these frames of a VIP in this turn. ``departed`` must not raise."""
        if not self._waiting:
            self._since = self._timers.looked_at  # before it was decided
        self._waiting.append((wire, frames, departed))
        if len(self._waiting) >= AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Send what waits now: before a VIP says or does anything else. What was decided before a
        stop is not sent, and its VIPs are asked again at the end of the turn: a VIP that is just
        doing something must not hear anything in between."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        now = self._clock()
        if now - self._since > self._timers.LATE:  # others may have taken over meanwhile
            self._missed += [departed for _, _, departed in waiting]
            return
        wires: dict[Wire, list[tuple[list[bytes], Departed]]] = {}
        for wire, frames, departed in waiting:
            wires.setdefault(wire, []).append((frames, departed))
        for wire, its in wires.items():
            self._send(wire, its, now)

    def _end_turn(self, _now: float) -> None:
        self.flush()
        missed, self._missed = self._missed, []
        if missed:
            now = self._clock()
            self._timers.hear_first(now - self._since)
            for departed in missed:
                departed(None, (), now)

    def _send(self, wire: Wire, waiting: list[tuple[list[bytes], Departed]], now: float) -> None:
        refused = wire.send_all([f for frames, _ in waiting for f in frames], self._departures)
        begin = 0
        for frames, departed in waiting:
            end = begin + len(frames)
            its = range(begin, end) if refused else ()
            errors = [refused[n] for n in its if n in refused]
            departed(len(frames) - len(errors), errors, now)
            begin = end
