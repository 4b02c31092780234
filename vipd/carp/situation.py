"""What a machine knows, and the few changes to it that all rules share."""

from math import inf
from typing import NamedTuple

from vipd.carp import timing
from vipd.carp.effects import Announce, Effects, Transition
from vipd.carp.packet import Advertisement
from vipd.carp.parameters import Parameters
from vipd.carp.peers import Peer, Peers
from vipd.carp.states import Mode, Reason, State

#: Announcements are repeated after this time, for switches that ignore the first, seconds.
ANNOUNCE_AGAIN = 1.0


class Heard(NamedTuple):
    """The last advertisement of another host in our group, and when it came."""

    ad: Advertisement
    at: float


class Situation:
    """Everything that the rules in `vipd.carp.backup` and `vipd.carp.master` decide from. All times
    are on the clock of ``now``; ``inf``: never.

    ``heard`` is the last advertisement of another host. It is shown to people, and no decision
    rests on it alone. ``peers``: the other masters that are heard.
    ``last_send_failed``: our last advertisement could not be sent.
    """

    __slots__ = (
        "announce_at",
        "answer_at",
        "due",
        "ending",
        "fast_path",
        "followed",
        "heard",
        "hold_until",
        "last_send_failed",
        "leave_alone_until",
        "listen_until",
        "mode",
        "no_preempt_until",
        "parameters",
        "peers",
        "phase",
        "release_at",
        "sender",
        "unconfirmed",
        "why",
    )

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.heard: Heard | None = None
        self.last_send_failed = False
        self.peers = Peers(parameters)
        self.mode = Mode.INIT
        #: When TIMEOUT happens.
        self.due = inf
        #: When a master repeats its announcement.
        self.announce_at = inf
        #: BACKUP: the reason if TIMEOUT makes us master. LEAVING: the reason of the hold after it.
        self.why = Reason.MASTER_DOWN
        #: LEAVING: when to release the addresses although no successor was heard.
        self.release_at = inf
        #: LEAVING: to stop afterwards, not to hold.
        self.ending = False
        #: Not master before this.
        self.hold_until = -inf
        #: Taking over from no living master before this.
        self.no_preempt_until = -inf
        #: Preempting no healthy master before this (PREEMPT_DELAY).
        self.leave_alone_until = -inf
        #: BACKUP: silence does not count before this (LISTEN_FIRST).
        self.listen_until = -inf
        #: A master does not answer another one before this.
        self.answer_at = -inf
        #: Seconds behind whole seconds at which advertisements leave.
        self.phase = 0.0
        #: MASTER: only the advertisement that belongs to the transition was sent so far.
        self.unconfirmed = False
        #: BACKUP: what the followed master said last, if there is no reason to take over from it.
        #: The same again changes nothing and is not decided about.
        self.fast_path: tuple[int, int, int] | None = None
        #: BACKUP: the master that is followed.
        self.followed: Peer | None = None
        #: The sender of the advertisement that is being decided about.
        self.sender: Peer | None = None

    @property
    def state(self) -> State:
        return self.mode.state

    def enter(self, mode: Mode, reason: Reason) -> Transition:
        """Change the mode. No deadline is left from the one before."""
        transition = Transition(self.state, mode.state, reason)
        self.mode = mode
        self.fast_path = None
        self.due = self.announce_at = self.release_at = inf
        return transition

    def rearm(self, now: float) -> None:
        """Listen, and wait for a master for the whole master-down time."""
        self.mode = Mode.BACKUP
        self.due = self.silent_at(now)
        self.why = Reason.MASTER_DOWN

    def silent_at(self, now: float) -> float:
        """When nobody lives if nothing is heard from now on."""
        return max(now, self.listen_until) + self.parameters.master_down

    def end_listening(self, now: float) -> None:
        """Something was heard, so the network passes frames: silence counts from now on."""
        if self.mode is Mode.BACKUP:
            self.due -= self.listen_until - now
        self.listen_until = -inf

    def advertise(self, now: float) -> Effects:
        """Send one advertisement, and set the time of the next."""
        self.due = timing.next_advertisement(now, self.parameters.interval, self.phase)
        return (self.parameters.advertisement,)

    def announce(self, now: float) -> Effects:
        """Announce the addresses now and once more a little later."""
        self.announce_at = now + ANNOUNCE_AGAIN
        return (Announce(),)
