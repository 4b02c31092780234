"""How long what must not be may be, from nothing but timers. All figures are seconds.

The terms (docs/testing.md has the derivation in words):

====================  =============================================================================
``delay``             longest way of a packet (`Weather.slowest`)
``in_a_row``          advertisements of one master that one host may miss in a row
``lateness``          how late a process runs (`HostPlan.lateness`)
``stretch``           how much slower than the fastest clock the slowest is
====================  =============================================================================
"""

import itertools

from sim.host import Host
from sim.openbsd import OpenBSD
from sim.scenario import Scenario, Setting
from sim.seat import Seat
from sim.ucarp import CAPTURE, LINK_SLEEP, STEP_DOWN_SLEEP, Ucarp
from sim.vipd import KERNEL_LATE, Vipd, demoted
from vipd.carp.health import Health
from vipd.carp.parameters import SLOWEST_DEMOTED

# What is asked of vipd, written down once more: what is measured is no ruler.

#: A leaving master has let go after this.
LEAVE_AT_MOST = 2.0
#: A backup waits this much longer for a master that is as slow as its patience, at most.
GRACE = 1 / 16
#: The slowest backup waits this much longer than the fastest after a bow-out.
STAGGER = 1 / 4
#: A sick backup waits this much longer than a healthy one after a bow-out.
SICK_LATER = 1 / 2

#: The guard has removed an address this long after it had to, at most.
AT_ONCE = 0.05
#: An advertisement is expected to be late by this at most.
MAY_BE_LATE = 0.1


class Bounds:
    def __init__(self, scenario: Scenario) -> None:
        weather = scenario.weather
        self.delay = weather.slowest
        self.in_a_row = weather.in_a_row if weather.loss else 0
        rates = [1.0, *(1 + plan.drift for plan in scenario.hosts)]
        self.stretch = max(rates) / min(rates) + 1e-9
        self._kinds = {plan.kind for plan in scenario.hosts}
        self._in_order = weather.fastest == weather.slowest

    # The parts

    def heard(self, seat: Seat) -> float:
        """Until this seat has taken in what was sent to it."""
        if isinstance(seat, Ucarp):
            return self.delay + seat.host.plan.lateness + CAPTURE + self.scripts(seat)
        return self.delay + seat.host.plan.lateness

    def said(self, seat: Seat) -> float:
        """Until a master has said once more, to each that it is to reach, that it is."""
        every = (self.in_a_row + 1) * (seat.interval + seat.host.plan.lateness)
        return every * self.stretch + self.scripts(seat)

    @staticmethod
    def scripts(seat: Seat) -> float:
        """For how long it neither hears nor says anything."""
        if isinstance(seat, Ucarp):
            return seat.host.plan.upscript + seat.host.plan.downscript
        return 0.0

    # What the watch asks

    def overlap(self, a: Seat, b: Seat) -> float:
        """Both own the address and hear each other: until the worse one has heard the better one;
        or the one that leaves the one that stays, or has waited for long enough."""
        better, worse = (a, b) if _beats(a, b) else (b, a)
        longest = self.said(better) + self.heard(worse) + self.scripts(worse)
        if not (a.leaving or b.leaving):
            return longest
        leaver, other = (a, b) if a.leaving else (b, a)
        late = max(seat.host.plan.lateness for seat in (a, b) if seat.leaving)
        waited = LEAVE_AT_MOST * self.stretch + late
        if other.leaving:
            return waited
        return min(waited, self.said(other) + self.heard(leaver) + self.scripts(leaver))

    def none(self, seat: Seat) -> float:
        """Nobody that this one hears owns the address: its master-down time after the last word of
        the last owner, and the grace that it gives a master as slow as itself."""
        patience = seat.master_down + GRACE
        if isinstance(seat, Vipd):
            patience += max(0.0, seat.listens_until - seat.host.clock())
        if seat.sick:  # it waits for a healthy host however slow
            known = [max(s.interval, *s.spoke) for s in seat.world.seats[seat.group]]
            patience = max(patience, max(*known, seat.host.misled[1], SLOWEST_DEMOTED) + GRACE)
        if isinstance(seat, Ucarp):  # looks at its clock once an interval
            patience += seat.interval
        late = seat.host.plan.lateness  # of its timer; what it has heard may have been late, too
        return patience * self.stretch + self.heard(seat) + late + self.scripts(seat)

    def lease(self, seat: Vipd) -> float:
        """A host that cannot say that it is master any more."""
        return (seat.lease() + KERNEL_LATE + seat.host.plan.lateness) * self.stretch

    def guarded(self, seat: Vipd) -> float:
        """The same, whose guard runs. A lease that is to be shorter is so with the next renewal."""
        longest = max(_guarded_for(seat, setting) for setting in (seat.setting, seat.renewed_with))
        return longest * self.stretch + AT_ONCE

    def inherits(self, seat: Seat) -> float:
        """Until this one has taken over from a master that was killed, whose guard has told it."""
        waited = (STAGGER + SICK_LATER * seat.sick) * self.stretch
        return AT_ONCE + self.heard(seat) + waited + seat.host.plan.lateness

    def settle(self, seats: list[Seat]) -> float:
        """All is quiet: whoever leaves has left, somebody is master, a better one has heard of it,
        the worse one of that, and both have mistaken a last word for a first one."""
        patience = max(self.none(seat) + seat.setting.listen_first for seat in seats)
        exchange = max(self.said(s) + self.heard(s) + self.scripts(s) for s in seats)
        asleep = LINK_SLEEP + STEP_DOWN_SLEEP if "ucarp" in self._kinds else 0.0
        asleep += STAGGER + SICK_LATER
        return LEAVE_AT_MOST * self.stretch + patience + 3 * exchange + asleep

    def steady(self, master: Seat, backup: Seat) -> bool:
        """Whether this backup need never mistake this master for dead, as they are set. (Of two
        equal hosts, an OpenBSD one yields to the other and the other to it, perhaps for ever. One
        that is demoted further than a sick vipd takes over from it, as "going to time out", and
        yields to it, for its count is lower.)"""
        bsd = isinstance(master, OpenBSD) or isinstance(backup, OpenBSD)
        if bsd and master.rank[:2] == backup.rank[:2]:
            return False
        if isinstance(backup, OpenBSD) and backup.demotion > master.demotion and master.sick:
            return False
        every, patience = master.interval, backup.master_down
        if isinstance(backup, Vipd):
            expected = backup.interval if master.sick else every
            patience = max(patience, expected + min(expected / 2, GRACE))
        every += master.host.plan.lateness
        return patience > (self.in_a_row + 1) * every * self.stretch + self.heard(backup)

    def follows(self, backup: Seat, master: Seat) -> bool:
        """Whether this backup need not doubt that this master lives when others speak. It forgives
        one lost advertisement then; two in a row only while nobody else does (`steady`)."""
        every = master.interval
        late = (self.in_a_row + 1) * (every + master.host.plan.lateness) * self.stretch
        expected = backup.interval if master.sick else every
        patience = 2 * (expected + min(expected / 2, GRACE))
        return self.steady(master, backup) and patience > late + self.heard(backup)

    def known(self, master: Seat, backup: Seat) -> float:
        """After so long a backup that hears this master has heard it."""
        return self.said(master) + self.heard(backup)

    def relief(self, owner: Seat, seat: Seat) -> float:
        """A sick owner, and one who may take over: until that one has heard it, has waited for a
        better one, and has been heard. It does not doubt at once that an owner lives that yielded
        or died a moment ago."""
        taken = self.said(owner) + self.heard(seat) + self.scripts(seat)
        waited = (STAGGER + seat.host.plan.lateness) * self.stretch
        others = (s for s in seat.world.seats[seat.group] if s not in (owner, seat))
        at, every = seat.host.misled
        misled = (seat.host.when(at), every)
        now = seat.world.agenda.now
        owned = [
            misled,
            *((now if s.owner else s.since, max(s.interval, *s.spoke)) for s in others),
        ]
        doubted = max(at + 2 * (every + GRACE) * self.stretch for at, every in owned)
        doubt = max(0.0, doubted + self.heard(seat) - now)
        # It advertises when it takes over, and again if that gets lost.
        told = self.said(seat) if self.in_a_row else self.scripts(seat)
        return doubt + taken + waited + told + self.heard(owner)

    def orderly(self, host: Host, seats: list[Seat]) -> bool:
        """Whether none of these takes an advertisement of before a verdict about this host for a
        later one. Only vipd ignores what was sent before a host asked for a successor and comes
        after that; and DEMOTE_BY does not ask (of tagged advertisements that is known as well)."""
        demotes = any(s.setting.demote_by for s in seats if s.host is host)
        return self._in_order or (self._kinds == {"vipd"} and not demotes)

    def before_the_sick(self, seat: Seat) -> bool:
        """Whether a healthy successor is heard before a sick one acts."""
        way = 2 * self.delay + 2 * seat.host.plan.lateness + 0.06
        return STAGGER * self.stretch + way < SICK_LATER / self.stretch

    def one_move(self, seats: list[Seat]) -> bool:
        """Whether one verdict makes one of these take over at most: the best one acts, and the next
        hears of that before it does. (DEMOTE_BY has no such order.)"""
        if self._kinds != {"vipd"} or self.in_a_row or any(s.setting.demote_by for s in seats):
            return False
        waits = sorted(min(max(seat.setting.interval - 1, 0), 1) * STAGGER for seat in seats)
        enough = 2 * self.delay + 2 * max((s.host.plan.lateness for s in seats), default=0.0)
        return all(b - a > enough * self.stretch for a, b in itertools.pairwise(waits))

    def seamless(self, leaver: Seat, successors: list[Seat]) -> bool:
        """Whether a successor takes over before the one that leaves lets go."""
        if self._kinds != {"vipd"} or self.in_a_row:
            return False
        way = 2 * self.delay + leaver.host.plan.lateness
        return any(
            seat.able
            and seat.master_down < 255
            and (STAGGER + SICK_LATER * seat.sick) * self.stretch + way + seat.host.plan.lateness
            < LEAVE_AT_MOST / self.stretch
            for seat in successors
        )


def _beats(a: Seat, b: Seat) -> bool:
    """Whether ``b`` yields to ``a`` when both are master."""
    return a.rank < b.rank


def _guarded_for(seat: Vipd, ours: Setting) -> float:
    lease = seat.lease()
    if ours.advbase == 0:  # the others wait for deadratio intervals
        slowest = demoted(ours, Health.SICK).interval
        lease = min(lease, max(ours.deadratio * ours.interval, slowest + MAY_BE_LATE))
    return lease
