"""The last transition of a VIP: what it was, when, and its event."""

import time
from collections.abc import Callable

from vipd.api.events import Kind
from vipd.carp.effects import Transition
from vipd.carp.situation import Heard
from vipd.carp.states import Reason, State
from vipd.daemon.vips.notices import Notices
from vipd.daemon.vips.publisher import Publisher
from vipd.daemon.vips.transition_timing import TransitionTiming


class Transitions:
    """``last``: the last one; ``event``: the number of its event; ``since``: when it was, in
    seconds since the epoch; ``decided``: the same on the loop's clock."""

    def __init__(self, publisher: Publisher, notices: Notices, clock: Callable[[], float]) -> None:
        self.last = Transition(State.INIT, State.INIT, Reason.LINK_UP)
        self.event = 0
        self.since = time.time()
        self.decided = clock()
        self._publisher = publisher
        self._notices = notices
        self._clock = clock

    def begin(self, transition: Transition, manages_address: bool) -> TransitionTiming:
        """A transition was decided, and is carried out now."""
        self.last, self.since = transition, time.time()
        timed = TransitionTiming(transition, self._clock, manages_address)
        self.decided = timed.began
        return timed

    def publish(self, timed: TransitionTiming, heard: Heard | None) -> None:
        """The transition was carried out. ``heard``: the other host's last advertisement."""
        transition = timed.transition
        self.event = self._publisher.publish(
            Kind.TRANSITION,
            f"Switching to state: {transition.new.value} ({transition.reason.value})",
            code=transition.reason.name,
            transition=timed.told(heard),
        )
        self._notices.transition(transition)
        if transition.reason is Reason.PREFERRED_MASTER:
            self._publisher.log.words("Preferred master advertised: going back to BACKUP state")
