"""A perfect virtual network: real machines, virtual time, messages that arrive after a moment.

Nothing is lost but what a partition, a frozen host or a missing host loses. Every rule a daemon has
to keep is kept here: effects in order, `tick` at the deadline, and each effect is checked as it
passes (ownership alternates, transitions chain, no deadline is left in the past).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from ipaddress import IPv4Address
from itertools import count
from math import inf

from vipd.carp.machine import (
    Acquire,
    Effects,
    Machine,
    Parameters,
    Release,
    SendAdvertisement,
    State,
    Transition,
)
from vipd.carp.packet import Advertisement
from vipd.carp.timing import interval

from .stage import GROUP

#: Longest way through the network, seconds: well under half of the shortest interval (1/256 s),
#: which is the grace that a host with deadratio 1 gives.
SLOWEST = 0.001


@dataclass(eq=False)
class Host:
    """One host: a machine, whether it owns the addresses, and what it heard last."""

    parameters: Parameters
    delay: float
    """Seconds on its own cable, each way: `SLOWEST` / 2 at most."""
    machine: Machine
    segment: int = 0
    frozen: bool = False
    owner: bool = False
    state: State = State.INIT
    waiting: list[Advertisement] = field(default_factory=list)
    calmly_heard: IPv4Address | None = None
    """The host whose advertisement was the last thing that happened here, when it changed nothing
    but the deadline, to a time after its next one."""
    transitions: int = 0

    @property
    def running(self) -> bool:
        return self.state is not State.INIT


class Network:
    """Some hosts, at first all on one segment and none started."""

    def __init__(self, hosts: Iterable[tuple[Parameters, float]], now: float = 1000.0) -> None:
        self.now = now
        self.hosts = [Host(parameters, delay, Machine(parameters)) for parameters, delay in hosts]
        self._flying: list[tuple[float, int, Host, Advertisement]] = []
        self._number = count()

    # What a test does to the hosts

    def start(self, host: Host) -> None:
        """A new life, on an interface that is up."""
        host.machine = Machine(host.parameters)
        host.owner, host.state, host.frozen = False, State.INIT, False
        host.waiting.clear()
        self._carry_out(host, host.machine.start())
        self._carry_out(host, host.machine.link_up(self.now))

    def crash(self, host: Host) -> None:
        """The host is gone, and its addresses with it."""
        host.machine = Machine(host.parameters)
        host.owner, host.state, host.frozen = False, State.INIT, False
        host.waiting.clear()

    def link(self, host: Host, up: bool) -> None:
        change = host.machine.link_up if up else host.machine.link_down
        self._carry_out(host, change(self.now))

    def step_down(self, host: Host, hold: float) -> None:
        self._carry_out(host, host.machine.step_down(self.now, hold))

    def stop(self, host: Host) -> None:
        self._carry_out(host, host.machine.stop(self.now))

    def hear(self, host: Host, ad: Advertisement) -> None:
        """An advertisement arrives, from a host or from nowhere."""
        if host.frozen:
            host.waiting.append(ad)
            return
        before = host.machine.deadline
        effects = host.machine.receive(ad, self.now)
        self._carry_out(host, effects)
        next_one = self.now + interval(ad.advbase, ad.advskew)
        rearmed = host.machine.deadline > max(before, next_one)
        if host.state is State.BACKUP and not effects and rearmed:
            host.calmly_heard = ad.source

    def freeze(self, host: Host) -> None:
        host.frozen = True

    def thaw(self, host: Host) -> None:
        """Late: first what waits in the socket, then the timers."""
        host.frozen = False
        while host.waiting:
            self.hear(host, host.waiting.pop(0))
        self._tick(host)

    # Time

    def step(self, until: float = inf) -> bool:
        """Go on to the next thing that happens, if there is one before ``until``."""
        due = min((h.machine.deadline for h in self.hosts if not h.frozen), default=inf)
        arrival = self._flying[0][0] if self._flying else inf
        if min(due, arrival) > until or min(due, arrival) == inf:
            return False
        self.now = max(self.now, min(due, arrival))
        if arrival <= due:
            _, _, host, ad = heappop(self._flying)
            if host.segment == self._segment_of(ad.source):
                self.hear(host, ad)
        else:
            for host in self.hosts:
                if not host.frozen and host.machine.deadline <= self.now:
                    self._tick(host)
        return True

    def run(self, seconds: float, at_most: int) -> None:
        """Let time pass, but no more than so many happenings."""
        until = self.now + seconds
        for _ in range(at_most):
            if not self.step(until):
                self.now = max(self.now, until)
                return

    @contextmanager
    def segment(self, number: int) -> Iterator["Network"]:
        """One segment by itself. Time stands still in the others, so that a host that speaks 256
        times a second need not do so for the hour that its neighbours take; to them it is as if
        they had been frozen."""
        part = Network((), self.now)
        part.hosts = [h for h in self.hosts if h.segment == number]
        part._flying = [flying for flying in self._flying if flying[2] in part.hosts]
        heapify(part._flying)
        part._number = self._number
        yield part
        self.now = max(self.now, part.now)
        self._flying = [flying for flying in self._flying if flying[2] not in part.hosts]
        self._flying += part._flying
        heapify(self._flying)

    # What a test asks

    def calm(self) -> bool:
        """Whether there is one master, every other running host waits for it, and nobody is late;
        or whether nobody runs.

        Then the next period repeats this one: the master hears nothing, each backup hears the one
        that it follows again in time. So calm lasts for ever unless somebody interferes.
        """
        running = [h for h in self.hosts if h.running]
        masters = [h for h in running if h.state is State.MASTER]
        if len(masters) != 1 or masters[0].machine.leaving:
            return not running
        if any(h.machine.deadline < self.now for h in running):
            return False
        master = masters[0].parameters.source
        in_flight = {ad.source for _, _, _, ad in self._flying}
        backups = [h for h in running if h not in masters]
        return in_flight <= {master} and all(
            h.calmly_heard == master == h.machine._followed for h in backups
        )

    # What happens by itself

    def _tick(self, host: Host) -> None:
        if host.machine.deadline <= self.now:
            self._carry_out(host, host.machine.tick(self.now))

    def _segment_of(self, source: IPv4Address) -> int:
        return next((h.segment for h in self.hosts if h.parameters.source == source), -1)

    def _carry_out(self, host: Host, effects: Effects) -> None:
        host.calmly_heard = None
        for effect in effects:
            match effect:
                case SendAdvertisement(advbase, advskew):
                    self._send(host, advbase, advskew)
                case Transition(old, new):
                    assert old is host.state
                    assert new is not old
                    host.state = new
                    host.transitions += 1
                case Acquire():
                    assert not host.owner
                    host.owner = True
                case Release(at_start):
                    assert host.owner is not at_start
                    host.owner = False
        assert host.machine.state is host.state
        assert host.owner == (host.state is State.MASTER)
        assert (host.machine.deadline == inf) == (host.state is State.INIT)

    def _send(self, host: Host, advbase: int, advskew: int) -> None:
        source = host.parameters.source
        ad = Advertisement(source, GROUP, 1, advbase, advskew, 0, 0, bytes(20))
        for other in self.hosts:
            if other is not host and other.segment == host.segment:
                arrival = self.now + host.delay + other.delay
                heappush(self._flying, (arrival, next(self._number), other, ad))
