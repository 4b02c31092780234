"""What was measured, over all rounds, for people."""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

from chaos.verdict import Check, Measured


class Witness(Enum):
    """Who says it. The value tells how."""

    EVENTS = "the kernel's events"
    SAMPLES = "samples every 20 ms"


@dataclass(slots=True)
class Figures:
    """``worst``: the longest of each check, by each witness. ``late``: how late the machine was,
    added up, in the worst round; seconds. ``strained``: the stories of what was beyond patience,
    and excused because the machine was late just then."""

    rounds: int = 0
    seconds: float = 0.0
    changes: int = 0
    late: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    measured: Counter[Check] = field(default_factory=Counter)
    strained: list[str] = field(default_factory=list)
    worst: dict[tuple[Check, Witness], Measured] = field(default_factory=dict)

    def take(self, witness: Witness, measured: Measured) -> None:
        if witness is Witness.EVENTS:
            self.measured[measured.check] += 1
        known = self.worst.get((measured.check, witness))
        if known is None or known.seconds < measured.seconds:
            self.worst[measured.check, witness] = measured

    def table(self) -> str:
        """As docs/chaos.md has them."""
        lines = [
            f"{self.rounds} rounds, {self.seconds:.0f} s; {self.faults.total()} faults; addresses "
            f"came and went {self.changes} times; in the worst round the machine was late by "
            f"{self.late:.2f} s in all; beyond patience, but no more than it was late: "
            f"{len(self.strained)} times",
            "",
            "| what | how often | longest, by event | longest, by sample | allowed there |",
            "|---|---|---|---|---|",
        ]
        for check in Check:
            exact = self.worst.get((check, Witness.EVENTS))
            sampled = self.worst.get((check, Witness.SAMPLES))
            lines.append(
                f"| {check.value} | {self.measured[check]} | {_seconds(exact)} | "
                f"{_seconds(sampled)} | {f'{exact.limit:.3f} s' if exact else '–'} |"
            )
        lines += ["", "| fault | how often |", "|---|---|"]
        lines += [f"| {kind} | {count} |" for kind, count in self.faults.most_common()]
        return "\n".join(lines)


def _seconds(measured: Measured | None) -> str:
    return f"{measured.seconds:.3f} s" if measured else "–"
