"""What a host does while it owns the addresses: the rules of MASTER and LEAVING in
`vipd.carp.machine.TABLE`."""

from math import inf

from vipd.carp.backup import NO_PREEMPT_FOR, begin_delay, follow
from vipd.carp.effects import Effects, Release, SendAdvertisement
from vipd.carp.rank import BOW_OUT, bows_out, slower_than
from vipd.carp.situation import Situation
from vipd.carp.states import Mode, Reason

#: How long a leaving master answers for a successor that it has not heard yet, seconds. ucarp
#: looks at a packet up to 1 s late, and may lose the first.
LEAVE_AT_MOST = 2.0
#: A bow-out may get lost: it is repeated this often (seconds) until a successor is heard.
BOW_OUT_AGAIN = 0.5
#: A master answers another one this often at most, seconds.
ANSWER_EVERY = 0.25


def advertise(our: Situation, now: float) -> Effects:
    """It is time for the next advertisement."""
    our.unconfirmed = False
    return our.advertise(now)


def fall_sick(our: Situation, now: float) -> Effects:
    """Own on until another host does, and tell all of them at once."""
    return our.advertise(now)


def recover(our: Situation, now: float) -> Effects:
    """Tell those at once who have not taken over yet."""
    begin_delay(our, now)
    return our.advertise(now)


def reassert(our: Situation, now: float) -> Effects:
    """A host advertises that should not be master: clients may have learnt its MAC address. Needed
    after a healed partition too, when our own state never changed. The answer ends that at once: it
    need not wait for our next advertisement. A flood of recorded advertisements gets no more
    answers than one in `ANSWER_EVERY`."""
    if now < our.answer_at:
        return our.announce(now)
    our.answer_at = now + ANSWER_EVERY
    return (our.parameters.advertisement, *our.announce(now))


def yield_to(our: Situation, now: float) -> Effects:
    """MASTER to BACKUP. One more advertisement makes the winner announce itself again. If we are
    sick, it is not to make a third host take over: a tick slower than the winner does not."""
    last = our.parameters.advertisement
    if our.parameters.hands_over and our.sender is not None:
        last = SendAdvertisement(*slower_than(our.sender.ad))
    effects = (
        last,
        our.enter(Mode.BACKUP, Reason.PREFERRED_MASTER),
        Release(),
    )
    our.rearm(now)
    follow(our, now)
    return effects


def bow_out(our: Situation, now: float) -> Effects:
    """Make before break: ask for a successor, and answer until it is there, or for a while."""
    if our.mode is not Mode.LEAVING:
        our.mode = Mode.LEAVING
        our.announce_at = inf
        our.release_at = now + LEAVE_AT_MOST
    elif now >= our.release_at:
        return let_go(our, now)
    our.due = min(now + BOW_OUT_AGAIN, our.release_at)
    return (SendAdvertisement(*BOW_OUT),)


def heard_successor(our: Situation, now: float) -> Effects:
    """Let go, unless that was another host's bow-out."""
    if our.heard is not None and bows_out(our.heard.ad):
        return ()
    return let_go(our, now)


def let_go(our: Situation, now: float) -> Effects:
    """The end of a hand-over."""
    if our.ending:
        return (our.enter(Mode.INIT, Reason.STOPPED), Release())
    transition = our.enter(Mode.HOLDING, our.why)
    our.due = max(now, our.hold_until)
    return (transition, Release())


def lapse(our: Situation, now: float) -> Effects:
    """MASTER to BACKUP, without an advertisement: what it said about these addresses may be
    wrong."""
    effects = (our.enter(Mode.BACKUP, Reason.LAPSED), Release())
    our.rearm(now)
    if our.last_send_failed:
        our.no_preempt_until = now + NO_PREEMPT_FOR
    return effects
