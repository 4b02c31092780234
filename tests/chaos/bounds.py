"""How long what must not be may be: from the timers, and from nothing else. All in seconds.

What stands here is what vipd promises; ``patience``, which the verdict adds, is for the machine
that all of it runs on. docs/chaos.md says it in words.
"""

from collections.abc import Sequence

from chaos.groups import CHECK_FALL, CHECK_INTERVAL, CHECK_RISE, SCRIPT_TIMEOUT, Group
from chaos.record import Condition, Span
from vipd.carp.backup import NO_PREEMPT_FOR
from vipd.carp.machine import STEP_DOWN_HOLD
from vipd.carp.master import LEAVE_AT_MOST
from vipd.carp.timing import GRID

#: How much later than asked the kernel ends a lease: having looked for what is over, it looks again
#: a second later at the earliest (ADDRCONF_TIMER_FUZZ_MAX in its net/ipv4/devinet.c; measured).
KERNEL_LATE = 1.0
#: The guard acts within this after vipd's death, or after the end of the lease of a frozen one.
GUARD_LATE = 0.05
#: Instead of the usual patience: with more, the kernel's lateness would pass for the guard's.
GUARD_PATIENCE = 0.3
#: A guard that was just started has read what it is to do.
GUARD_READY = 1.0
#: From the first run that fails, or that does not end, to the verdict; the one before it has just
#: begun.
SICK_AFTER = (CHECK_FALL + 1) * CHECK_INTERVAL
#: The same when it is good again; the last bad run may have to be ended first.
WELL_AFTER = (CHECK_RISE + 2) * CHECK_INTERVAL
#: The best of several healthy hosts relieves a sick master first; this is for the worst of them.
STAGGER = 0.25
#: A host that was asked to step down is not master again for so long.
HELD = STEP_DOWN_HOLD
#: From a script's time-out to its end.
_MERCY = 2.0
#: The same after a failed UPSCRIPT, from the time on when scripts work again
#: (`vipd.daemon.vips.vip`).
SCRIPTLESS_HOLD = SCRIPT_TIMEOUT + _MERCY + 60.0
#: A changed file: `vipd.daemon.files.watch` waits for the end of changes, 2 s at most; a reload
#: before it may have VIPs to end, and so may this one.
RELOADED = 2.0 + 2 * LEAVE_AT_MOST
#: What was away for less than this is no wish that anything end; `vipd` waits for longer.
AWAY = 1.5
#: A stopped vipd ends within this: the hand-over, then scripts.
STOPPED = LEAVE_AT_MOST + 2 * (SCRIPT_TIMEOUT + _MERCY)


def script(group: Group) -> float:
    """The longest that the scripts of a group can keep it from what it decided."""
    return SCRIPT_TIMEOUT + _MERCY if group.scripted else 0.0


def hand_over(group: Group) -> float:
    """A host that leaves answers until it hears its successor, and not for ever."""
    return LEAVE_AT_MOST + script(group)


def none(group: Group, *, sick: bool = False) -> float:
    """Somebody could own the address, and nobody does: the last word of the last owner, and then
    the silence after which a backup takes over; a sick one an advbase later. Its UPSCRIPT may be
    one that hangs: then that host hands on, and so does not count, but it was heard."""
    return group.master_down + GRID + script(group) + (group.advbase if sick else 0.0)


def orphan(group: Group) -> float:
    """A frozen or dead host without a guard still has the address: its lease was renewed the moment
    before."""
    return group.lease + KERNEL_LATE


def kept(group: Group, impaired: Span, spans: Sequence[Span]) -> tuple[float, bool]:
    """For how long a host keeps its addresses that is frozen or dead from the begin of ``impaired``
    on; and whether that is up to its guard. ``spans``: all conditions of the host."""
    dead = any(s.condition is Condition.DEAD and s.begin == impaired.begin for s in spans)
    guarded = GUARD_LATE if dead else group.lease + GUARD_LATE
    until = impaired.begin + guarded
    if any(s.condition is Condition.UNGUARDED and s.overlaps(impaired.begin, until) for s in spans):
        return orphan(group), False
    return guarded, True


def doubt(group: Group) -> float:
    """For so long a host does not doubt another owner that it has heard."""
    return 2 * (group.interval + GRID)


def sick(group: Group) -> float:
    """A sick host owns, although a healthy one is free to: the verdict, the next advertisement, and
    the wait for a better host."""
    return SICK_AFTER + group.interval + STAGGER


def together(group: Group, host: str, begin: float, end: float, spans: Sequence[Span]) -> float:
    """A host may have a part of a VIP's addresses, from ``begin`` to ``end``: a frozen or dead one
    puts nothing back, nor does it add the rest of what it began to add."""
    impaired = any(
        span.condition is Condition.IMPAIRED
        and span.host == host
        and span.concerns(group.vhid)
        and span.overlaps(begin, end)
        for span in spans
    )
    return orphan(group) if impaired else 0.0


def double(group: Group, span: Span, spans: list[Span]) -> tuple[float, float] | None:
    """From when to when two owners may be on account of a condition that one of them is or was in;
    ``spans`` are all conditions of the owners."""
    match span.condition:
        case Condition.IMPAIRED if group.scripted:
            return span.begin, span.end  # what its script adds while vipd sleeps has no lease yet
        case Condition.IMPAIRED:
            own = [each for each in spans if each.host == span.host]
            return span.begin, min(span.begin + kept(group, span, own)[0], span.end)
        case Condition.SCRIPTLESS if group.scripted:  # DOWNSCRIPT failed: the lease ends it
            return span.begin, span.end + script(group) + orphan(group)
        case Condition.APART:
            return span.end, _healed(group, span.end, spans)
    return None


def _healed(group: Group, healed: float, spans: list[Span]) -> float:
    """Two masters that hear each other again: the better one's next advertisement ends it. Unless
    it leaves before that: then it is the other's next that is waited for."""
    heard = healed + group.interval
    leaving = [
        min(span.end, heard) + group.interval
        for span in spans
        if span.condition is Condition.LEAVING and span.overlaps(healed, heard)
    ]
    return max([heard, *leaving])


def slack(group: Group) -> float:
    """How late the machine has to be until a host that nothing befell may lose the address: an
    advertisement renews the lease, and is what the backups wait for."""
    return group.lease - group.interval


def settled(group: Group) -> float:
    """After the last fault: whoever started listens, hears a worse master and takes over; but a
    host that could not send for a while is modest, and one that was sick has to know that it is
    well."""
    return NO_PREEMPT_FOR + none(group, sick=True) + group.interval + WELL_AFTER
