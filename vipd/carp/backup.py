"""What a host does while it does not own the addresses: the rules of INIT, BACKUP, TRYING and
HOLDING in `vipd.carp.machine.TABLE`."""

from math import inf

from vipd.carp import timing
from vipd.carp.effects import Acquire, Effects, Release
from vipd.carp.rank import is_sick
from vipd.carp.situation import Situation
from vipd.carp.states import Mode, Reason, State

#: After an advertisement that could not be sent: how long not to preempt, seconds. OpenBSD demotes
#: a host whose sending fails.
NO_PREEMPT_FOR = 10.0


def listen(our: Situation, now: float) -> Effects:
    """INIT to BACKUP. A hold does not end because the interface went down and came up again."""
    our.ending = False
    our.listen_until = now + our.parameters.listen_first
    begin_delay(our, now)
    holding = now < our.hold_until
    transition = our.enter(Mode.HOLDING if holding else Mode.BACKUP, Reason.LINK_UP)
    if holding:
        our.due = our.hold_until
    else:
        our.rearm(now)
    return (transition,)


def hold(our: Situation, _now: float) -> Effects:
    """Do not take over until the hold ends."""
    our.mode = Mode.HOLDING
    our.fast_path = None
    our.due = our.hold_until
    return ()


def listen_again(our: Situation, now: float) -> Effects:
    """The hold is over."""
    our.rearm(now)
    return ()


def follow(our: Situation, now: float) -> Effects:
    """A master lives. It has at least until its next advertisement is due."""
    master = our.peers.best(now)
    if master is None or master is not our.sender:
        return _wait_for_both(our)
    our.followed, our.fast_path = master, master.said
    our.due = now + master.wait
    our.why = Reason.MASTER_DOWN
    return ()


def heard_slower(our: Situation, now: float) -> Effects:
    """A master lives that we beat: take over if we preempt. A host that is sick, or does not know
    yet whether it is, does not."""
    if not our.parameters.preempts:
        return follow(our, now)
    if _better_lives(our, now):
        return _wait_for_both(our)
    if now < max(our.no_preempt_until, our.leave_alone_until):
        return _leave_alone(our, now)
    our.why = Reason.PREEMPTION
    return take_over(our, now)


def heard_demoted(our: Situation, now: float) -> Effects:
    """A master lives whose host is sick, or demoted, and further than ours: take over with or
    without preempt, but the best backup goes first. A sick one has nothing better to offer."""
    if _to_be_left_alone(our, now):
        return _wait_for_both(our)
    if not _may_relieve(our, now):
        return _leave_alone(our, now)
    sick = our.sender is not None and is_sick(our.sender.ad)
    return _relieve(our, now, Reason.MASTER_SICK if sick else Reason.MASTER_DEMOTED)


def heard_leaving(our: Situation, now: float) -> Effects:
    """Do not wait for a time-out that is certain, unless another master lives that is to be left
    alone."""
    if our.peers.best(now) and (_to_be_left_alone(our, now) or not _may_relieve(our, now)):
        return ()
    return _relieve(our, now, Reason.MASTER_LEAVING)


def time_out(our: Situation, now: float) -> Effects:
    """The master that we followed is silent; another one may not be."""
    if our.why is Reason.MASTER_DOWN and our.peers.silent_at() > now:
        our.due = our.peers.silent_at()
        return ()
    return take_over(our, now)


def take_over(our: Situation, now: float) -> Effects:
    """BACKUP to MASTER. A host that could not send last time first makes sure that an advertisement
    leaves: its announcement would take the clients away from a master that does not hear it, and
    so has no reason to announce itself again."""
    if our.last_send_failed:
        our.mode, our.fast_path, our.due = Mode.TRYING, None, inf
        return (our.parameters.advertisement,)
    effects = become_master(our, now)
    our.unconfirmed = True
    return (*effects, our.parameters.advertisement)


def become_master(our: Situation, now: float) -> Effects:
    """The advertisement is sent by the caller, or has been sent. A silent master may live in the
    other part of a cut network: ours leave half-way between its advertisements from now on."""
    transition, every = our.enter(Mode.MASTER, our.why), our.parameters.interval
    if transition.reason is Reason.MASTER_DOWN and our.heard and every >= timing.TOGETHER:
        our.due = timing.between(our.heard.at, now, every)
        our.phase = our.due % timing.TOGETHER
    else:
        our.due = timing.next_advertisement(now, every, our.phase)
    return (transition, Acquire(), *our.announce(now))


def unsent(our: Situation, now: float) -> Effects:
    """TRYING or a new MASTER could not send: nobody knows that we are master, and another host may
    be. A master that has advertised before stays master for as long as its lease holds."""
    effects: Effects = ()
    if our.mode is Mode.MASTER:
        if not our.unconfirmed:
            return ()
        effects = (our.enter(Mode.BACKUP, Reason.UNHEARD), Release())
    our.no_preempt_until = now + NO_PREEMPT_FOR
    our.rearm(now)
    return effects


def lose_link(our: Situation, _now: float) -> Effects:
    """The interface cannot be used, in whatever mode."""
    was_master = our.state is State.MASTER
    transition = our.enter(Mode.INIT, Reason.LINK_DOWN)
    return (transition, Release()) if was_master else (transition,)


def fall_sick(our: Situation, now: float) -> Effects:
    """A master that is as sick as we are is not relieved, but waited for. (Whatever else is waited
    for takes longer now, see `Parameters.master_down` and `Parameters.stagger`.)"""
    if our.parameters.hands_over and our.why in (Reason.MASTER_SICK, Reason.MASTER_DEMOTED):
        our.rearm(now)
    return ()


def recover(our: Situation, now: float) -> Effects:
    """The next advertisement of a master decides whether we take over from it; a sick host may have
    been waiting for one that is too slow for a healthy one."""
    our.due = min(our.due, max(our.silent_at(now), our.peers.silent_at()))
    return begin_delay(our, now)


def begin_delay(our: Situation, now: float) -> Effects:
    """So long a living master is left alone, if it is not sick."""
    our.leave_alone_until = now + our.parameters.preempt_delay
    return ()


def end(our: Situation, _now: float) -> Effects:
    """A backup has nothing to hand over."""
    return (our.enter(Mode.INIT, Reason.STOPPED),)


def _may_relieve(our: Situation, now: float) -> bool:
    """Whether we take over from a living master that is worse off. A host that could not send may
    be unable to. PREEMPT_DELAY does not keep us from it."""
    return our.parameters.relieves and now >= our.no_preempt_until


def _to_be_left_alone(our: Situation, now: float) -> bool:
    """Whether a master lives that is neither sick nor demoted, or not further than we are."""
    best = our.peers.best(now)
    return best is not None and best.rank.demotion <= our.parameters.demotion


def _better_lives(our: Situation, now: float) -> bool:
    """Whether a better master lives than the one that has just been heard. That one may be a
    loser's farewell, or may have yet to hear the better one: with three hosts, no reason to take
    over. Of two masters that do not hear each other, the worse one will yield."""
    return our.peers.best(now) is not our.sender


def _wait_for_both(our: Situation) -> Effects:
    """Neither follow the sender nor take over; but wait until it is silent, too."""
    if our.why is Reason.MASTER_DOWN and our.sender is not None:
        our.due = max(our.due, our.sender.silent_at())
    return ()


def _leave_alone(our: Situation, now: float) -> Effects:
    """Follow a master that we would take over from if we might preempt. Its next advertisement is
    decided about again."""
    follow(our, now)
    our.fast_path = None
    return ()


def _relieve(our: Situation, now: float, why: Reason) -> Effects:
    """Take over from a master that wants it, or is gone: the best backup first."""
    our.fast_path, our.why = None, why
    our.due = min(our.due, now + our.parameters.stagger)
    return take_over(our, now) if our.due <= now else ()
