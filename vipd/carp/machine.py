"""Who is master. `TABLE` is the state machine: for each mode and input the rule that applies.

Rules are in `vipd.carp.backup` and `vipd.carp.master`. `vipd.carp.rank` compares two hosts,
`vipd.carp.peers` knows which masters live. Nothing outside these files decides.

The machine has no clock and does no I/O. `now` (seconds on any monotonic clock) is an argument,
`Machine.deadline` says when to call `Machine.tick`, and what has to be done comes back as effects,
to be carried out in their order. So the same object runs under asyncio, in a unit test and in a
simulator.

ucarp's ``carp.c`` (``packethandler``, ``carp_master_down``, ``docarp``) is the source of a rule
unless a comment names another. Demotion (byte 4 of an advertisement) is OpenBSD's
(``carp_proto_input_c``): it counts before the interval, and a demoted master is relieved by a
backup without ``preempt``, too. Sickness is ours:

- a sick master asks for another owner with every advertisement (`vipd.carp.rank.SICK_ADVBASE`), and
  is one until somebody takes over;
- a healthy backup does so, with or without ``preempt``, a sick one does not: nobody moves between
  the equally sick;
- a sick backup takes over from silence and from a bow-out, but later than the healthy;
- a host without verdicts, or in its PREEMPT_DELAY, preempts nobody, and takes over from silence.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from types import MappingProxyType
from typing import NamedTuple

from vipd.carp import backup, master, timing
from vipd.carp.effects import Announce, Effects, Release
from vipd.carp.health import Health
from vipd.carp.host import Address
from vipd.carp.packet import Advertisement, said
from vipd.carp.parameters import Parameters
from vipd.carp.rank import Rank, rank_of
from vipd.carp.situation import Heard, Situation
from vipd.carp.states import Input, Mode, Reason, State

#: Silence after a step down by signal (ucarp sleeps 3 s on SIGUSR2), seconds.
STEP_DOWN_HOLD = 3.0

_Rule = Callable[[Situation, float], Effects]

#: The state machine. A pair that is not here changes nothing.
TABLE: Mapping[tuple[Mode, Input], _Rule] = MappingProxyType(
    {
        (Mode.INIT, Input.LINK_UP): backup.listen,
        #
        (Mode.BACKUP, Input.PREFERRED): backup.follow,
        (Mode.BACKUP, Input.EQUAL): backup.follow,
        (Mode.BACKUP, Input.SLOWER): backup.heard_slower,
        (Mode.BACKUP, Input.DEMOTED): backup.heard_demoted,
        (Mode.BACKUP, Input.LEAVING): backup.heard_leaving,
        (Mode.BACKUP, Input.TIMEOUT): backup.time_out,
        (Mode.BACKUP, Input.SICKENED): backup.fall_sick,
        (Mode.BACKUP, Input.RECOVERED): backup.recover,
        (Mode.BACKUP, Input.LINK_DOWN): backup.lose_link,
        (Mode.BACKUP, Input.STEP_DOWN): backup.hold,
        (Mode.BACKUP, Input.STOP): backup.end,
        #
        (Mode.TRYING, Input.SENT): backup.become_master,
        (Mode.TRYING, Input.UNSENT): backup.unsent,
        #
        (Mode.HOLDING, Input.TIMEOUT): backup.listen_again,
        (Mode.HOLDING, Input.RECOVERED): backup.begin_delay,
        (Mode.HOLDING, Input.LINK_DOWN): backup.lose_link,
        (Mode.HOLDING, Input.STEP_DOWN): backup.hold,
        (Mode.HOLDING, Input.RESUME): backup.listen_again,
        (Mode.HOLDING, Input.STOP): backup.end,
        #
        (Mode.MASTER, Input.PREFERRED): master.yield_to,
        (Mode.MASTER, Input.EQUAL): master.reassert,
        (Mode.MASTER, Input.SLOWER): master.reassert,
        (Mode.MASTER, Input.DEMOTED): master.reassert,
        (Mode.MASTER, Input.LEAVING): master.reassert,
        (Mode.MASTER, Input.TIMEOUT): master.advertise,
        (Mode.MASTER, Input.SICKENED): master.fall_sick,
        (Mode.MASTER, Input.RECOVERED): master.recover,
        (Mode.MASTER, Input.LINK_DOWN): backup.lose_link,
        (Mode.MASTER, Input.STEP_DOWN): master.bow_out,
        (Mode.MASTER, Input.STOP): master.bow_out,
        (Mode.MASTER, Input.LAPSED): master.lapse,
        (Mode.MASTER, Input.UNSENT): backup.unsent,
        #
        (Mode.LEAVING, Input.PREFERRED): master.heard_successor,
        (Mode.LEAVING, Input.EQUAL): master.heard_successor,
        (Mode.LEAVING, Input.SLOWER): master.heard_successor,
        (Mode.LEAVING, Input.DEMOTED): master.heard_successor,
        (Mode.LEAVING, Input.LEAVING): master.heard_successor,
        (Mode.LEAVING, Input.TIMEOUT): master.bow_out,
        (Mode.LEAVING, Input.RECOVERED): backup.begin_delay,
        (Mode.LEAVING, Input.LAPSED): master.let_go,
        (Mode.LEAVING, Input.LINK_DOWN): backup.lose_link,
    }
)


class Outlook(NamedTuple):
    """What a machine's next decisions rest on, for people. Times are on the clock of ``now``.

    ``takeover_at``: when it becomes master if nothing changes, ``takeover_reason`` why; None: it
    does not. ``hold_until``: not master before this (``inf``: until `Machine.resume`), None: no
    hold. ``no_preempt_until``: not preempting before this, None: no such time. ``follows``: the
    living master that it follows, until ``follows_until`` unless heard again; None: nobody.
    """

    mode: Mode
    takeover_at: float | None
    takeover_reason: Reason | None
    hold_until: float | None
    no_preempt_until: float | None
    follows: Address | None
    follows_until: float | None


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


class Machine(Situation):
    """One group's state machine on one host: what can happen to it, and when it wants to be called.

    After every call look at `deadline` again (``inf``: none). Effects must be carried out in order.
    """

    __slots__ = ()

    @property
    def leaving(self) -> bool:
        """Still answering for the addresses, but already handing them over."""
        return self.mode is Mode.LEAVING

    @property
    def holding(self) -> bool:
        """A backup that does not take over, whatever happens."""
        return self.mode is Mode.HOLDING

    @property
    def deadline(self) -> float:
        """When to call `tick`, on the clock of ``now``."""
        return min(self.due, self.announce_at)

    @property
    def expects(self) -> tuple[int, int, int] | None:
        """What the followed master says (advbase, advskew, demotion) as long as nothing changes. A
        backup that hears the same again only waits for longer. None: every advertisement may
        matter."""
        return self.fast_path if self.mode is Mode.BACKUP else None

    def outlook(self, now: float) -> Outlook:
        """Why this host is or is not master, and what would change it."""
        takeover_at = takeover_reason = None
        if self.mode is Mode.BACKUP:
            takeover_at, takeover_reason = self.due, self.why
        elif self.mode is Mode.HOLDING and self.due < inf:
            takeover_at = self.due + self.parameters.master_down
            takeover_reason = Reason.MASTER_DOWN
        best = self.peers.best(now) if self.state is State.BACKUP else None
        modest_until = max(self.no_preempt_until, self.leave_alone_until)
        return Outlook(
            self.mode,
            takeover_at,
            takeover_reason,
            self.hold_until if now < self.hold_until else None,
            modest_until if now < modest_until else None,
            best.ad.source if best else None,
            best.at + best.trust if best else None,
        )

    def start(self) -> Effects:
        """Begin: remove what an earlier process left behind (ucarp runs DOWNSCRIPT then)."""
        return (Release(at_start=True),)

    def receive(self, ad: Advertisement, now: float) -> Effects:
        """An advertisement of our group from another host; its digest has been verified."""
        followed = self.followed
        if (
            followed is not None
            and said(ad) == self.fast_path
            and ad.host == followed.host
            and now < followed.at + followed.trust
        ):
            # All as last time, but for the counter: nothing to decide.
            self.heard = Heard(ad, now)
            followed.at = now
            self.due = now + followed.wait
            return ()
        if now < self.listen_until:
            self.end_listening(now)
        peer = self.sender = self.peers.hear(ad, now)
        if peer is None:
            return ()
        self.heard = Heard(ad, now)
        if peer is self.followed:
            self.fast_path = None  # it says something else now
        return self._happen(_meaning(peer.rank, peer.leaves, self.parameters), now)

    def tick(self, now: float) -> Effects:
        """Time has passed; harmless at any moment."""
        effects: Effects = ()
        if self.announce_at <= now:
            self.announce_at = inf
            effects = (Announce(),)
        if self.due <= now:
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
        """A master hands over; no mode becomes master for ``hold`` seconds (``inf``: until
        `resume`), whatever happens to the interface. A longer hold stays."""
        self.hold_until = max(self.hold_until, now + hold)
        if self.mode is Mode.MASTER:
            self.why = reason
        return self._happen(Input.STEP_DOWN, now)

    def resume(self, now: float) -> Effects:
        """No hold any more: listen, and take over when it is time."""
        self.hold_until = -inf
        return self._happen(Input.RESUME, now)

    def speak(self, now: float) -> Effects:
        """A master advertises now, and not when its time comes: other hosts may have taken over
        from it without its knowledge, and one of the two yields at once."""
        return self._happen(Input.TIMEOUT, now) if self.mode is Mode.MASTER else ()

    def lapse(self, now: float) -> Effects:
        """The kernel has taken the addresses of this master away, because no advertisement that
        left renewed them in time: another host may have them. Start again as BACKUP."""
        return self._happen(Input.LAPSED, now)

    def sent(self, left: bool, now: float) -> Effects:
        """Whether an advertisement that we asked for left. To be called before anything else."""
        self.last_send_failed = not left
        return self._happen(Input.SENT if left else Input.UNSENT, now)

    def change(self, parameters: Parameters, now: float) -> Effects:
        """New parameters from the files, in place: no transition, unless what is heard later asks
        for one. Our health stays what it was, see `judge`; but without DEMOTE_BY, a sick host hands
        over from now on."""
        before = self.parameters.hands_over
        self._adopt(replace(parameters, health=self.parameters.health), now)
        if self.parameters.hands_over and not before:
            return self._happen(Input.SICKENED, now)
        return ()

    def judge(self, health: Health, now: float) -> Effects:
        """What the checks of this host say now. A new process and new parameters change nothing
        about that; a machine that is told nothing is well."""
        before = self.parameters.health
        if health is before:
            return ()
        self._adopt(replace(self.parameters, health=health), now)
        if health is Health.SICK:
            return self._happen(Input.SICKENED, now)
        return self._happen(Input.RECOVERED, now) if before is Health.SICK else ()

    def _adopt(self, parameters: Parameters, now: float) -> None:
        old, self.parameters = self.parameters, parameters
        for_a_peer = any(peer.silent_at() == self.due for peer in self.peers)
        self.peers.change(parameters)
        self.fast_path = None
        if self.mode is Mode.BACKUP:  # the time that has passed counts
            longer = parameters.stagger - old.stagger
            if self.why is Reason.MASTER_DOWN:
                longer = parameters.master_down - old.master_down
                if for_a_peer and (silent := self.peers.silent_at()) > -inf:
                    longer = silent - self.due
            self.due = max(now, self.due + longer)
        elif self.mode is Mode.MASTER:  # an advertisement too many is heard by the others at once
            every = parameters.interval
            self.due = min(self.due, timing.next_advertisement(now, every, self.phase))

    def stop(self, now: float) -> Effects:
        """Hand over for good. Done when the state is INIT: after `LEAVE_AT_MOST` at the latest.
        The machine listens again if it is given `link_up` after that."""
        self.ending = True
        return self._happen(Input.STOP, now)

    def _happen(self, event: Input, now: float) -> Effects:
        rule = TABLE.get((self.mode, event))
        return rule(self, now) if rule else ()
