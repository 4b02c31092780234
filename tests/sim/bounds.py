"""How long what must not be may be, from nothing but timers. All figures are seconds.

The terms (docs/testing.md has the derivation in words):

====================  =============================================================================
``delay``             longest way of a packet (`Weather.slowest`)
``in_a_row``          advertisements of one master that one host may miss in a row
``lateness``          how late a process runs (`HostPlan.lateness`)
``stretch``           how much slower than the fastest clock the slowest is
====================  =============================================================================
"""

from sim.openbsd import OpenBSD
from sim.scenario import Scenario
from sim.seat import Seat
from sim.ucarp import CAPTURE, LINK_SLEEP, STEP_DOWN_SLEEP, Ucarp
from sim.vipd import KERNEL_LATE, Vipd
from vipd.carp.host import by_address

# What is asked of vipd, written down once more: what is measured is no ruler.

#: A leaving master has let go after this.
LEAVE_AT_MOST = 2.0
#: A backup waits this much longer for a master that is as slow as its patience, at most.
GRACE = 1 / 16
#: The slowest backup waits this much longer than the fastest after a bow-out.
STAGGER = 1 / 4


class Bounds:
    def __init__(self, scenario: Scenario) -> None:
        weather = scenario.weather
        self.delay = weather.slowest
        self.in_a_row = weather.in_a_row if weather.loss else 0
        rates = [1.0, *(1 + plan.drift for plan in scenario.hosts)]
        self.stretch = max(rates) / min(rates) + 1e-9
        self._kinds = {plan.kind for plan in scenario.hosts}

    # The parts

    def heard(self, seat: Seat) -> float:
        """Until this seat has taken in what was sent to it."""
        if isinstance(seat, Ucarp):
            return self.delay + seat.host.plan.lateness + CAPTURE + self.scripts(seat)
        return self.delay + seat.host.plan.lateness

    def said(self, seat: Seat) -> float:
        """Until a master has said once more, to each that it is to reach, that it is."""
        every = (self.in_a_row + 1) * (seat.setting.interval + seat.host.plan.lateness)
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
        patience = seat.setting.master_down + GRACE
        if isinstance(seat, Ucarp):  # looks at its clock once an interval
            patience += seat.setting.interval
        return patience * self.stretch + self.heard(seat) + self.scripts(seat)

    def lease(self, seat: Vipd) -> float:
        """A host that cannot say that it is master any more."""
        return (seat.lease() + KERNEL_LATE + seat.host.plan.lateness) * self.stretch

    def settle(self, seats: list[Seat]) -> float:
        """All is quiet: whoever leaves has left, somebody is master, a better one has heard of it,
        the worse one of that, and both have mistaken a last word for a first one."""
        patience = max(self.none(seat) for seat in seats)
        exchange = max(self.said(s) + self.heard(s) + self.scripts(s) for s in seats)
        asleep = LINK_SLEEP + STEP_DOWN_SLEEP if "ucarp" in self._kinds else 0.0
        return LEAVE_AT_MOST * self.stretch + patience + 3 * exchange + asleep

    def steady(self, master: Seat, backup: Seat) -> bool:
        """Whether this backup need never mistake this master for dead, as they are set. (Of two
        equal hosts, an OpenBSD one yields to the other and the other to it, perhaps for ever.)"""
        if OpenBSD in (type(master), type(backup)) and _rank(master)[:2] == _rank(backup)[:2]:
            return False
        every, patience = master.setting.interval, backup.setting.master_down
        if isinstance(backup, Vipd):
            patience = max(patience, every + min(every / 2, GRACE))
        every += master.host.plan.lateness
        return patience > (self.in_a_row + 1) * every * self.stretch + self.heard(backup)

    def follows(self, backup: Seat, master: Seat) -> bool:
        """Whether this backup need not doubt that this master lives when others speak. It forgives
        one lost advertisement then; two in a row only while nobody else does (`steady`)."""
        every = master.setting.interval
        late = (self.in_a_row + 1) * (every + master.host.plan.lateness) * self.stretch
        patience = 2 * (every + min(every / 2, GRACE))
        return self.steady(master, backup) and patience > late + self.heard(backup)

    def known(self, master: Seat, backup: Seat) -> float:
        """After so long a backup that hears this master has heard it."""
        return self.said(master) + self.heard(backup)

    def seamless(self, leaver: Seat, successors: list[Seat]) -> bool:
        """Whether a successor takes over before the one that leaves lets go."""
        if self._kinds != {"vipd"} or self.in_a_row:
            return False
        way = 2 * self.delay + leaver.host.plan.lateness
        return any(
            seat.able
            and seat.setting.master_down < 255
            and STAGGER * self.stretch + way + seat.host.plan.lateness
            < LEAVE_AT_MOST / self.stretch
            for seat in successors
        )


def _beats(a: Seat, b: Seat) -> bool:
    """Whether ``b`` yields to ``a`` when both are master."""
    return _rank(a) < _rank(b)


def _rank(seat: Seat) -> tuple[int, float, bytes]:
    return seat.demotion, seat.setting.interval, by_address(seat.host.source)
