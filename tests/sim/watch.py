"""What has to hold, looked at whenever an owner or the world changes.

1. Two hosts that hear each other never both own the address for longer than `Bounds.overlap`.
2. A host is never without an owner that it hears for longer than `Bounds.none`: it would be one.
3. What a vipd that is frozen, killed or mute owned is gone after its lease: where its guard runs,
   `AT_ONCE` after its end or the lease's; else as late as the kernel is.
4. When nothing has happened for `Bounds.settle`, there is one owner among those that hear each
   other, nobody has a right to take the address from it, and nothing changes any more.
5. A planned hand-over that starts from there leaves no moment without an owner.
6. Nobody takes over from an owner that it must have heard, unless it preempts a slower one, or
   relieves one that is sick or demoted further. So nobody moves between the equally sick.
7. A sick owner that hears a healthy host, which hears it and is free to own, does not own for
   longer than `Bounds.relief`.
8. While silence does not count (LISTEN_FIRST), nobody takes over from it.
9. A verdict makes one host take over at most, and leaves no moment without an owner.
10. In a planned hand-over the healthy take over before the sick.
11. The sick, those without a verdict, and those in their PREEMPT_DELAY preempt nobody; and only who
    is known to be well relieves the sick.
12. Where all is quiet, and the guard of a master that is killed runs, another host owns after
    `Bounds.inherits`.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING

from sim.bounds import AT_ONCE, STAGGER, Bounds
from sim.host import Host
from sim.seat import Seat
from sim.vipd import Vipd
from vipd.carp.health import Health
from vipd.carp.states import Reason, State

if TYPE_CHECKING:
    from sim.world import World


class PromiseError(AssertionError):
    """Something that has to hold does not."""


#: When something that must not last began, and for how long it may.
_Since = tuple[float, float]


class Watch:
    def __init__(self, world: "World") -> None:
        self._world = world
        self._bounds = Bounds(world.scenario)
        groups = len(world.seats)
        self._overlaps: list[dict[tuple[int, int], _Since]] = [{} for _ in range(groups)]
        self._alone: list[dict[int, _Since]] = [{} for _ in range(groups)]
        self._settled = [False] * groups
        self._seamless = [False] * groups
        self._sick: list[dict[tuple[int, int], _Since]] = [{} for _ in range(groups)]
        self._moves = [inf] * groups  # that are left to them
        self._planned = [False] * groups  # somebody hands over, and it is seamless
        self._disturbances = 0
        self._calm_since = [0.0] * len(world.hosts)
        self.settles_at = inf
        self.checked = Counter[str]()
        self.nearest: dict[str, float] = {}

    # What happens

    def disturbed(self, *hosts: Host) -> None:
        """Something has happened to these hosts, for which waiting begins anew."""
        self._disturbances += 1
        for host in hosts:
            self._calm_since[host.number] = self._world.agenda.now
        for group in range(len(self._world.seats)):
            self._settled[group] = self._seamless[group] = False
            self._moves[group] = inf
            self._planned[group] = False
            self._sick[group].clear()
            for host in hosts:
                self._alone[group].pop(host.number, None)
                for pair in [p for p in self._overlaps[group] if host.number in p]:
                    del self._overlaps[group][pair]
            self.look(group)
        self._plan_settling()

    def edges_changed(self) -> None:
        """Other hosts hear each other now; what they wait for, they go on waiting for."""
        self._calm_since = [self._world.agenda.now] * len(self._calm_since)
        self.disturbed()

    @contextmanager
    def leaving(self, host: Host) -> Iterator[None]:
        """Inside, the host is asked to hand over."""
        planned = []
        for group, seats in enumerate(self._world.seats):
            others = [s for s in seats if s.host is not host and s.host.hears(host)]
            seamless = self._bounds.seamless(seats[host.number], others)
            planned.append(self._settled[group] and seamless)
        self.disturbed(host)
        yield
        self.disturbed(host)  # the bounds are others now
        self._seamless, self._planned = planned, list(planned)

    @contextmanager
    def judging(self, host: Host) -> Iterator[None]:
        """Inside, the host learns something about its health."""
        settled = list(self._settled)
        self.disturbed(host)
        yield
        self.disturbed(host)  # the bounds are others now
        for group, seats in enumerate(self._world.seats):
            present = [seat for seat in seats if seat.host.present]
            steady = (self._bounds.steady(a, b) for a in present for b in present if a is not b)
            if settled[group] and all(steady) and self._bounds.orderly(host, present):
                self._seamless[group] = True
                self._moves[group] = 1 if self._bounds.one_move(present) else inf

    def transition(self, seat: Seat) -> None:
        if self._settled[seat.group]:
            self._fail(seat.group, f"{seat} becomes {seat.state.value} although all is quiet")

        if isinstance(seat, Vipd) and seat.why is Reason.PREFERRED_MASTER:
            for other in self._world.seats[seat.group]:  # its last word is a word
                if other.host.hears(seat.host):
                    self._alone[seat.group].pop(other.host.number, None)
        if seat.state is State.MASTER and isinstance(seat, Vipd):
            self._must_have_reason(seat)
            self._must_have_listened(seat)
            self._must_be_last(seat)
            self._must_be_free(seat)
        if seat.state is State.MASTER and self._moves[seat.group] < inf:
            self.checked["moves"] += 1
            self._moves[seat.group] -= 1
            if self._moves[seat.group] < 0:
                self._fail(seat.group, f"{seat} is the second to move because of one verdict")

    # 11

    def _must_be_free(self, seat: Vipd) -> None:
        """Who gives one of these reasons has heard a living master."""
        now = seat.host.clock()
        if seat.why is Reason.PREEMPTION:
            self.checked["free"] += 1
            if seat.sick or seat.health is Health.UNKNOWN or now < seat.delayed_until:
                self._fail(seat.group, f"{seat} preempts before it may")
        elif seat.why in (Reason.MASTER_SICK, Reason.MASTER_DEMOTED):
            self.checked["free"] += 1
            decided = now - STAGGER - seat.host.plan.lateness - 1e-3  # at the earliest
            unknown = seat.health is Health.UNKNOWN and seat.judged_at < decided
            if seat.sick or unknown:
                self._fail(seat.group, f"{seat} relieves a sick one, and is not known to be well")

    # 10

    def _must_be_last(self, seat: Vipd) -> None:
        others = [other for other in self._world.seats[seat.group] if other is not seat]
        owner = next((other for other in others if other.owner), None)
        if self._planned[seat.group] and seat.sick and owner and self._bounds.before_the_sick(seat):
            self.checked["last"] += 1
            if any(_is_fit(other) and self._reliable(owner.host, other.host) for other in others):
                self._fail(seat.group, f"{seat} takes over, which is sick, and another is not")

    # 8

    def _must_have_listened(self, seat: Vipd) -> None:
        self.checked["listened"] += 1
        if seat.host.clock() < seat.listens_until + seat.master_down - 1e-6:
            self._fail(seat.group, f"{seat} takes over although silence does not count yet")

    # 6

    def _must_have_reason(self, seat: Vipd) -> None:
        for other in self._world.seats[seat.group]:
            if other is not seat and self._is_known(other, seat):
                self.checked["reason"] += 1
                if not seat.takes_from(other) and not seat.gives_up(other):
                    self._fail(seat.group, f"{seat} takes over for no reason while {other} lives")

    def _is_known(self, owner: Seat, seat: Vipd) -> bool:
        """Whether ``seat`` must have heard this owner, and must not have missed it since."""
        a, b = owner.host, seat.host
        since = max(owner.since, self._calm_since[a.number], self._calm_since[b.number])
        since = max(since, b.when(seat.held_until))  # it does not listen before
        return (
            owner.owner
            and not owner.leaving
            and self._reliable(a, b)
            and self._bounds.follows(seat, owner)
            and self._world.agenda.now - since > self._bounds.known(owner, seat)
        )

    # 1, 2 and 5

    def look(self, group: int) -> None:
        """See who owns the address now."""
        now = self._world.agenda.now
        seats = self._world.seats[group]
        owners = [seat for seat in seats if seat.owner and seat.host.present]
        if self._overlaps[group] or len(owners) > 1:
            self._look_at_pairs(group, owners, now)
        alone = self._alone[group]
        for seat in seats:
            host = seat.host
            number = host.number
            if (
                not host.present
                or not seat.able
                or any(o is seat or host.hears(o.host) for o in owners)
            ):
                if number in alone:
                    self._compare(group, "none", alone.pop(number), now, str(seat))
            elif number not in alone:
                alone[number] = (now, self._bounds.none(seat))
        if self._sick[group] or any(seat.sick for seat in owners):
            self._look_at_sick(group, owners, now)
        if self._seamless[group] and not owners:
            self._fail(group, "a planned hand-over leaves a moment without an owner")
        if self._settled[group] and alone:
            self._fail(group, "the owner is gone although all is quiet")

    def _look_at_pairs(self, group: int, owners: list[Seat], now: float) -> None:
        overlaps = self._overlaps[group]
        seen = set()
        for i, a in enumerate(owners):
            for b in owners[i + 1 :]:
                if self._reliable(a.host, b.host):
                    pair = (a.host.number, b.host.number)
                    seen.add(pair)
                    if pair not in overlaps:
                        overlaps[pair] = (now, self._bounds.overlap(a, b))
        for pair in [p for p in overlaps if p not in seen]:
            self._compare(group, "overlap", overlaps.pop(pair), now, f"{pair}")

    # 7

    def _look_at_sick(self, group: int, owners: list[Seat], now: float) -> None:
        sick = self._sick[group]
        seen = set()
        for owner in owners:
            if owner.sick and not owner.leaving:
                for seat in self._world.seats[group]:
                    if self._is_free(seat, owner, owners):
                        pair = (owner.host.number, seat.host.number)
                        seen.add(pair)
                        if pair not in sick:
                            sick[pair] = (now, self._bounds.relief(owner, seat))
        for pair in [p for p in sick if p not in seen]:
            self._compare(group, "sick", sick.pop(pair), now, f"{pair}")

    def _is_free(self, seat: Seat, owner: Seat, owners: list[Seat]) -> bool:
        """Whether it is the one to take over from a sick owner."""
        if not _is_fit(seat) or seat.demotion >= owner.demotion:
            return False
        others = (other for other in owners if other is not owner)
        return self._reliable(owner.host, seat.host) and not any(
            seat is other or seat.host.hears(other.host) for other in others
        )

    @staticmethod
    def _reliable(a: Host, b: Host) -> bool:
        return a.hears(b) and b.hears(a) and not a.noisy and not b.noisy

    def _compare(self, group: int, what: str, since: _Since, now: float, whom: str) -> None:
        begin, bound = since
        self.checked[what] += 1
        self.nearest[what] = max(self.nearest.get(what, 0.0), (now - begin) / bound)
        if now - begin > bound:
            self._fail(
                group,
                f"{whom}: {what} from {begin:.3f} to {now:.3f}, for {now - begin:.3f} s, where "
                f"{bound:.3f} s is the bound",
            )

    def bowed_out(self, seat: Seat) -> None:
        """A guard has sent its daemon's last word. To a BSD with advbase 0, which obeys no bow-out,
        that is the word of a living master."""
        for other in self._world.seats[seat.group]:
            if not isinstance(other, Vipd) and other.setting.advbase == 0:
                self._alone[seat.group].pop(other.host.number, None)
        self.look(seat.group)

    # 3 and 12

    @contextmanager
    def killing(self, host: Host) -> Iterator[None]:
        """Inside, its process is killed."""
        heirs = []
        for group, seats in enumerate(self._world.seats):
            seat = seats[host.number]
            others = [s for s in seats if s.host is not host and s.host.hears(host)]
            told = host.guard is not None and host.guard.acts and not host.mute and seat.owner
            if told and self._settled[group] and self._bounds.seamless(seat, others):
                heirs.append((group, [other for other in others if other.able]))
        yield
        self.lease_must_end(host, killed=True)
        self.disturbed(host)
        for group, others in heirs:
            at = self._world.agenda.now + max(map(self._bounds.inherits, others))
            guarding = self._guarding(host)
            self._world.agenda.at(
                at, self._must_have_inherited, host, group, others, self._disturbances, guarding
            )

    def _must_have_inherited(
        self,
        host: Host,
        group: int,
        others: list[Seat],
        disturbance: int,
        guarding: tuple[int, ...],
    ) -> None:
        if disturbance == self._disturbances and self._guarding(host) == guarding:
            self.checked["inherited"] += 1
            if not any(other.owner for other in others):
                self._fail(group, f"nobody has taken over from {host}, which was killed")

    @staticmethod
    def _guarding(host: Host) -> tuple[int, ...]:
        """Unchanged as long as nothing happens to the guard, or the machine."""
        return (host.silences, host.guard.troubles, id(host.guard)) if host.guard else ()

    def lease_must_end(self, host: Host, killed: bool = False) -> None:
        """From now on no advertisement of its leaves. (A clock that stands still ends no lease.)"""
        if host.still:
            return
        now = self._world.agenda.now
        for seat in host.seats:
            if not isinstance(seat, Vipd) or not seat.owner:
                continue
            if host.plan.lease:
                at = now + self._bounds.lease(seat)
                self._world.agenda.at(at, self._lease_has_ended, seat, host.silences)
            if host.guard and host.guard.acts and (host.plan.lease or killed):
                at = now + (AT_ONCE if killed else self._bounds.guarded(seat))
                guarding = self._guarding(host)
                self._world.agenda.at(at, self._guard_has_acted, seat, guarding)

    def _guard_has_acted(self, seat: Vipd, guarding: tuple[int, ...]) -> None:
        if self._guarding(seat.host) == guarding:
            self.checked["guarded"] += 1
            if seat.owner:
                self._fail(seat.group, f"{seat} still has the address, and its guard runs")

    def _lease_has_ended(self, seat: Vipd, silence: int) -> None:
        if seat.host.silences == silence:
            self.checked["lease"] += 1
            if seat.owner and seat.rounded:  # it was put back meanwhile
                later = self._world.agenda.now + seat.rounded * self._bounds.stretch
                seat.rounded = 0.0
                self._world.agenda.at(later, self._lease_has_ended, seat, silence)
            elif seat.owner:
                self._fail(seat.group, f"{seat} still has the address, after the end of its lease")

    # 4

    def _plan_settling(self) -> None:
        wait = max(self._bounds.settle(seats) for seats in self._world.seats)
        self._settle_at(self._world.agenda.now + wait, wait)

    def _settle_at(self, when: float, wait: float) -> None:
        self.settles_at = when
        self._world.agenda.at(when, self._must_have_settled, self._disturbances, wait)

    def _must_have_settled(self, disturbance: int, wait: float) -> None:
        if disturbance != self._disturbances:
            return
        held = max(
            (
                seat.host.when(max(seat.held_until, seat.delayed_until))
                for seats in self._world.seats
                for seat in seats
                if isinstance(seat, Vipd) and seat.host.acts
            ),
            default=0.0,
        )
        if held + wait > self._world.agenda.now:
            self._settle_at(held + wait, wait)
            return
        for group, seats in enumerate(self._world.seats):
            self._look_whether_settled(group, [s for s in seats if s.host.present])

    def _look_whether_settled(self, group: int, seats: list[Seat]) -> None:
        components = _components(seats)
        if components is None:
            self.checked["one-way"] += 1
            return
        steady = True
        for component in components:
            steady &= self._component_has_settled(group, component)
        self._settled[group] = steady
        self.checked["settled" if steady else "unsteady"] += 1

    def _component_has_settled(self, group: int, component: list[Seat]) -> bool:
        owners = [seat for seat in component if seat.owner]
        names = ", ".join(map(str, component))
        if len(owners) != 1:
            # A pair that is not steady changes owners now and again, as configured.
            if all(self._bounds.steady(a, b) for a in component for b in component if a is not b):
                self._fail(group, f"{len(owners)} owners among {names}, and all is quiet")
            return False
        owner = owners[0]
        others = [seat for seat in component if seat is not owner]
        if not all(self._bounds.steady(a, b) for a in component for b in component if a is not b):
            return False
        for seat in others:
            if seat.takes_from(owner):
                self._fail(group, f"{seat} does not get its address back from {owner}")
            if seat.gives_up(owner):
                self._fail(group, f"{seat} waits for {owner}, which is too slow for it")
        return True

    def end(self) -> None:
        """What is still going on is compared, too."""
        now = self._world.agenda.now
        for group in range(len(self._world.seats)):
            for number, since in self._alone[group].items():
                self._compare(group, "none", since, now, f"host {number}")
            for pair, since in self._sick[group].items():
                self._compare(group, "sick", since, now, f"hosts {pair}")
            for pair, since in self._overlaps[group].items():
                self._compare(group, "overlap", since, now, f"hosts {pair}")

    def _fail(self, group: int, text: str) -> None:
        raise PromiseError(f"{self._world.agenda.now:.3f} s, group {group}: {text}")


def _is_fit(seat: Seat) -> bool:
    """Whether it would take over at once from an owner that asks for that."""
    if isinstance(seat, Vipd) and (
        seat.health is not Health.WELL or seat.host.clock() < seat.held_until
    ):
        return False
    return seat.able and not seat.leaving


def _components(seats: list[Seat]) -> list[list[Seat]] | None:
    """Those that hear each other; None where somebody hears one that does not hear it, or two that
    do not hear each other."""
    components: list[list[Seat]] = []
    of: dict[int, list[Seat]] = {}
    for seat in seats:
        if seat.host.mute or seat.host.noisy:
            return None
        for component in components:
            if seat.host.hears(component[0].host):
                component.append(seat)
                of[seat.host.number] = component
                break
        else:
            components.append([seat])
            of[seat.host.number] = components[-1]
    for a in seats:
        for b in seats:
            if a is not b and a.host.hears(b.host) != (of[a.host.number] is of[b.host.number]):
                return None
    return components
