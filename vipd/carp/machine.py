"""Who is master: `vipd.carp.rank` compares two hosts, `vipd.carp.peers` knows which masters live,
and everything else that decides is in this file.

The machine has no clock and does no I/O. `now` (seconds on any monotonic clock) is an argument,
`Machine.deadline` says when to call `Machine.tick`, and what has to be done comes back as effects,
to be carried out in their order. So the same object runs under asyncio, in a unit test and in a
simulator.

``TABLE`` below is the state machine; ucarp's ``carp.c`` (``packethandler``, ``carp_master_down``,
``docarp``) is its source unless a comment names another. Demotion (byte 4 of an advertisement) is
OpenBSD's (``carp_proto_input_c``): it counts before the interval, and a demoted master is relieved
by a backup without ``preempt``, too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from math import inf
from types import MappingProxyType
from typing import NamedTuple

from vipd.carp import timing
from vipd.carp.packet import Advertisement
from vipd.carp.parameters import Parameters
from vipd.carp.peers import Peer, Peers
from vipd.carp.rank import BOW_OUT, Rank, bows_out, rank_of

#: How long a leaving master goes on answering for a successor that it has not heard yet, seconds.
#: ucarp looks at a packet up to 1 s late, and may lose the first.
LEAVE_AT_MOST = 2.0
#: A bow-out may get lost: it is repeated this often (seconds) until a successor is heard.
BOW_OUT_AGAIN = 0.5
#: Silence after a step down by signal (ucarp sleeps 3 s on SIGUSR2), seconds.
STEP_DOWN_HOLD = 3.0
#: After an advertisement that could not be sent: how long not to preempt, seconds. OpenBSD demotes
#: a host whose sending fails.
MODEST_FOR = 10.0
#: Announcements are repeated after this time, for switches that ignore the first, seconds.
ANNOUNCE_AGAIN = 1.0


class State(Enum):
    """INIT: not taking part (interface down, or stopped). BACKUP: listening. MASTER: owner."""

    INIT = "INIT"
    BACKUP = "BACKUP"
    MASTER = "MASTER"


class Input(Enum):
    """What can happen to a machine. The first six are what an advertisement means to us."""

    PREFERRED = "an advertisement that beats ours"
    EQUAL = "an advertisement as frequent as ours, from a higher address"
    SLOWER = "an advertisement less frequent than ours"
    DEMOTED = "an advertisement of a host that is demoted further than we are"
    LEAVING = "an advertisement so slow that its sender is bound to time out"
    TIMEOUT = "the deadline passed"
    LINK_UP = "the interface can be used"
    LINK_DOWN = "the interface cannot be used"
    STEP_DOWN = "asked to hand over and stay backup for a while"
    RESUME = "asked to forget a hold"
    STOP = "asked to hand over for good"
    LAPSED = "the lease on our addresses ran out before an advertisement renewed it"
    SENT = "an advertisement left, after one that did not"
    UNSENT = "an advertisement could not be sent"


class Reason(Enum):
    """Why a transition happened; the text is for people."""

    LINK_UP = "interface is up"
    LINK_DOWN = "interface is down"
    MASTER_DOWN = "nothing heard from a master"
    PREEMPTION = "the master advertises slower than we do, and we preempt"
    MASTER_DEMOTED = "the master is demoted further than we are (byte 4 of its advertisements)"
    MASTER_LEAVING = "the master is leaving or going to time out"
    PREFERRED_MASTER = "preferred master advertised"
    STEPPED_DOWN = "stepped down on request"
    MAINTENANCE = "handed over for maintenance"
    STOPPED = "stopped on request"
    SCRIPT_FAILED = "UPSCRIPT failed"
    LAPSED = "lease expired: no advertisement could be sent in time"
    UNHEARD = "advertisements cannot be sent"


@dataclass(frozen=True, slots=True)
class Transition:
    """The state changed; comes before the effects that it explains."""

    old: State
    new: State
    reason: Reason


@dataclass(frozen=True, slots=True)
class Acquire:
    """Put the addresses on the interface (or run UPSCRIPT)."""


@dataclass(frozen=True, slots=True)
class Release:
    """Take the addresses off the interface (or run DOWNSCRIPT). ``at_start``: we never had them in
    this life; clears what an earlier one may have left."""

    at_start: bool = False


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the network where the addresses are (gratuitous ARP, unsolicited ND)."""


@dataclass(frozen=True, slots=True)
class SendAdvertisement:
    """Send one advertisement with these values (ours, or the bow-out's 255/255), and tell
    `Machine.sent` if it did not leave, or if it did after one that did not (``Machine.mute``)."""

    advbase: int
    advskew: int


Effect = Transition | Acquire | Release | Announce | SendAdvertisement
Effects = tuple[Effect, ...]


class Heard(NamedTuple):
    """The last advertisement of another host in our group, and when it came."""

    ad: Advertisement
    at: float


def meaning(ad: Advertisement, ours: Parameters) -> Input:
    """What an advertisement means to a host with these parameters."""
    return _meaning(rank_of(ad), ours.gives_up(ad), ours)


def _meaning(theirs: Rank, leaves: bool, ours: Parameters) -> Input:
    if leaves:
        return Input.LEAVING
    if theirs.demotion > ours.demotion:
        return Input.DEMOTED
    if theirs < ours.rank:
        return Input.PREFERRED
    return Input.EQUAL if theirs.ties(ours.rank) else Input.SLOWER


class Mode(Enum):
    """What we are doing; finer than `State`, which is what we tell the world."""

    INIT = State.INIT, "not taking part"
    BACKUP = State.BACKUP, "listening, and taking over when the deadline passes"
    TRYING = State.BACKUP, "about to take over, if an advertisement leaves this time"
    HOLDING = State.BACKUP, "stepped down: not taking over whatever is heard, until the hold ends"
    MASTER = State.MASTER, "owning and advertising"
    LEAVING = State.MASTER, "bowed out: answering until the successor is heard"

    def __init__(self, state: State, meaning: str) -> None:
        self.state = state
        self.meaning = meaning


class Outlook(NamedTuple):
    """What a machine's next decisions rest on, for people. Times are on the clock of ``now``.

    ``takeover_at``: when it becomes master as things are, ``takeover_reason`` why; None: not by
    itself. ``hold_until``: not master before this (``inf``: until `Machine.resume`), None: no hold.
    ``modest_until``: not preempting before this, None: not modest. ``follows``: the living master
    that it follows, until ``follows_until`` unless heard again; None: nobody.
    """

    mode: Mode
    takeover_at: float | None
    takeover_reason: Reason | None
    hold_until: float | None
    modest_until: float | None
    follows: IPv4Address | None
    follows_until: float | None


class Machine:
    """One group's state machine on one host.

    After every call look at `deadline` again (``inf``: none). Effects must be carried out in order.
    ``heard`` is the last advertisement of another host, for people; no decision rests on it alone.
    ``peers``: the other masters that are heard. ``mute``: our last advertisement could not be sent.
    """

    __slots__ = (
        "_announce_at",
        "_due",
        "_ending",
        "_followed",
        "_fresh",
        "_hold_until",
        "_mode",
        "_modest_until",
        "_sender",
        "_steady",
        "_until",
        "_why",
        "heard",
        "mute",
        "parameters",
        "peers",
    )

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.heard: Heard | None = None
        self.mute = False
        self._fresh = False  # MASTER: only the advertisement that said so was sent yet
        self._mode = Mode.INIT
        self._due = inf  # when TIMEOUT happens
        self._announce_at = inf  # when a master repeats its announcement
        # BACKUP: why TIMEOUT makes us master; LEAVING: why we hold afterwards
        self._why = Reason.MASTER_DOWN
        self._until = inf  # LEAVING: when to let go although no successor was heard
        self._ending = False  # LEAVING: for good
        self._hold_until = -inf  # not to be master again before this
        self._modest_until = -inf  # not to preempt before this
        self.peers = Peers(parameters)
        # BACKUP, following a master that there is no reason to take over from: what it says.
        self._steady: tuple[object, ...] | None = None
        self._followed: Peer | None = None
        self._sender: Peer | None = None  # of the advertisement that is being decided about

    @property
    def state(self) -> State:
        return self._mode.state

    @property
    def leaving(self) -> bool:
        """Still answering for the addresses, but already handing them over."""
        return self._mode is Mode.LEAVING

    @property
    def holding(self) -> bool:
        """A backup that does not take over, whatever happens."""
        return self._mode is Mode.HOLDING

    @property
    def deadline(self) -> float:
        """When to call `tick`, on the clock of ``now``."""
        return min(self._due, self._announce_at)

    def outlook(self, now: float) -> Outlook:
        """Why this host is or is not master, and what would change it."""
        takeover_at = takeover_reason = None
        if self._mode is Mode.BACKUP:
            takeover_at, takeover_reason = self._due, self._why
        elif self._mode is Mode.HOLDING and self._due < inf:
            takeover_at = self._due + self.parameters.master_down
            takeover_reason = Reason.MASTER_DOWN
        master = self.peers.best(now) if self.state is State.BACKUP else None
        return Outlook(
            self._mode,
            takeover_at,
            takeover_reason,
            self._hold_until if now < self._hold_until else None,
            self._modest_until if now < self._modest_until else None,
            master.ad.source if master else None,
            master.at + master.trust if master else None,
        )

    # What can happen

    def start(self) -> Effects:
        """Begin a life: clear what an earlier one left behind (ucarp runs DOWNSCRIPT then)."""
        return (Release(at_start=True),)

    def receive(self, ad: Advertisement, now: float) -> Effects:
        """An advertisement of our group from another host; its digest has been verified."""
        master = self._followed
        if ad[:6] == self._steady and master is not None and now < master.at + master.trust:
            # All as last time, but for the counter: nothing to decide.
            self.heard = Heard(ad, now)
            master.at = now
            self._due = now + master.wait
            return ()
        peer = self._sender = self.peers.hear(ad, now)
        if peer is None:
            return ()
        self.heard = Heard(ad, now)
        if peer is self._followed:
            self._steady = None  # it says something else now
        return self._happen(_meaning(peer.rank, peer.leaves, self.parameters), now)

    def tick(self, now: float) -> Effects:
        """Time has passed; harmless at any moment."""
        effects: Effects = ()
        if self._announce_at <= now:
            self._announce_at = inf
            effects = (Announce(),)
        if self._due <= now:
            effects += self._happen(Input.TIMEOUT, now)
        return effects

    def link_up(self, now: float) -> Effects:
        """The interface can be used: listen."""
        return self._happen(Input.LINK_UP, now)

    def link_down(self, now: float) -> Effects:
        """The interface cannot be used: let go at once."""
        return self._happen(Input.LINK_DOWN, now)

    def step_down(
        self,
        now: float,
        hold: float = STEP_DOWN_HOLD,
        reason: Reason = Reason.STEPPED_DOWN,
    ) -> Effects:
        """A master hands over; nobody becomes master for ``hold`` seconds (``inf``: until
        `resume`), whatever happens to the interface. A longer hold stays."""
        self._hold_until = max(self._hold_until, now + hold)
        if self._mode is Mode.MASTER:
            self._why = reason
        return self._happen(Input.STEP_DOWN, now)

    def resume(self, now: float) -> Effects:
        """No hold any more: listen, and take over when it is time."""
        self._hold_until = -inf
        return self._happen(Input.RESUME, now)

    def lapse(self, now: float) -> Effects:
        """The kernel has taken the addresses of this master away, because no advertisement that
        left renewed them in time: somebody else may have them. Start again as BACKUP."""
        return self._happen(Input.LAPSED, now)

    def sent(self, left: bool, now: float) -> Effects:
        """Whether an advertisement that we asked for left; to be told before anything else."""
        self.mute = not left
        return self._happen(Input.SENT if left else Input.UNSENT, now)

    def change(self, parameters: Parameters, now: float) -> Effects:
        """New parameters, in place: no transition, unless what is heard later asks for one."""
        old, self.parameters = self.parameters, parameters
        self.peers.change(parameters)
        self._steady = None
        if self._mode is Mode.BACKUP and self._why is Reason.MASTER_DOWN:
            # The silence so far counts.
            self._due = max(now, self._due + parameters.master_down - old.master_down)
        elif self._mode is Mode.MASTER:  # an advertisement too many tells the others at once
            self._due = min(self._due, timing.next_advertisement(now, parameters.interval))
        return ()

    def stop(self, now: float) -> Effects:
        """Hand over for good. Done when the state is INIT: after `LEAVE_AT_MOST` at the latest.
        The machine listens again if the link comes up after that, so do not tell it."""
        self._ending = True
        return self._happen(Input.STOP, now)

    def _happen(self, event: Input, now: float) -> Effects:
        rule = TABLE.get((self._mode, event))
        return rule(self, now) if rule else ()

    # What is done about it: the actions of TABLE

    def _listen(self, now: float) -> Effects:
        """INIT to BACKUP; a hold is a promise that outlives a loose cable."""
        self._ending = False
        holding = now < self._hold_until
        transition = self._enter(Mode.HOLDING if holding else Mode.BACKUP, Reason.LINK_UP)
        if holding:
            self._due = self._hold_until
        else:
            self._rearm(now)
        return (transition,)

    def _hold(self, _now: float) -> Effects:
        """A backup that is not to take over."""
        self._mode = Mode.HOLDING
        self._steady = None
        self._due = self._hold_until
        return ()

    def _rearm(self, now: float) -> Effects:
        """Give the master its time again."""
        self._mode = Mode.BACKUP
        self._due = now + self.parameters.master_down
        self._why = Reason.MASTER_DOWN
        return ()

    def _outdone(self, now: float) -> bool:
        """Whether a better master lives than the one that has just been heard. That one may be a
        loser's farewell, or one that has yet to learn who is master: with three hosts, no reason
        to take over. Of two masters that do not hear each other it is the one that will yield."""
        return self.peers.best(now) is not self._sender

    def _heard_master(self, now: float) -> Effects:
        """A master lives. It has at least until its next advertisement is due."""
        master = self.peers.best(now)
        if master is None or master is not self._sender:
            return self._wait_for_both()
        self._followed, self._steady = master, master.ad[:6]
        self._due = now + master.wait
        self._why = Reason.MASTER_DOWN
        return ()

    def _wait_for_both(self) -> Effects:
        """No reason to follow another, and none to take over; but one more to wait for."""
        if self._why is Reason.MASTER_DOWN and self._sender is not None:
            self._due = max(self._due, self._sender.silent_at())
        return ()

    def _heard_slower(self, now: float) -> Effects:
        """A master lives that we beat: ours if we preempt."""
        if not self.parameters.preempt:
            return self._heard_master(now)
        if self._outdone(now):
            return self._wait_for_both()
        if now < self._modest_until:
            return self._leave_alone(now)
        self._why = Reason.PREEMPTION
        return self._take_over(now)

    def _heard_demoted(self, now: float) -> Effects:
        """A master lives that its host would rather not have: ours, whether we preempt or not; but
        the best backup goes first."""
        if self._outdone(now):
            return self._wait_for_both()
        if now < self._modest_until:
            return self._leave_alone(now)
        return self._relieve(now, Reason.MASTER_DEMOTED)

    def _heard_leaving(self, now: float) -> Effects:
        """No reason to wait for a time-out that is certain, unless there is another master."""
        if self.peers.best(now):
            return ()
        return self._relieve(now, Reason.MASTER_LEAVING)

    def _leave_alone(self, now: float) -> Effects:
        """Follow it for as long as we are modest: the same words will mean something else then."""
        self._heard_master(now)
        self._steady = None
        return ()

    def _relieve(self, now: float, why: Reason) -> Effects:
        """Take over from a master that wants it, or is gone: the best backup first."""
        wait = timing.stagger(self.parameters.advbase, self.parameters.advskew)
        self._steady, self._why = None, why
        self._due = min(self._due, now + wait)
        return self._take_over(now) if self._due <= now else ()

    def _time_out(self, now: float) -> Effects:
        """The master that we followed is silent; but another one may not be."""
        if self._why is Reason.MASTER_DOWN and self.peers.silent_at() > now:
            self._due = self.peers.silent_at()
            return ()
        return self._take_over(now)

    def _take_over(self, now: float) -> Effects:
        """BACKUP to MASTER. A host that could not send last time makes sure that it is heard first:
        its announcement would take the clients away from a master that does not hear it, and so
        has no reason to call them back."""
        if self.mute:
            self._mode, self._steady, self._due = Mode.TRYING, None, inf
            return (SendAdvertisement(self.parameters.advbase, self.parameters.advskew),)
        rise = self._rise(now)
        self._fresh = True
        return (*rise, *self._say(now))

    def _rise(self, now: float) -> Effects:
        transition = self._enter(Mode.MASTER, self._why)
        self._announce_at = now + ANNOUNCE_AGAIN
        self._due = timing.next_advertisement(now, self.parameters.interval)
        return (transition, Acquire(), Announce())

    def _unheard(self, now: float) -> Effects:
        """Nobody has learnt that we are master, and somebody else may be. A master that was heard
        before goes on for as long as its lease does."""
        effects: Effects = ()
        if self._mode is Mode.MASTER:
            if not self._fresh:
                return ()
            effects = (self._enter(Mode.BACKUP, Reason.UNHEARD), Release())
        self._modest_until = now + MODEST_FOR
        self._rearm(now)
        return effects

    def _advertise(self, now: float) -> Effects:
        self._fresh = False
        return self._say(now)

    def _say(self, now: float) -> Effects:
        """One advertisement, and the time of the next."""
        self._due = timing.next_advertisement(now, self.parameters.interval)
        return (SendAdvertisement(self.parameters.advbase, self.parameters.advskew),)

    def _reassert(self, now: float) -> Effects:
        """Somebody who should not be master advertises: clients may have learnt its MAC address.
        Needed after a healed partition too, when our own state never changed."""
        self._announce_at = now + ANNOUNCE_AGAIN
        return (Announce(),)

    def _yield(self, now: float) -> Effects:
        """MASTER to BACKUP. One more advertisement makes the winner announce itself again."""
        effects = (
            SendAdvertisement(self.parameters.advbase, self.parameters.advskew),
            self._enter(Mode.BACKUP, Reason.PREFERRED_MASTER),
            Release(),
        )
        self._rearm(now)
        self._heard_master(now)
        return effects

    def _bow_out(self, now: float) -> Effects:
        """Make before break: ask for a successor, and answer until it is there (or for a while)."""
        if self._mode is not Mode.LEAVING:
            self._mode = Mode.LEAVING
            self._announce_at = inf
            self._until = now + LEAVE_AT_MOST
        elif now >= self._until:
            return self._let_go(now)
        self._due = min(now + BOW_OUT_AGAIN, self._until)
        return (SendAdvertisement(*BOW_OUT),)

    def _heard_successor(self, now: float) -> Effects:
        """Let go, unless that was somebody else's bow-out."""
        if self.heard is not None and bows_out(self.heard.ad):
            return ()
        return self._let_go(now)

    def _let_go(self, now: float) -> Effects:
        """End of a hand-over."""
        if self._ending:
            return (self._enter(Mode.INIT, Reason.STOPPED), Release())
        transition = self._enter(Mode.HOLDING, self._why)
        self._due = max(now, self._hold_until)
        return (transition, Release())

    def _lose_link(self, _now: float) -> Effects:
        was_master = self.state is State.MASTER
        transition = self._enter(Mode.INIT, Reason.LINK_DOWN)
        return (transition, Release()) if was_master else (transition,)

    def _start_again(self, now: float) -> Effects:
        """MASTER to BACKUP, without a word: what we say about these addresses may be wrong."""
        effects = (self._enter(Mode.BACKUP, Reason.LAPSED), Release())
        self._rearm(now)
        if self.mute:
            self._modest_until = now + MODEST_FOR
        return effects

    def _end(self, _now: float) -> Effects:
        return (self._enter(Mode.INIT, Reason.STOPPED),)

    def _enter(self, mode: Mode, reason: Reason) -> Transition:
        transition = Transition(self.state, mode.state, reason)
        self._mode = mode
        self._steady = None
        self._due = self._announce_at = self._until = inf
        return transition


_Rule = Callable[[Machine, float], Effects]

#: The state machine. A pair that is not here changes nothing.
TABLE: Mapping[tuple[Mode, Input], _Rule] = MappingProxyType(
    {
        (Mode.INIT, Input.LINK_UP): Machine._listen,
        #
        (Mode.BACKUP, Input.PREFERRED): Machine._heard_master,
        (Mode.BACKUP, Input.EQUAL): Machine._heard_master,
        (Mode.BACKUP, Input.SLOWER): Machine._heard_slower,
        (Mode.BACKUP, Input.DEMOTED): Machine._heard_demoted,
        (Mode.BACKUP, Input.LEAVING): Machine._heard_leaving,
        (Mode.BACKUP, Input.TIMEOUT): Machine._time_out,
        (Mode.BACKUP, Input.LINK_DOWN): Machine._lose_link,
        (Mode.BACKUP, Input.STEP_DOWN): Machine._hold,
        (Mode.BACKUP, Input.STOP): Machine._end,
        #
        (Mode.TRYING, Input.SENT): Machine._rise,
        (Mode.TRYING, Input.UNSENT): Machine._unheard,
        #
        (Mode.HOLDING, Input.TIMEOUT): Machine._rearm,
        (Mode.HOLDING, Input.LINK_DOWN): Machine._lose_link,
        (Mode.HOLDING, Input.STEP_DOWN): Machine._hold,
        (Mode.HOLDING, Input.RESUME): Machine._rearm,
        (Mode.HOLDING, Input.STOP): Machine._end,
        #
        (Mode.MASTER, Input.PREFERRED): Machine._yield,
        (Mode.MASTER, Input.EQUAL): Machine._reassert,
        (Mode.MASTER, Input.SLOWER): Machine._reassert,
        (Mode.MASTER, Input.DEMOTED): Machine._reassert,
        (Mode.MASTER, Input.LEAVING): Machine._reassert,
        (Mode.MASTER, Input.TIMEOUT): Machine._advertise,
        (Mode.MASTER, Input.LINK_DOWN): Machine._lose_link,
        (Mode.MASTER, Input.STEP_DOWN): Machine._bow_out,
        (Mode.MASTER, Input.STOP): Machine._bow_out,
        (Mode.MASTER, Input.LAPSED): Machine._start_again,
        (Mode.MASTER, Input.UNSENT): Machine._unheard,
        #
        (Mode.LEAVING, Input.PREFERRED): Machine._heard_successor,
        (Mode.LEAVING, Input.EQUAL): Machine._heard_successor,
        (Mode.LEAVING, Input.SLOWER): Machine._heard_successor,
        (Mode.LEAVING, Input.DEMOTED): Machine._heard_successor,
        (Mode.LEAVING, Input.LEAVING): Machine._heard_successor,
        (Mode.LEAVING, Input.TIMEOUT): Machine._bow_out,
        (Mode.LEAVING, Input.LAPSED): Machine._let_go,
        (Mode.LEAVING, Input.LINK_DOWN): Machine._lose_link,
    }
)
