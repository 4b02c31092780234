"""Counts of events, for each VIP and for the daemon."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from vipd.api.events import Event, Kind
from vipd.carp.states import State
from vipd.daemon.events.counters import Histogram

#: Seconds: from an address that netlink adds at once to a script that hangs.
_BOUNDS = (0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 3.0, 10.0)


@dataclass(slots=True)
class VipTally:
    """``transitions`` by new state and reason; ``scripts`` and ``failed_scripts`` by name, with
    their durations in seconds; ``takeover``: the phases of a take-over, in seconds; ``problems`` by
    code. ``failures``: how often the VIP failed and had to be restarted;
    ``lost_notifications``: those that NOTIFY was too slow for."""

    transitions: Counter[tuple[str, str]] = field(default_factory=Counter)
    takeover: dict[str, Histogram] = field(default_factory=dict)
    scripts: Counter[str] = field(default_factory=Counter)
    failed_scripts: Counter[str] = field(default_factory=Counter)
    script_seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    problems: Counter[str] = field(default_factory=Counter)
    failures: int = 0
    lost_notifications: int = 0

    def took(self, phase: str, seconds: float | None) -> None:
        if seconds is not None:
            self.takeover.setdefault(phase, Histogram(_BOUNDS)).observe(seconds)

    def ran(self, script: str, seconds: float, *, failed: bool) -> None:
        """Count a run of a script, which has ended."""
        self.scripts[script] += 1
        self.failed_scripts[script] += failed
        self.script_seconds[script] += seconds


class Tally:
    """Counts events from the daemon's start on: `count` has to be called with all of them. What is
    no event (NOTIFY that ran) is counted in ``vips`` by who knows of it."""

    def __init__(self) -> None:
        self.vips: defaultdict[str, VipTally] = defaultdict(VipTally)
        self.reloads = 0
        #: Results of reloads (`vipd.api.io_vipd.Result`), in VIPs.
        self.reloaded: Counter[str] = Counter()

    def count(self, event: Event) -> None:
        if event.kind is Kind.RELOAD:
            self.reloads += 1
            self.reloaded.update(event.reload or {})
        elif event.id:
            self._count(event, self.vips[event.id])

    def _count(self, event: Event, vip: VipTally) -> None:
        vip.failures += event.kind is Kind.FAILURE
        if event.kind is Kind.PROBLEM:
            vip.problems[event.code] += 1
        if transition := event.transition:
            vip.transitions[transition.new.value, transition.reason.name] += 1
            if transition.new is State.MASTER:
                vip.took("silence", transition.silence)
                vip.took("address", transition.address)
                vip.took("announcement", transition.announcement)
                vip.took("advertisement", transition.advertisement)
        if script := event.script:
            vip.ran(script.which, script.seconds, failed=script.status != 0)
            if script.which == "upscript":
                vip.took("script", script.seconds)
                vip.took("address", script.address)
