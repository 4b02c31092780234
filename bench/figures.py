"""What is measured: figures, each with a value per contestant and run, and the bound asked for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from statistics import median

#: name of a figure → contestant → one value a run
Samples = dict[str, dict[str, list[float]]]


@dataclass(frozen=True, slots=True)
class Bound:
    """What was asked of vipd: at most ``limit``, in the figure's unit; ``text`` is for people.

    ``why``: what stands in the way where it is missed, as far as that is known.
    """

    limit: float
    text: str
    why: str = "not explained yet"

    def missed(self, values: Collection[float]) -> bool:
        """Whether a run did not keep it."""
        return any(value > self.limit for value in values)

    def verdict(self, values: Collection[float]) -> str:
        """Held by every run, by the median only, or not."""
        if not values:
            return "not measured"
        if not self.missed(values):
            return "met"
        by_median = median(values) <= self.limit
        return "met by the median, missed by a run" if by_median else "**missed**"


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: ``values`` by contestant, in ``unit``; smaller is better in all of them."""

    title: str
    unit: str
    values: Mapping[str, tuple[float, ...]]
    bound: Bound | None = None

    def median(self, contestant: str) -> float | None:
        """The median of all runs; None when there is no value."""
        values = self.values.get(contestant)
        return median(values) if values else None


@dataclass(frozen=True, slots=True)
class Section:
    """A table: its figures, with a column for each contestant, and how they were measured.

    ``picture``: the name (without .svg) of one that shows it, if there is to be one.
    ``cannot``: those of the contestants who are unable to do this.
    """

    title: str
    how: str
    contestants: tuple[str, ...]
    figures: tuple[Figure, ...]
    picture: str = ""
    cannot: frozenset[str] = frozenset()


def add(samples: Samples, contestant: str, values: Mapping[str, float]) -> None:
    """Put the values of one run, by name of figure, to those of the runs before."""
    for name, value in values.items():
        samples.setdefault(name, {}).setdefault(contestant, []).append(value)


def figure(
    samples: Samples, name: str, unit: str, title: str = "", bound: Bound | None = None
) -> Figure:
    """The row of one name of ``samples``."""
    values = {who: tuple(runs) for who, runs in samples.get(name, {}).items()}
    return Figure(title or name, unit, values, bound)
