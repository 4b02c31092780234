"""One run of the programme: measures each contestant, and goes on when one fails."""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from bench.contestants import CONTESTANTS, Contestant
from bench.figures import Samples, add
from vipd.lab import LabError


@dataclass(slots=True)
class Bench:
    """How thorough it is, and what went wrong on the way. ``runs``: of each case; ``cycles``: of
    each fault on a pair that stays up; ``window``: seconds over which CPU time is measured;
    ``minutes``: of endurance."""

    runs: int
    cycles: int
    window: float
    minutes: float = 30.0
    failures: list[str] = field(default_factory=list)

    @property
    def fewer(self) -> int:
        """Runs of what takes long and differs little from run to run."""
        return max(1, self.runs // 2)

    def attempt(
        self, samples: Samples, who: str, what: str, measure: Callable[[], dict[str, float]]
    ) -> None:
        """Measure once. A contestant that fails is reported, and the others go on."""
        self.attempt_many(samples, who, what, lambda: [measure()])

    def attempt_many(
        self,
        samples: Samples,
        who: str,
        what: str,
        measure: Callable[[], Iterable[Mapping[str, float]]],
    ) -> None:
        """Take the values of all cycles, up to the one that fails, if one does."""
        print(f"{what}: {who} …", file=sys.stderr, flush=True)
        try:
            for values in measure():
                add(samples, who, values)
        except (TimeoutError, LabError) as error:
            print(error, file=sys.stderr)
            self.failures.append(f"{what}, {who}: {str(error).splitlines()[0]}")

    def attempt_rows(
        self, samples: Samples, what: str, measure: Callable[[], Mapping[str, Mapping[str, float]]]
    ) -> None:
        """Take values that are not of contestants: by name of figure, then of column."""
        print(f"{what} …", file=sys.stderr, flush=True)
        try:
            for name, row in measure().items():
                for column, value in row.items():
                    add(samples, column, {name: value})
        except (TimeoutError, LabError) as error:
            print(error, file=sys.stderr)
            self.failures.append(f"{what}: {str(error).splitlines()[0]}")

    def attempt_all(
        self,
        samples: Samples,
        what: str,
        measure: Callable[[Contestant], dict[str, float]],
        contestants: Mapping[str, Contestant] = CONTESTANTS,
        *,
        runs: int = 0,
    ) -> None:
        """Measure every contestant, in turns; ``runs`` times, unless as often as everything."""
        for run in range(runs or self.runs):
            for name, contestant in contestants.items():
                self.attempt(samples, name, f"{what}, run {run + 1}", partial(measure, contestant))
