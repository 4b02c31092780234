"""Hosts with several VIPs of one GROUP, each on a segment of its own.

Each segment is a world of its own, with its own cables and its own watch; time, and what happens to
machines and processes, is common to all. To what the watch asks of each segment comes, when only
what lasts is left:

- where a host can own everywhere and nothing ails it, only such hosts own;
- if all preempt, and want the same order everywhere, one host owns everything;
- where there is no such host, each serves what it can: no segment that a host is on is without an
  owner (the watch has seen to that).
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from random import Random

from sim.agenda import Agenda, RestlessError
from sim.grouped import GroupedVipd
from sim.host import Host
from sim.scenario import Fault, HostPlan, Scenario, Setting, Weather, What
from sim.seat import Seat
from sim.watch import PromiseError
from sim.world import BUSY, World
from vipd.daemon.health.groups import Groups

#: What happens to a machine, or to the one process on it: everywhere at once.
_EVERYWHERE = (What.FREEZE, What.PAUSE, What.SLEEP, What.KILL, What.CRASH, What.STEP_DOWN)
#: What happens to one VIP, or on one segment.
_ON_ONE = (
    *(What.UNPLUG, What.UNPLUG, What.UNPLUG, What.SICK, What.SICK, What.SICK),
    *(What.MUTE, What.PARTITION, What.ONE_WAY, What.HOLD, What.STOP, What.FLUSH),
)
#: Seconds for which something lasts.
_LENGTHS = (0.001, 0.05, 0.4, 1.0, 3.0, 8.0, 20.0)
#: A host that could not send counts as unable for so long at most, besides its master-down time.
_MUTE_AT_MOST = 20.0
_FOREVER = 1e6


@dataclass(frozen=True, slots=True)
class Routers:
    """A scenario: one for each segment. ``track_up``: TRACK_UP of all."""

    segments: tuple[Scenario, ...]
    track_up: float
    last: float  # when all that passes has passed


class Household:
    """The groups of one host."""

    def __init__(self, agenda: Agenda, acts: Callable[[], bool]) -> None:
        self.groups = Groups(lambda: agenda.now, self._soon)
        self._agenda = agenda
        self._acts = acts
        self._waiting: list[Callable[[], None]] = []

    def _soon(self, call: Callable[[], None]) -> None:
        self._waiting.append(call)
        self._agenda.at(self._agenda.now, self.go_on)

    def go_on(self) -> None:
        if self._acts():
            waiting, self._waiting = self._waiting, []
            for call in waiting:
                call()


class Segment(World):
    """One of them; its hosts' VIPs are in groups with those of other segments."""

    def __init__(
        self,
        scenario: Scenario,
        number: int,
        agenda: Agenda,
        households: list[Household],
        track_up: float,
        story: list[str] | None,
    ) -> None:
        self.number = number
        self.households = households
        self.track_up = track_up
        super().__init__(scenario, agenda=agenda)
        self.story = story

    def _seat(self, host: Host, group: int) -> Seat:
        return GroupedVipd(self, host, group)

    def tell(self, who: object, what: str) -> None:
        super().tell(f"segment {self.number}, {who}", what)


class Site:
    """All segments, set going."""

    def __init__(self, plan: Routers, keep_story: bool = False) -> None:
        self.plan = plan
        self.story: list[str] | None = [] if keep_story else None
        self.checked = Counter[str]()
        hosts = range(len(plan.segments[0].hosts))
        self.agenda = Agenda(at_most=BUSY * len(hosts) * len(plan.segments))
        households = [Household(self.agenda, lambda n=n: self._acts(n)) for n in hosts]  # type: ignore[misc]
        self.segments = [
            Segment(each, number, self.agenda, households, plan.track_up, self.story)
            for number, each in enumerate(plan.segments)
        ]

    def _acts(self, host: int) -> bool:
        return any(segment.hosts[host].acts for segment in self.segments)

    def run(self) -> None:
        """Raises `PromiseError` when something does not hold."""
        try:
            for segment in self.segments:
                segment.faults.plan()
            self.agenda.run(self.plan.last)
            slowest = max(s.master_down for seg in self.segments for s in seg.seats[0])
            self.agenda.run(self.agenda.now + _MUTE_AT_MOST + self.plan.track_up + 2 * slowest)
            while self.agenda.now < (until := max(s.watch.settles_at for s in self.segments)) < inf:
                self.agenda.run(until)
            self.agenda.run(self.agenda.now + 3 * slowest)
        except RestlessError as restless:
            raise PromiseError(str(restless)) from restless
        for segment in self.segments:
            segment.watch.end()
        self._look()

    def _look(self) -> None:
        """Who owns what, when only what lasts is left."""
        whole = {
            number
            for number in range(len(self.plan.segments[0].hosts))
            if all(_fit(segment.seats[0][number]) for segment in self.segments)
        }
        owners = []
        for segment in self.segments:
            own = [s.host.number for s in segment.seats[0] if s.owner and s.host.present]
            if not own and any(seat.host.present for seat in segment.seats[0]):
                raise PromiseError(f"nobody owns segment {segment.number} at the end")
            owners.append(own)
        self.checked["group" if whole else "half-dead"] += 1
        if not whole:
            return
        everywhere = {number for own in owners for number in own}
        if not everywhere <= whole:
            raise PromiseError(f"{sorted(everywhere - whole)} own, and {sorted(whole)} are healthy")
        if all(s.setting.preempt for seg in self.segments for s in seg.seats[0]):
            best = min(whole)
            if everywhere != {best}:
                raise PromiseError(f"{owners} own, and host {best} is the best healthy one")


def _fit(seat: Seat) -> bool:
    assert isinstance(seat, GroupedVipd)
    return seat.host.present and all(verdict.well for verdict in seat.verdicts.values())


def verdict(plan: Routers) -> str:
    """What does not hold in it, or ""."""
    try:
        Site(plan).run()
    except PromiseError as broken:
        return str(broken)
    return ""


def story(plan: Routers) -> tuple[list[str], str]:
    """What happens in it, line by line, and what does not hold, or ""."""
    site = Site(plan, keep_story=True)
    assert site.story is not None
    try:
        site.run()
    except PromiseError as broken:
        return site.story, str(broken)
    return site.story, ""


# From a seed


def from_seed(seed: int) -> Routers:
    """The scenario of this number: the hosts want the same order on all segments."""
    draw = Random(f"routers {seed}")
    hosts, number = draw.choice((2, 2, 2, 3, 4)), draw.choice((2, 2, 3))
    preempt, deadratio = draw.random() < 0.7, draw.choice((3, 3, 2))
    delay = draw.choice((0.0, 0.0, 5.0))
    machines = [
        (draw.choice((0.0, draw.uniform(-1, 1) * 1e-3)), draw.choice((1e-4, 1e-3, 0.05)))
        for _ in range(hosts)
    ]
    verdict_after = [draw.choice((0.0, 0.0, draw.random() * 4)) for _ in range(hosts)]
    everywhere, last = _common(draw, hosts)
    weather = Weather(slowest=draw.choice((0.001, 0.01, 0.05)))
    segments = []
    for segment in range(number):
        plans = tuple(
            HostPlan(
                (Setting(1, 50 * host, deadratio, preempt, delay),),
                drift=drift,
                lateness=lateness,
                lease=True,
                verdict_after=verdict_after[host] if draw.random() < 0.7 else 0.0,
            )
            for host, (drift, lateness) in enumerate(machines)
        )
        faults = (*everywhere, *_of_one(draw, hosts, last), *_lasting(draw, hosts, last))
        faults = tuple(sorted(faults, key=lambda fault: fault.at))
        segments.append(Scenario(seed + segment, plans, weather, faults))
    return Routers(tuple(segments), draw.choice((0.5, 2.0, 10.0)), last + max(_LENGTHS))


def _common(draw: Random, hosts: int) -> tuple[list[Fault], float]:
    """What happens to whole hosts, and until when things happen."""
    now, faults = 5.0, []
    for _ in range(draw.randint(0, 4)):
        now += draw.random() * 15
        what, seconds = draw.choice(_EVERYWHERE), draw.choice(_LENGTHS)
        faults.append(Fault(now, what, draw.randrange(hosts), seconds))
    return faults, now + 20


def _of_one(draw: Random, hosts: int, last: float) -> list[Fault]:
    """What happens to the VIPs of one segment; some of it again and again."""
    faults = []
    for _ in range(draw.randint(0, 4)):
        at, what, host = draw.uniform(2, last), draw.choice(_ON_ONE), draw.randrange(hosts)
        fault = Fault(
            at,
            what,
            host,
            draw.choice(_LENGTHS),
            other=(host + 1) % hosts,
            mask=draw.randrange(1, 2**hosts - 1),
            unknown=draw.random() < 0.2,
        )
        flaps = what in (What.UNPLUG, What.SICK) and draw.random() < 0.3
        for _ in range(draw.randint(2, 5) if flaps else 1):
            faults.append(fault)
            at += fault.seconds * draw.uniform(1.2, 3)
            if at > last:
                break
            fault = replace(fault, at=at)
    return faults


def _lasting(draw: Random, hosts: int, last: float) -> list[Fault]:
    """What never ends: so that hosts are half dead."""
    return [
        Fault(draw.uniform(0.5, last), draw.choice((What.UNPLUG, What.SICK)), host, _FOREVER)
        for host in range(hosts)
        if draw.random() < 0.25
    ]
