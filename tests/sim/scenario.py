"""A scenario is data: hosts, their settings, the weather in the network, and what goes wrong when.

`from_seed` makes one of a number, always the same one. All times are seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Literal

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class Setting:
    """What the files of one host say about one group."""

    advbase: int = 1
    advskew: int = 0
    deadratio: int = 3
    preempt: bool = False
    preempt_delay: float = 0.0
    listen_first: float = 0.0
    demote_by: int = 0

    # Both from the protocol's description, not from vipd: what is measured is no ruler.

    @property
    def interval(self) -> float:
        return self.advbase + self.advskew / 256 or 1 / 256

    @property
    def master_down(self) -> float:
        if self.advbase == 0:
            return self.deadratio * self.interval
        return self.deadratio * self.advbase + self.advskew / 256


@dataclass(frozen=True, slots=True)
class HostPlan:
    """One host, and its setting for each group."""

    settings: tuple[Setting, ...]
    kind: Literal["vipd", "ucarp", "openbsd", "freebsd"] = "vipd"
    drift: float = 0.0
    """How much faster its clock runs than time; 0.001 is 1.001 s a second."""
    lateness: float = 0.001
    """Its process runs at most this much later than it should."""
    lease: bool = True
    """LEASE=auto, or off."""
    guard: bool = True
    """vipd only: it can start its guard."""
    verdict_after: float = 0.0
    """A new vipd does not know its health for so long."""
    upscript: float = 0.01
    """ucarp only: how long UPSCRIPT takes, at the end of which the address is there."""
    downscript: float = 0.01


@dataclass(frozen=True, slots=True)
class Weather:
    """What every packet has to reckon with."""

    fastest: float = 0.0001
    slowest: float = 0.001
    """One-way delay, drawn for each packet and receiver: so packets overtake each other."""
    loss: float = 0.0
    in_a_row: int = 0
    """Probability that a packet is lost, and how many in a row at most, of one sender and group at
    one receiver. (`What.NOISE` knows no such limit.)"""
    doubled: float = 0.0
    """Probability that a packet comes twice."""


class What(StrEnum):
    """What can go wrong, or be done by people."""

    ONE_WAY = "one-way"
    """Nothing gets from the host to the other."""
    PARTITION = "partition"
    """The hosts in the mask and the others do not hear each other."""
    NOISE = "noise"
    """Most of what the host sends and what is sent to it gets lost."""
    MUTE = "mute"
    """The host's advertisements cannot be sent, and it is told so."""
    UNPLUG = "unplug"
    """No carrier."""
    FREEZE = "freeze"
    """The process is stopped, then goes on (SIGSTOP, SIGCONT)."""
    PAUSE = "pause"
    """The machine stands still, its clock too."""
    SLEEP = "sleep"
    """The machine stands still, its clock does not."""
    KILL = "kill"
    """The process is killed; a new one starts."""
    CRASH = "crash"
    """The machine is gone, and back later."""
    STOP = "stop"
    """The process is asked to end, and started again."""
    STEP_DOWN = "step-down"
    """SIGUSR2."""
    HOLD = "hold"
    """The host is told not to be master, until it is told otherwise."""
    CHANGE = "change"
    """Another setting of one group, in place."""
    STRANGER = "stranger"
    """One advertisement of a host that nobody knows, heard by this one only."""
    FLUSH = "flush"
    """Somebody takes the addresses off the interface."""
    FREEZE_GUARD = "freeze-guard"
    """vipd's guard is stopped, then goes on."""
    KILL_GUARD = "kill-guard"
    """vipd's guard is killed; vipd starts another."""
    DEMOTE = "demote"
    """An OpenBSD host demotes itself, by so much, and takes that back."""
    SICK = "sick"
    """Checks of a vipd fail, or have no verdict: those of one group, or of all."""
    FAMILY = "family"
    """No advertisement of one family arrives at the host."""


@dataclass(frozen=True, slots=True)
class Fault:
    """``seconds``: how long it lasts, where it lasts; ``mask``: bits of hosts. ``unknown``: there
    is no verdict, else the verdict is that it is sick; ``all_groups``: not only ``group``."""

    at: float
    what: What
    host: int
    seconds: float = 0.0
    other: int = 0
    mask: int = 0
    group: int = 0
    setting: Setting | None = None
    demotion: int = 0
    family: int = 0
    unknown: bool = False
    all_groups: bool = False

    def __str__(self) -> str:
        about = {
            What.ONE_WAY: f" other={self.other}",
            What.PARTITION: f" mask={self.mask:b}",
            What.CHANGE: f" group={self.group} {self.setting}",
            What.STRANGER: f" group={self.group} {self.setting}",
            What.DEMOTE: f" by {self.demotion}",
            What.FAMILY: f" IPv{self.family}",
            What.SICK: f" group={self.group} all={self.all_groups} unknown={self.unknown}",
        }.get(self.what, "")
        return f"{self.what}{about} ({self.seconds:.3f} s)"


@dataclass(frozen=True, slots=True)
class Scenario:
    """``seed`` also feeds the delays and losses. ``both``: the groups have both families."""

    seed: int
    hosts: tuple[HostPlan, ...]
    weather: Weather
    faults: tuple[Fault, ...]
    both: bool = False

    def to_json(self) -> bytes:
        return _ADAPTER.dump_json(self, indent=1, exclude_defaults=True)


_ADAPTER = TypeAdapter(Scenario)


def from_json(text: bytes) -> Scenario:
    return _ADAPTER.validate_json(text)


# From a seed

Draw = Callable[[Random, int, int], Setting]

_HOSTS, _HOST_WEIGHTS = (2, 3, 4, 5, 8), (40, 40, 12, 6, 2)
_GROUPS, _GROUP_WEIGHTS = (1, 2, 4), (70, 20, 10)
_GUARDS = (What.FREEZE_GUARD, What.KILL_GUARD)
_LATER = (What.DEMOTE, What.FAMILY, What.SICK, *_GUARDS)
_FAULTS = tuple(what for what in What if what not in _LATER)
#: How much of its master-down time a fault lasts, roughly; the shortest do not matter to anybody.
_LENGTHS = (0.01, 0.3, 0.9, 1.5, 4.0)


def from_seed(seed: int) -> Scenario:
    """The scenario of this number."""
    draw = Random(seed)
    settings = draw.choices(
        (_published, _usual, _wild, _fast, _extreme(draw)), (28, 32, 25, 10, 5)
    )[0]
    mixed = settings in (_published, _usual, _wild) and draw.random() < 0.15
    hosts = draw.choices(_HOSTS, _HOST_WEIGHTS)[0]
    groups = draw.choices(_GROUPS, _GROUP_WEIGHTS)[0]
    plans = tuple(
        HostPlan(
            settings=tuple(settings(draw, host, group) for group in range(groups)),
            kind="ucarp" if mixed and draw.random() < 0.5 else "vipd",
            drift=draw.choice((0.0, draw.uniform(-1, 1) * 1e-3)),
            lateness=draw.choice((1e-4, 1e-3, 0.05)),
            lease=draw.random() < 0.9,
            upscript=draw.choice((0.01, 0.01, draw.uniform(0, 2), draw.uniform(0, 6))),
            downscript=draw.choice((0.01, 0.01, draw.uniform(0, 2))),
        )
        for host in range(hosts)
    )
    scale = max(s.master_down for plan in plans for s in plan.settings)
    faults = _faults(draw, plans, settings, scale)
    weather = _weather(draw, min(s.interval for plan in plans for s in plan.settings))
    scenario = Scenario(seed, plans, weather, faults)
    with_openbsd = Random(f"openbsd {seed}")  # the scenarios without it stay what they were
    bsd = settings in (_published, _usual, _fast) and not mixed
    if bsd and with_openbsd.random() < 0.15:
        scenario = _with_openbsd(with_openbsd, scenario, scale)
    health = Random(f"health {seed}")  # likewise
    if health.random() < 0.35:
        if bsd and settings is not _fast and with_openbsd.random() < 0.2:
            scenario = _with_freebsd(health, scenario)
        scenario = _with_sickness(health, scenario, scale)
    families = Random(f"families {seed}")  # likewise
    if not mixed and families.random() < 0.2:
        scenario = _in_both_families(families, scenario, scale)
    return _with_guards(Random(f"guards {seed}"), scenario, scale)  # likewise


def named(text: str) -> Scenario:
    """The one of a seed, or of a file."""
    return from_seed(int(text)) if text.isdigit() else from_json(Path(text).read_bytes())


def _with_guards(draw: Random, scenario: Scenario, scale: float) -> Scenario:
    """The same, and guards are stopped and killed, most of them where something happens to their
    daemons; a few never run."""
    hosts = tuple(
        replace(plan, guard=draw.random() < 0.95) if plan.kind == "vipd" else plan
        for plan in scenario.hosts
    )
    vipds = [number for number, plan in enumerate(hosts) if plan.kind == "vipd"]
    processes = (What.FREEZE, What.KILL, What.SLEEP, What.MUTE, What.STOP)
    near = [fault for fault in scenario.faults if fault.what in processes and fault.host in vipds]
    last = max(fault.at for fault in scenario.faults)
    faults = []
    for _ in range(draw.choice((0, 0, 1, 2, 4)) if vipds else 0):
        at, host = draw.uniform(0, last + 2 * scale), draw.choice(vipds)
        if near and draw.random() < 0.7:
            fault = draw.choice(near)
            at = max(0.0, fault.at + draw.choice((-1, 1, 3)) * scale * draw.random() ** 3)
            host = fault.host
        seconds = draw.choice(_LENGTHS) * scale * draw.uniform(0.5, 1.5)
        faults.append(Fault(at, draw.choice(_GUARDS), host=host, seconds=seconds))
    if len(vipds) > 1 and draw.random() < 0.1:  # and two vipds are killed when all is quiet
        for _ in range(2):
            quiet = max((f.at + f.seconds for f in (*scenario.faults, *faults)), default=0.0)
            at = quiet + 6 * scale + 4
            faults.append(Fault(at, What.KILL, host=draw.choice(vipds), seconds=2 * scale))
    return replace(scenario, hosts=hosts, faults=scenario.faults + tuple(faults))


def _in_both_families(draw: Random, scenario: Scenario, scale: float) -> Scenario:
    """The same in groups of both families, and one of these is lost now and then on the way to a
    vipd. (OpenBSD counts for each family, and takes over when one is lost.)"""
    vipds = [number for number, plan in enumerate(scenario.hosts) if plan.kind == "vipd"]
    last, family = max(fault.at for fault in scenario.faults), draw.choice((4, 6))
    lost = tuple(
        Fault(
            at=draw.uniform(0, last + 4 * scale),
            what=What.FAMILY,
            host=draw.choice(vipds),
            seconds=draw.choice(_LENGTHS) * 4 * scale,
            family=family,
        )
        for _ in range(draw.randint(0, 4))
    )
    return replace(scenario, faults=scenario.faults + lost, both=True)


def _with_openbsd(draw: Random, scenario: Scenario, scale: float) -> Scenario:
    """The same, and some of the hosts are OpenBSD's (deadratio is always 3 there), and demote
    themselves now and then."""
    hosts = list(scenario.hosts)
    openbsd = draw.sample(range(len(hosts)), draw.randint(1, len(hosts) - 1))
    for number in openbsd:
        settings = tuple(replace(s, deadratio=3) for s in hosts[number].settings)
        hosts[number] = replace(hosts[number], kind="openbsd", settings=settings)
    last = max(fault.at for fault in scenario.faults)
    demotions = tuple(
        Fault(
            at=draw.uniform(0, last + 4 * scale),
            what=What.DEMOTE,
            host=draw.choice(openbsd),
            seconds=draw.choice((0.01, 0.3, 1.5, 4.0, 20.0)) * scale * draw.uniform(0.5, 1.5),
            demotion=draw.choice((1, 1, 2, 40)),
        )
        for _ in range(draw.randint(1, 4))
    )
    return replace(scenario, hosts=tuple(hosts), faults=scenario.faults + demotions)


def _with_freebsd(draw: Random, scenario: Scenario) -> Scenario:
    """The same, and one vipd that is not the only one is FreeBSD's instead. (It does not look at
    byte 4, and OpenBSD's demotion is nothing to it: the two never meet.)"""
    hosts = list(scenario.hosts)
    vipds = [number for number, plan in enumerate(hosts) if plan.kind == "vipd"]
    if len(vipds) < 2 or any(plan.kind == "openbsd" for plan in hosts):
        return scenario
    number = draw.choice(vipds)
    settings = tuple(replace(s, deadratio=3) for s in hosts[number].settings)
    hosts[number] = replace(hosts[number], kind="freebsd", settings=settings)
    return replace(scenario, hosts=tuple(hosts))


def _with_sickness(draw: Random, scenario: Scenario, scale: float) -> Scenario:
    """The same, and its vipds fall sick: one for a while, one again and again, or all at once."""
    last = max(fault.at for fault in scenario.faults)
    demote_by = draw.choice(((0,), (0,), (0, 0, 100, 240)))
    hosts = tuple(
        plan if plan.kind != "vipd" else _with_checks(draw, plan, scale, demote_by)
        for plan in scenario.hosts
    )
    vipds = [number for number, plan in enumerate(hosts) if plan.kind == "vipd"]
    groups = len(hosts[0].settings)
    faults: list[Fault] = []
    for _ in range(draw.randint(1, 6) if vipds else 0):
        at = draw.uniform(0, last + 8 * scale)
        kind = draw.choice(("one", "one", "one", "flapping", "all", "unknown"))
        common = {
            "what": What.SICK,
            "unknown": kind == "unknown",
            "group": draw.randrange(groups),
            "all_groups": draw.random() < 0.5,
        }
        for host in vipds if kind == "all" else [draw.choice(vipds)]:
            begin = at + (draw.choice((0.0, draw.random())) if kind == "all" else 0.0)
            for _ in range(draw.randint(2, 6) if kind == "flapping" else 1):
                seconds = draw.choice((0.001, *_LENGTHS, 12.0)) * scale * draw.uniform(0.5, 1.5)
                faults.append(Fault(begin, host=host, seconds=seconds, **common))  # type: ignore[arg-type]
                begin += seconds * draw.uniform(1, 3)
    return replace(scenario, hosts=hosts, faults=scenario.faults + tuple(faults))


def _with_checks(
    draw: Random, plan: HostPlan, scale: float, demote_by: tuple[int, ...]
) -> HostPlan:
    settings = tuple(
        replace(
            setting,
            preempt_delay=draw.choice((0.0, 0.0, draw.random() * 3 * scale)),
            listen_first=draw.choice((0.0, 0.0, draw.random() * scale)),
            demote_by=draw.choice(demote_by),
        )
        for setting in plan.settings
    )
    verdict_after = draw.choice((0.0, 0.0, draw.random() * 2 * scale))
    return replace(plan, settings=settings, verdict_after=verdict_after)


def _published(_draw: Random, host: int, group: int) -> Setting:
    """The published pair: each host preferred for some groups."""
    return Setting(advskew=0 if host == group % 2 else 10 * host, preempt=True)


def _usual(draw: Random, _host: int, _group: int) -> Setting:
    return Setting(
        advbase=draw.choice((1, 1, 1, 2)),
        advskew=draw.choice((0, 0, 1, 50, 100, 200, 254)),
        deadratio=draw.choice((3, 3, 3, 2, 5)),
        preempt=draw.random() < 0.5,
    )


def _wild(draw: Random, _host: int, _group: int) -> Setting:
    """Nobody would want that, but it has to come to rest as well."""
    return Setting(
        advbase=draw.choice((1, 2, 3, draw.randint(1, 12))),
        advskew=draw.randint(0, 255),
        deadratio=draw.choice((1, 2, 3, draw.randint(1, 10))),
        preempt=draw.random() < 0.5,
    )


def _fast(draw: Random, _host: int, _group: int) -> Setting:
    """Sub-second: BSD hosts and vipd only."""
    return Setting(0, draw.choice((32, 64, 100, 200)), draw.choice((3, 5)), draw.random() < 0.5)


def _extreme(draw: Random) -> Draw:
    """Far out, but all hosts there together: else one speaks for hours while another waits."""
    low, high, most = draw.choice(((0, 0, 9), (20, 60, 255), (200, 255, 255)))

    def setting(draw: Random, _host: int, _group: int) -> Setting:
        return Setting(
            draw.randint(low, high), draw.randint(0, most), draw.randint(1, 20), draw.random() < 0.5
        )

    return setting


def _weather(draw: Random, shortest: float) -> Weather:
    slowest = draw.choice((0.001, 0.01, 0.1)) * min(shortest, 2.0)
    lossy = draw.random() < 0.3
    return Weather(
        fastest=slowest * draw.choice((0.1, 1.0)),
        slowest=slowest,
        loss=draw.choice((0.02, 0.3)) if lossy else 0.0,
        in_a_row=draw.choice((1, 2)) if lossy else 0,
        doubled=draw.choice((0.0, 0.0, 0.2)),
    )


def _setting(draw: Random, what: What, setting: Setting) -> Setting | None:
    """What the settings become, or what a stranger says: anything, or farewell."""
    if what is What.STRANGER:
        anything = Setting(draw.randrange(256), 0)
        return draw.choice((setting, anything, Setting(0, 9), Setting(255, 255)))
    return setting if what is What.CHANGE else None


def _faults(
    draw: Random,
    plans: tuple[HostPlan, ...],
    settings: Draw,
    scale: float,
) -> tuple[Fault, ...]:
    hosts, groups = len(plans), len(plans[0].settings)
    now, faults = 0.0, []
    for _ in range(draw.randint(1, 9)):
        now += draw.choice((0.0, draw.random(), draw.uniform(0.5, 4) * scale))
        what, host, group = draw.choice(_FAULTS), draw.randrange(hosts), draw.randrange(groups)
        faults.append(
            Fault(
                at=now,
                what=what,
                host=host,
                seconds=draw.choice(_LENGTHS) * scale * draw.uniform(0.5, 1.5),
                other=(host + draw.randrange(1, hosts)) % hosts,
                mask=draw.randrange(1, 2**hosts - 1),
                group=group,
                setting=_setting(draw, what, settings(draw, host, group)),
            )
        )
    return tuple(faults)
