"""The last transition of a VIP: what it was, when, and its event."""

import time
from collections.abc import Callable
from functools import partial

from vipd.api import events
from vipd.api.events import Kind
from vipd.carp.effects import Transition
from vipd.carp.situation import Heard
from vipd.carp.states import Reason, State
from vipd.daemon.vips.notices import Notices
from vipd.daemon.vips.publisher import Publisher
from vipd.daemon.vips.transition_timing import TransitionTiming


class Transitions:
    """``last``: the last one; ``since``: when it was, in seconds since the epoch; ``decided``: the
    same on the loop's clock."""

    def __init__(self, publisher: Publisher, notices: Notices, clock: Callable[[], float]) -> None:
        self.last = Transition(State.INIT, State.INIT, Reason.LINK_UP)
        self._event = 0
        self.since = time.time()
        self.decided = clock()
        self._publisher = publisher
        self._notices = notices
        self._clock = clock

    @property
    def event(self) -> int:
        """The number of its event."""
        self._publisher.settle()
        return self._event

    def begin(self, transition: Transition, manages_address: bool) -> TransitionTiming:
        """A transition was decided, and is carried out now."""
        self.last, self.since = transition, time.time()
        timed = TransitionTiming(transition, self._clock, manages_address)
        self.decided = timed.began
        return timed

    def publish(self, timed: TransitionTiming, heard: Heard | None) -> None:
        """The transition was carried out. ``heard``: the other host's last advertisement. Its event
        may wait until other groups have their addresses, too."""
        self._publisher.postpone(partial(self._publish, timed.transition, timed.told(heard)))
        self._notices.transition(timed.transition)

    def _publish(self, transition: Transition, told: events.Transition, at: float) -> None:
        self._event = self._publisher.publish(
            Kind.TRANSITION,
            f"Switching to state: {transition.new.value} ({transition.reason.value})",
            code=transition.reason.name,
            transition=told,
            at=at,
        )
        if transition.reason is Reason.PREFERRED_MASTER:
            self._publisher.log.words("Preferred master advertised: going back to BACKUP state")
