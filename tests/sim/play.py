"""Many scenarios, on all processors; and one, told as a story."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing import Pool

from sim import routers
from sim.scenario import Scenario, from_seed
from sim.watch import PromiseError
from sim.world import World

#: With every seed that this divides, hosts with VIPs of one GROUP are played, too.
ROUTERS = 20
#: Seeds that a process is given at once.
_CHUNK = 25


@dataclass
class Tally:
    """What playing scenarios has shown. ``checks`` counts what was looked at; ``nearest`` is how
    near to its bound (1.0) anything came, by kind."""

    scenarios: int = 0
    seconds: float = 0.0
    checks: Counter[str] = field(default_factory=Counter)
    nearest: dict[str, float] = field(default_factory=dict)
    broken: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.scenarios += other.scenarios
        self.seconds += other.seconds
        self.checks += other.checks
        for what, nearest in other.nearest.items():
            self.nearest[what] = max(nearest, self.nearest.get(what, 0.0))
        self.broken += other.broken

    def __str__(self) -> str:
        checks = ", ".join(f"{what} {times:,}" for what, times in sorted(self.checks.items()))
        near = ", ".join(f"{what} {part:.1%}" for what, part in sorted(self.nearest.items()))
        lines = [
            f"{self.scenarios:,} scenarios, {self.seconds / 86400:,.1f} days of hosts' lives; "
            f"{len(self.broken)} broken",
            f"looked at: {checks}",
            f"nearest to a bound: {near}",
        ]
        return "\n".join(lines)


def verdict(scenario: Scenario) -> str:
    """What does not hold in it, or ""."""
    try:
        World(scenario).run()
    except PromiseError as broken:
        return str(broken)
    return ""


def story(scenario: Scenario) -> tuple[list[str], str]:
    """What happens in it, line by line, and what does not hold, or ""."""
    world = World(scenario, keep_story=True)
    assert world.story is not None
    try:
        world.run()
    except PromiseError as broken:
        return world.story, str(broken)
    return world.story, ""


def play(seeds: Iterable[int]) -> Tally:
    """Play the scenarios of these seeds, here."""
    tally = Tally()
    for seed in seeds:
        world = World(from_seed(seed))
        try:
            world.run()
        except PromiseError as broken:
            tally.broken.append((seed, str(broken)))
        tally.scenarios += 1
        tally.seconds += world.agenda.now
        tally.checks += world.watch.checked
        for what, nearest in world.watch.nearest.items():
            tally.nearest[what] = max(nearest, tally.nearest.get(what, 0.0))
        if seed % ROUTERS == 0:
            _play_routers(seed, tally)
    return tally


def _play_routers(seed: int, tally: Tally) -> None:
    site = routers.Site(routers.from_seed(seed))
    try:
        site.run()
    except PromiseError as broken:
        tally.broken.append((seed, f"routers: {broken}"))
    tally.seconds += site.agenda.now
    for segment in site.segments:
        tally.checks += segment.watch.checked
    tally.checks += site.checked


def play_on_all(first: int, scenarios: int, jobs: int) -> Iterator[Tally]:
    """The same on several processes; gives parts as they are ready."""
    end = first + scenarios
    parts = (range(seed, min(seed + _CHUNK, end)) for seed in range(first, end, _CHUNK))
    with Pool(jobs) as pool:
        yield from pool.imap_unordered(play, parts)


def shortest(scenario: Scenario) -> Scenario:
    """The same failure with fewer faults, as far as leaving one out after the other gets."""
    kind = _kind(verdict(scenario))
    tried = 0
    while tried < len(scenario.faults):
        less = replace(scenario, faults=scenario.faults[:tried] + scenario.faults[tried + 1 :])
        if _kind(verdict(less)) == kind:
            scenario = less
        else:
            tried += 1
    return scenario


def _kind(verdict: str) -> str:
    """What is said, without who, when and how long."""
    return "".join(c for c in verdict if c.isalpha() or c == " ")
