"""What is measured, in the order of the page: each part runs its contestants and makes a table."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from bench import crowd, pair
from bench.contestants import CONTESTANTS
from bench.figures import Bound, Samples, Section, add, figure
from vipd.lab import LabError

MIXED = (("vipd", "ucarp"), ("ucarp", "vipd"))


@dataclass(slots=True)
class Bench:
    """One run of the programme: how thorough, and what went wrong on the way."""

    runs: int
    window: float  # seconds over which CPU time is measured
    failures: list[str] = field(default_factory=list)

    def attempt(
        self, samples: Samples, who: str, what: str, measure: Callable[[], dict[str, float]]
    ) -> None:
        """Measure once. A contestant that fails is reported, and the others go on."""
        print(f"{what}: {who} …", file=sys.stderr, flush=True)
        try:
            add(samples, who, measure())
        except (TimeoutError, LabError) as error:
            print(error, file=sys.stderr)
            self.failures.append(f"{what}, {who}: {str(error).splitlines()[0]}")


def gaps(bench: Bench) -> list[Section]:
    """Pairs of the same kind: what a client sees, and how fast a decision is carried out."""
    samples: Samples = {}
    for run in range(bench.runs):
        for name, contestant in CONTESTANTS.items():
            bench.attempt(
                samples,
                name,
                f"pair, run {run + 1}",
                lambda kind=contestant: pair.lifecycle(kind, kind),  # type: ignore[misc]
            )
    patience = CONTESTANTS["vipd"].master_down * 1000
    crash = Bound(patience + 50, f"master-down ({patience:.0f} ms) + 50 ms")
    prompt = Bound(5, "5 ms")
    return [
        Section(
            "What a client sees",
            "Two hosts of the same kind; a third pings the address every 5 ms. The time is that "
            "between two answers, so 5 ms is no gap at all. Crash: the master's carrier goes away "
            "right after an advertisement, the worst moment. Stop: SIGTERM to the master, likewise "
            "right after one. Failback: the preferred host's carrier comes back, and it takes its "
            "address again. keepalived has `advert_int 1` and priorities 254 and 246, which is "
            "advskew 2 and 10.",
            tuple(CONTESTANTS),
            (
                figure(samples, pair.gap(pair.CRASH), "ms", "crash of the master", crash),
                figure(samples, pair.gap(pair.STOP), "ms", "planned stop of the master"),
                figure(samples, pair.gap(pair.FAILBACK), "ms", "failback by preemption"),
            ),
        ),
        Section(
            "From decision to effect",
            "A decision cannot be seen from outside, its cause can, and is earlier: the end of "
            "master-down after the last advertisement that the new master heard (its own tcpdump), "
            "or the slower advertisement that makes it preempt. Timers that fire late and packets "
            "that wait are thus counted in. Address: when `ip -ts monitor` on that host was told. "
            "Announcement and advertisement: tcpdump on that host. keepalived does not preempt on "
            "a packet but after a wait, which has no cause to count from.",
            tuple(CONTESTANTS),
            tuple(
                figure(samples, pair.delay(cause, effect), "ms", f"after {cause}: {effect}", prompt)
                for cause in (pair.SILENCE, pair.PREEMPTION)
                for effect in (pair.HELD, pair.ARP, pair.AD)
            ),
        ),
    ]


def mixed(bench: Bench) -> list[Section]:
    """A vipd and a ucarp host side by side, each as the preferred one."""
    samples: Samples = {}
    for run in range(bench.runs):
        for first, second in MIXED:
            bench.attempt(
                samples,
                _mixture(first, second),
                f"mixed, run {run + 1}",
                lambda first=first, second=second: pair.lifecycle(  # type: ignore[misc]
                    CONTESTANTS[first], CONTESTANTS[second]
                ),
            )
    return [
        Section(
            "What a client sees while hosts are migrated",
            "As above, with one host of each kind. ucarp looks at packets up to 1 s late.",
            tuple(_mixture(first, second) for first, second in MIXED),
            (
                figure(samples, pair.gap(pair.CRASH), "ms", "crash of the preferred host"),
                figure(samples, pair.gap(pair.STOP), "ms", "planned stop of the preferred host"),
                figure(samples, pair.gap(pair.FAILBACK), "ms", "failback to the preferred host"),
            ),
        )
    ]


def _mixture(preferred: str, other: str) -> str:
    return f"{preferred} preferred, {other} backup"


def many(bench: Bench) -> list[Section]:
    """255 addresses at rest, and their start."""
    samples: Samples = {}
    for run in range(bench.runs):
        for name, contestant in CONTESTANTS.items():
            bench.attempt(
                samples,
                name,
                f"{crowd.COUNT} addresses at rest, run {run + 1}",
                lambda kind=contestant: crowd.steady(kind, bench.window),  # type: ignore[misc]
            )
            bench.attempt(
                samples,
                name,
                f"start of {crowd.COUNT} addresses, run {run + 1}",
                lambda kind=contestant: {crowd.START: crowd.start_up(kind)},  # type: ignore[misc]
            )
    limits = {
        name: figure(samples, name, "%").median("keepalived")
        for name in (crowd.MASTER_CPU, crowd.BACKUP_CPU)
    }
    memory = Bound(40, "40 MB")
    return [
        Section(
            f"{crowd.COUNT} addresses on one interface",
            f"CPU: of one core, over {bench.window:g} s in which nothing happens, user and system "
            "time of all processes of the daemon. PSS: memory of all of them, shared pages divided "
            "among those that share them; that includes this programme and the other host, so RSS "
            "is what a vipd without any other Python beside it takes at most. Start-up: from exec "
            "until the last group has logged that it is BACKUP.",
            tuple(CONTESTANTS),
            (
                *(
                    figure(
                        samples,
                        name,
                        "%",
                        bound=None if limit is None else Bound(limit, "no more than keepalived's"),
                    )
                    for name, limit in limits.items()
                ),
                figure(samples, crowd.MASTER_PSS, "MB", bound=memory),
                figure(samples, crowd.BACKUP_PSS, "MB", bound=memory),
                figure(samples, crowd.MASTER_RSS, "MB"),
                figure(samples, crowd.BACKUP_RSS, "MB"),
                figure(samples, crowd.START, "ms", bound=Bound(1000, "1 s")),
            ),
        )
    ]


PARTS: dict[str, Callable[[Bench], list[Section]]] = {"gaps": gaps, "mixed": mixed, "many": many}
