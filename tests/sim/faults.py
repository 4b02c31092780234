"""What goes wrong, and how it ends."""

from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address
from math import inf
from typing import TYPE_CHECKING

from sim.guard import Guard, Leases
from sim.host import Host
from sim.network import advertisement, arrive
from sim.scenario import Fault, What
from vipd.carp.health import Health
from vipd.carp.machine import STEP_DOWN_HOLD
from vipd.daemon.vips.timers import Timers

if TYPE_CHECKING:
    from sim.world import World

#: How often it is looked whether a host that was stopped has ended, seconds.
LOOK_AGAIN = 0.1
#: All hosts of a scenario start within this time, seconds.
START_WITHIN = 0.5

STRANGER = IPv4Address("203.0.113.77")

Undo = Callable[[], None]


class Faults:
    """``over``: when the last one has ended."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._agenda = world.agenda
        self._hosts = world.hosts
        self._cut: Counter[tuple[int, int]] = Counter()
        self._counts: Counter[tuple[What, int]] = Counter()
        self._slowest = max(s.interval for host in world.scenario.hosts for s in host.settings)
        self._busy: set[int] = set()  # hosts that something with their processes is going on with
        self.over = START_WITHIN + max((f.at + f.seconds for f in world.scenario.faults), default=0)
        self._begin = {
            What.ONE_WAY: self._one_way,
            What.PARTITION: self._partition,
            What.NOISE: self._noise,
            What.MUTE: self._mute,
            What.UNPLUG: self._unplug,
            What.FAMILY: self._family,
            What.FREEZE: self._freeze,
            What.PAUSE: self._pause,
            What.SLEEP: self._sleep,
            What.KILL: self._kill,
            What.CRASH: self._crash,
            What.STOP: self._stop,
            What.STEP_DOWN: self._step_down,
            What.HOLD: self._hold,
            What.CHANGE: self._change,
            What.STRANGER: self._stranger,
            What.FLUSH: self._flush,
            What.FREEZE_GUARD: self._freeze_guard,
            What.KILL_GUARD: self._kill_guard,
            What.DEMOTE: self._demote,
            What.SICK: self._sick,
        }

    def plan(self) -> None:
        """Put everything on the agenda."""
        self._set_edges()
        for host in self._hosts:
            self._agenda.at(self._world.random.random() * START_WITHIN, self._start, host)
        for fault in self._world.scenario.faults:
            self._agenda.at(fault.at, self._begins, fault)

    def _begins(self, fault: Fault) -> None:
        host = self._hosts[fault.host]
        if fault.what in _PROCESS:
            if host.number in self._busy or not host.acts:
                return
            if fault.what in _OF_A_PROGRAM and host.plan.kind in ("openbsd", "freebsd"):
                return  # CARP is in its kernel
            self._busy.add(host.number)
        self._world.tell("FAULT", f"{host} {fault}")
        undo = self._begin[fault.what](host, fault)
        if undo:
            self._agenda.at(self._agenda.now + fault.seconds, self._ends, fault, undo)

    def _ends(self, fault: Fault, undo: Undo) -> None:
        self._world.tell("END OF", f"{self._hosts[fault.host]} {fault.what}")
        if fault.what in _PROCESS:
            self._busy.discard(fault.host)
        undo()

    # The network

    def _set_edges(self) -> None:
        for host in self._hosts:
            host.deaf_to = {a for (a, b), times in self._cut.items() if b == host.number and times}
            host.reaches = [
                other
                for other in self._hosts
                if other is not host and not self._cut[host.number, other.number]
            ]
        self._world.watch.edges_changed()

    def _cut_off(self, edges: list[tuple[int, int]]) -> Undo:
        self._cut.update(edges)
        self._set_edges()

        def mend() -> None:
            self._cut.subtract(edges)
            self._set_edges()

        return mend

    def _one_way(self, host: Host, fault: Fault) -> Undo:
        return self._cut_off([(host.number, fault.other)])

    def _partition(self, _host: Host, fault: Fault) -> Undo:
        numbers = [host.number for host in self._hosts]
        inside = {n for n in numbers if fault.mask >> n & 1}
        across = [(a, b) for a in numbers for b in numbers if (a in inside) != (b in inside)]
        return self._cut_off(across)

    def _noise(self, host: Host, _fault: Fault) -> Undo:
        def noisy(more: int) -> None:
            self._counts[What.NOISE, host.number] += more
            host.noisy = self._counts[What.NOISE, host.number] > 0
            self._world.watch.disturbed(host)

        noisy(+1)
        return lambda: noisy(-1)

    def _mute(self, host: Host, _fault: Fault) -> Undo:
        def mute(more: int) -> None:
            self._counts[What.MUTE, host.number] += more
            host.mute = self._counts[What.MUTE, host.number] > 0
            if host.mute:
                self._world.watch.lease_must_end(host)
            else:
                host.silences += 1
            self._world.watch.disturbed(host)

        mute(+1)
        return lambda: mute(-1)

    def _family(self, host: Host, fault: Fault) -> Undo:
        def lose(more: int) -> None:
            self._counts[What.FAMILY, host.number] += more
            lost = self._counts[What.FAMILY, host.number] > 0
            host.lost_families = {fault.family} if lost else set()

        lose(+1)
        return lambda: lose(-1)

    def _unplug(self, host: Host, _fault: Fault) -> Undo:
        def unplug(more: int) -> None:
            self._counts[What.UNPLUG, host.number] += more
            host.linked = self._counts[What.UNPLUG, host.number] <= 0
            self._world.watch.disturbed(host)
            if host.acts:
                for seat in host.seats:
                    seat.link_changed()

        unplug(+1)
        return lambda: unplug(-1)

    # Machines and processes

    def _start(self, host: Host) -> None:
        host.running = True
        host.silences += 1
        host.waiting.clear()
        host.leave_behind(host.reserved)
        if host.guard:  # one that was stopped for that long is not in here: see docs/guarantees.md
            host.guard.end()
        host.leases = Leases(len(host.seats))
        self._start_guard(host)
        self._world.watch.disturbed(host)
        for seat in host.seats:
            seat.start()

    def _freeze(self, host: Host, _fault: Fault) -> Undo:
        host.frozen = True
        since = host.clock()
        self._world.watch.lease_must_end(host)
        self._world.watch.disturbed(host)

        def thaw() -> None:
            host.frozen = False
            if host.misled[0] >= since:  # a stranger's words waited, and are heard now
                host.misled = (host.clock(), host.misled[1])
            if self._old_words_wait(host):
                host.misled = (host.clock(), max(host.misled[1], self._slowest))
            self._goes_on(host)

        return thaw

    def _old_words_wait(self, host: Host) -> bool:
        """Whether it is about to hear an owner that is not one any more."""
        owners = {(s.group, s.host.source) for seats in self._world.seats for s in seats if s.owner}
        return any((ad.vhid - 1, ad.source) not in owners for ad, _ in host.waiting)

    def _pause(self, host: Host, fault: Fault) -> Undo:
        return self._stand_still(host, clock_back=fault.seconds)

    def _sleep(self, host: Host, _fault: Fault) -> Undo:
        return self._stand_still(host, clock_back=0)

    def _stand_still(self, host: Host, clock_back: float) -> Undo:
        host.still = True
        host.silences += 1
        self._world.watch.disturbed(host)

        def resume() -> None:
            host.still = False
            host.set_clock_back(clock_back)
            if clock_back:  # what it heard before is as new as if it had heard that now
                host.misled = (host.clock(), max(host.misled[1], self._slowest))
            self._goes_on(host)

        return resume

    def _goes_on(self, host: Host) -> None:
        """A process runs again. One that finds itself late hears first what waits for it."""
        host.silences += 1
        self._world.watch.disturbed(host)
        if host.guard and not host.guard.frozen:
            host.guard.goes_on()
        for seat in host.seats:
            seat.clock_moved()
        waiting, host.waiting = host.waiting, []
        late = host.clock() - min(seat.due for seat in host.seats)
        timers_first = -inf < late <= Timers.LATE
        if timers_first:
            for seat in host.seats:
                seat.catch_up()
        for ad, came in waiting:
            host.came = came
            arrive(host, ad)
        host.came = 0.0
        if not timers_first:
            for seat in host.seats:
                seat.catch_up()
        for seat in host.seats:
            seat.link_changed()

    def _kill(self, host: Host, _fault: Fault) -> Undo:
        with self._world.watch.killing(host):
            for seat in host.seats:
                seat.kill()
            host.running = False
            if host.guard:
                host.guard.daemon_ended()
        return lambda: self._start(host)

    # Guards

    def _start_guard(self, host: Host) -> None:
        if host.plan.kind == "vipd" and host.plan.guard:
            host.guard = Guard(self._world, host, host.leases)
            for seat in host.seats:
                seat.guarded_anew()

    def _freeze_guard(self, host: Host, _fault: Fault) -> Undo | None:
        guard = host.guard
        if guard is None or not guard.acts:
            return None
        guard.freeze()
        return guard.goes_on

    def _kill_guard(self, host: Host, fault: Fault) -> Undo | None:
        guard = host.guard
        if guard is None:
            return None
        guard.kill()

        def again() -> None:
            """A daemon that runs starts another, unless it is a new daemon itself."""
            if host.guard is guard and host.running:
                if host.acts:
                    self._start_guard(host)
                else:
                    self._agenda.at(self._agenda.now + LOOK_AGAIN + fault.seconds, again)

        return again

    def _crash(self, host: Host, _fault: Fault) -> Undo:
        for seat in host.seats:
            seat.kill()
        host.running = False
        if host.guard:
            host.guard.end()
        self._world.watch.disturbed(host)
        for seat in host.seats:
            seat.own(False)
        return lambda: self._start(host)

    def _stop(self, host: Host, _fault: Fault) -> Undo:
        with self._world.watch.leaving(host):
            for seat in host.seats:
                seat.stop()

        return lambda: self._start_again(host)

    def _start_again(self, host: Host) -> None:
        if all(seat.ended for seat in host.seats):
            self._start(host)
        else:
            self._busy.add(host.number)
            self._agenda.at(self._agenda.now + LOOK_AGAIN, self._ends_stop, host)

    def _ends_stop(self, host: Host) -> None:
        self._busy.discard(host.number)
        self._start_again(host)

    def ended(self, host: Host) -> None:
        """One of its programs has done what `Seat.stop` asked for."""
        if all(seat.ended for seat in host.seats):
            host.running = False
            if host.guard:
                host.guard.end()
            self._world.watch.disturbed(host)

    # People

    def _step_down(self, host: Host, _fault: Fault) -> None:
        if host.acts and host.number not in self._busy:
            with self._world.watch.leaving(host):
                for seat in host.seats:
                    seat.step_down(STEP_DOWN_HOLD)

    def _hold(self, host: Host, fault: Fault) -> Undo | None:
        if not host.acts or host.number in self._busy or host.plan.kind != "vipd":
            return None
        with self._world.watch.leaving(host):
            for seat in host.seats:
                seat.step_down(inf)

        def resume() -> None:
            self._world.watch.disturbed(host)
            if host.acts:
                for seat in host.seats:
                    seat.resume()
            else:
                self._agenda.at(self._agenda.now + LOOK_AGAIN + fault.seconds, resume)

        return resume

    def _change(self, host: Host, fault: Fault) -> None:
        if host.acts and host.number not in self._busy and fault.setting:
            self._world.watch.disturbed(host)
            host.seats[fault.group].change(fault.setting)
            self._world.watch.disturbed(host)  # the bounds are others now

    def _stranger(self, host: Host, fault: Fault) -> None:
        if fault.setting:
            slowest = max(host.misled[1], fault.setting.interval)  # in whichever group
            host.misled = (host.clock(), slowest)
        self._world.watch.disturbed(host)
        if fault.setting:
            says = (fault.setting.advbase, fault.setting.advskew)
            arrive(host, advertisement(STRANGER, fault.group, *says))

    def _flush(self, host: Host, _fault: Fault) -> None:
        if host.running and host.plan.kind == "vipd":  # a ucarp would never notice
            self._world.watch.disturbed(host)
            for seat in host.seats:
                seat.flushed()

    def _sick(self, host: Host, fault: Fault) -> Undo | None:
        if host.plan.kind != "vipd":
            return None
        cause = Health.UNKNOWN if fault.unknown else Health.SICK
        seats = host.seats if fault.all_groups else [host.seats[fault.group]]

        def ail(more: int) -> None:
            with self._world.watch.judging(host):
                for seat in seats:
                    seat.ails(cause, more)

        ail(+1)
        return lambda: ail(-1)

    def _demote(self, host: Host, fault: Fault) -> Undo | None:
        """``ifconfig -g carp carpdemote``, and its counterpart."""
        if host.plan.kind != "openbsd":
            return None

        def demote(by: int) -> None:
            self._world.watch.disturbed(host)
            host.demotion += by
            for seat in host.seats:
                seat.demoted()
            self._world.watch.disturbed(host)  # the bounds are others now

        demote(+fault.demotion)
        return lambda: demote(-fault.demotion)


#: What goes on with the processes of a host, one such thing at a time.
_PROCESS = {What.FREEZE, What.PAUSE, What.SLEEP, What.KILL, What.CRASH, What.STOP}
_OF_A_PROGRAM = {What.FREEZE, What.KILL}
