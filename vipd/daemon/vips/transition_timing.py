"""A transition while it is carried out: the time of each effect."""

from collections.abc import Callable

from vipd.api import events
from vipd.carp.effects import Acquire, Announce, Effect, SendAdvertisement, Transition
from vipd.carp.situation import Heard


class TransitionTiming:
    """Measures the time from a decision to each of its effects, in seconds. ``manages_address``:
    whether the addresses are there as soon as an Acquire has been carried out."""

    def __init__(
        self, transition: Transition, clock: Callable[[], float], manages_address: bool
    ) -> None:
        self.transition = transition
        self.began = clock()
        self._clock = clock
        self._manages_address = manages_address
        self._address: float | None = None
        self._announcement: float | None = None
        self._advertisement: float | None = None

    def done(self, effect: Effect) -> None:
        """This effect was carried out; only the first of its kind counts."""
        took = self._clock() - self.began
        match effect:
            case Acquire() if self._manages_address and self._address is None:
                self._address = took
            case Announce() if self._announcement is None:
                self._announcement = took
            case SendAdvertisement() if self._advertisement is None:
                self._advertisement = took

    def told(self, heard: Heard | None) -> events.Transition:
        """The data for the event; ``heard`` is the other host's last advertisement."""
        return events.Transition(
            self.transition.old,
            self.transition.new,
            self.transition.reason,
            str(heard.ad.source) if heard else None,
            self.began - heard.at if heard else None,
            self._address,
            self._announcement,
            self._advertisement,
        )
