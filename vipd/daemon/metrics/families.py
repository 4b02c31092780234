"""The metrics: each with its name, its meaning, and the source of its values.

`FAMILIES` has all of them. Values are read only when a client requests them.
`vipd.daemon.metrics.text` writes them, and `vipd.daemon.metrics.server` serves them.
"""

import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from vipd import __version__
from vipd.carp.health import Health
from vipd.carp.states import State
from vipd.config.problem import Severity
from vipd.daemon.events.counters import Histogram
from vipd.daemon.health.checks import CheckRunner, Result
from vipd.daemon.metrics.views import DaemonView, Labels, VipView

Value = float | Histogram
Values = Iterable[tuple[Labels, Value]]

VIP_LABELS = ("id", "vhid", "interface")
#: Labels of every metric of a VIP.

_STATES = {State.INIT: 0, State.BACKUP: 1, State.MASTER: 2}


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. ``labels``: its labels; a metric of VIPs has `VIP_LABELS`, too."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class OfVips(Family):
    read: Callable[[VipView], Values]


@dataclass(frozen=True, slots=True)
class OfDaemon(Family):
    read: Callable[[DaemonView], Values]


def _counter(name: str) -> Callable[[VipView], Values]:
    """One of `vipd.daemon.events.counters.Counters`."""

    def read(view: VipView) -> Values:
        if view.vip:
            yield (), getattr(view.vip.counters, name)

    return read


def _state(view: VipView) -> Values:
    yield (), _STATES[view.vip.machine.state] if view.vip else 0


def _info(view: VipView) -> Values:
    yield (str(view.config.addresses[0].ip),), 1


def _master_heard(view: VipView) -> Values:
    if view.vip and view.vip.machine.state is State.BACKUP and (heard := view.vip.machine.heard):
        yield (), view.now - heard.at


def _transitions(view: VipView) -> Values:
    yield from view.tally.transitions.items()


def _takeover(view: VipView) -> Values:
    for phase, histogram in view.tally.takeover.items():
        yield (phase,), histogram


def _scripts(name: str) -> Callable[[VipView], Values]:
    def read(view: VipView) -> Values:
        counts = getattr(view.tally, name)
        for script in ("upscript", "downscript", "notify"):
            if getattr(view.config, script) or script in view.tally.scripts:
                yield (script,), counts[script]

    return read


def _lost_notifications(view: VipView) -> Values:
    if view.config.notify or view.tally.lost_notifications:
        yield (), view.tally.lost_notifications


def _told(view: VipView) -> Values:
    for code, times in view.tally.problems.items():
        yield (code,), times


def _checks(read: Callable[[CheckRunner], Values]) -> Callable[[VipView], Values]:
    """What each check of a VIP says of itself, with its name as the first label."""

    def of_vip(view: VipView) -> Values:
        for name, (source, _) in view.vip.health.sources.items() if view.vip else ():
            if isinstance(source, CheckRunner):
                for labels, value in read(source):
                    yield (name.partition(":")[2], *labels), value

    return of_vip


def _check_ok(check: CheckRunner) -> Values:
    if (well := check.verdict.well) is not None:
        yield (), int(well)


def _check_seconds(check: CheckRunner) -> Values:
    if check.last:
        yield (), check.last.seconds


def _check_runs(check: CheckRunner) -> Values:
    for result in Result:
        yield (result.value,), check.runs[result]


def _sick(view: VipView) -> Values:
    yield (), int(view.vip is not None and view.vip.health.health is Health.SICK)


def _ails(view: VipView) -> Values:
    if group := view.config.group:
        yield (group,), int(view.vip is None or bool(view.vip.group.ails))


def _failures(view: VipView) -> Values:
    yield (), view.tally.failures


def _drops(daemon: DaemonView) -> Values:
    ids = {(view.config.device, view.config.vhid): view.config.id for view in daemon.vips}
    for interface, drops in daemon.drops.items():
        for (vhid, drop), count in drops.items():
            who = ids.get((interface, vhid), "")
            yield (who, str(vhid or ""), interface, drop.name), count


def _problems(daemon: DaemonView) -> Values:
    for severity in Severity:
        found = [problem for problem in daemon.problems if problem.severity is severity]
        yield (severity.value,), len(found)


def _reloaded(daemon: DaemonView) -> Values:
    for result, vips in daemon.tally.reloaded.items():
        yield (result,), vips


FAMILIES: tuple[OfVips | OfDaemon, ...] = (
    OfVips(
        "vipd_vip_info",
        "gauge",
        "Always 1. The label address is the VIP's first address, the same on all hosts.",
        ("address",),
        _info,
    ),
    OfVips("vipd_state", "gauge", "0 is INIT, 1 BACKUP, 2 MASTER.", (), _state),
    OfVips(
        "vipd_maintenance",
        "gauge",
        "1 while the VIP is in maintenance, and so never master on this host.",
        (),
        lambda view: [((), int(view.maintenance))],
    ),
    OfVips(
        "vipd_sick",
        "gauge",
        "1 while something that the VIP needs has failed on this host.",
        (),
        _sick,
    ),
    OfVips(
        "vipd_group_ails",
        "gauge",
        "1 while the VIP makes the others of its GROUP sick on this host.",
        ("group",),
        _ails,
    ),
    OfVips(
        "vipd_check_ok",
        "gauge",
        "Verdict of a health check: 1 is well, 0 failed; nothing before its first one.",
        ("check",),
        _checks(_check_ok),
    ),
    OfVips(
        "vipd_check_seconds",
        "gauge",
        "How long the last run of a health check took.",
        ("check",),
        _checks(_check_seconds),
    ),
    OfVips(
        "vipd_check_runs_total",
        "counter",
        "Runs of a health check, by their result: ok, failed, or none. VIPs that share a check "
        "have the same numbers.",
        ("check", "result"),
        _checks(_check_runs),
    ),
    OfVips(
        "vipd_transitions_total",
        "counter",
        "Changes of state, by the new state and the reason.",
        ("state", "reason"),
        _transitions,
    ),
    OfVips(
        "vipd_takeover_seconds",
        "histogram",
        "Phases of becoming master: silence until the decision; from there until the address was "
        "on the interface, until the announcement, until the first advertisement; and how long the "
        "script ran.",
        ("phase",),
        _takeover,
    ),
    OfVips(
        "vipd_master_heard_seconds",
        "gauge",
        "Time since a backup heard another host.",
        (),
        _master_heard,
    ),
    OfVips(
        "vipd_advertisements_sent_total",
        "counter",
        "Advertisements that left.",
        (),
        _counter("sent"),
    ),
    OfVips(
        "vipd_advertisements_unsent_total",
        "counter",
        "Advertisements that could not be sent.",
        (),
        _counter("unsent"),
    ),
    OfVips(
        "vipd_advertisements_received_total",
        "counter",
        "Valid advertisements of other hosts.",
        (),
        _counter("received"),
    ),
    OfVips(
        "vipd_advertisements_late_total",
        "counter",
        "Advertisements of the master that came later than it had announced.",
        (),
        _counter("late"),
    ),
    OfVips(
        "vipd_advertisements_missed_total",
        "counter",
        "Advertisements of the master that did not come at all, although it lived.",
        (),
        _counter("missed"),
    ),
    OfVips(
        "vipd_script_runs_total", "counter", "Scripts that ended.", ("script",), _scripts("scripts")
    ),
    OfVips(
        "vipd_script_failures_total",
        "counter",
        "Scripts that failed, ran out of time, or could not be started.",
        ("script",),
        _scripts("failed_scripts"),
    ),
    OfVips(
        "vipd_script_seconds_total",
        "counter",
        "Time that scripts ran for.",
        ("script",),
        _scripts("script_seconds"),
    ),
    OfVips(
        "vipd_notifications_lost_total",
        "counter",
        "Notifications that were dropped, because NOTIFY was too slow for them.",
        (),
        _lost_notifications,
    ),
    OfVips(
        "vipd_lease_renewals_total",
        "counter",
        "Renewals of the lease on the addresses.",
        (),
        _counter("renewals"),
    ),
    OfVips(
        "vipd_lease_lapses_total",
        "counter",
        "Times that the kernel took the addresses away because nothing renewed their lease.",
        (),
        _counter("lapses"),
    ),
    OfVips(
        "vipd_problems_total",
        "counter",
        "Complaints about what is around the VIP, by their code, as vipctl doctor has them; each "
        "is told once a minute while it lasts.",
        ("code",),
        _told,
    ),
    OfVips(
        "vipd_vip_failures_total",
        "counter",
        "Times that the VIP broke and had to be started again.",
        (),
        _failures,
    ),
    OfDaemon(
        "vipd_packets_dropped_total",
        "counter",
        "Packets that were not taken for an advertisement, by the reason. id and vhid are empty "
        "where they were for no VIP of this host. Of over 500 a second with a wrong TTL, version "
        "or type, one of 64 is read and counts for 64.",
        (*VIP_LABELS, "reason"),
        _drops,
    ),
    OfDaemon(
        "vipd_loop_late_seconds",
        "histogram",
        "How late the event loop was when something was due.",
        (),
        lambda daemon: [((), daemon.lateness)],
    ),
    OfDaemon(
        "vipd_reloads_total",
        "counter",
        "Times that the configuration files were read.",
        (),
        lambda daemon: [((), daemon.tally.reloads)],
    ),
    OfDaemon(
        "vipd_reloaded_vips_total",
        "counter",
        "What these did, in VIPs.",
        ("result",),
        _reloaded,
    ),
    OfDaemon(
        "vipd_config_problems",
        "gauge",
        "Problems in the configuration files, as vipctl check shows them.",
        ("severity",),
        _problems,
    ),
    OfDaemon(
        "vipd_log_lines_lost_total",
        "counter",
        "Log lines that nobody took in time.",
        (),
        lambda daemon: [((), daemon.lost_lines)],
    ),
    OfDaemon(
        "vipd_problems_unlogged_total",
        "counter",
        "Problems that were not logged, because there were too many at once; vipctl doctor shows "
        "all of them.",
        (),
        lambda daemon: [((), daemon.unlogged)],
    ),
    OfDaemon(
        "vipd_build_info",
        "gauge",
        "Always 1. What runs here.",
        ("version", "python"),
        lambda _: [((__version__, platform.python_version()), 1)],
    ),
)


def readings(daemon: DaemonView) -> Iterator[tuple[Family, Labels, Values | None]]:
    """All metrics, family by family: first the family without values, then the values of each
    subject, whose labels come first."""
    for family in FAMILIES:
        yield family, (), None
        if isinstance(family, OfDaemon):
            yield family, (), family.read(daemon)
        else:
            for view in daemon.vips:
                yield family, view.labels, family.read(view)
