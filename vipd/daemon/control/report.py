"""The status of a VIP for the control socket: its `vipd.api.io_vipd.VipStatus`."""

import time
from collections.abc import Iterable, Iterator
from math import inf
from typing import Any

from vipd.api import io_vipd
from vipd.api.io_vipd import Problem
from vipd.carp.health import Health
from vipd.carp.machine import Machine
from vipd.carp.parameters import Parameters
from vipd.carp.rank import BOW_OUT, bows_out
from vipd.carp.situation import Heard
from vipd.carp.states import Mode, Reason, State
from vipd.carp.timing import grace, interval, master_down
from vipd.config.model import VipConfig
from vipd.config.problem import Problem as ConfigProblem
from vipd.daemon.control.findings import findings
from vipd.daemon.diagnosis.problems import RateLimitedProblem, RateLimitedProblems
from vipd.daemon.health.verdict import Reasons
from vipd.daemon.vips import sources
from vipd.daemon.vips.interface import Interface
from vipd.daemon.vips.ownerless import nobody_owns
from vipd.daemon.vips.vip import VipRunner

#: Seconds after which there should be a verdict of everything.
_DECIDED_AFTER = 60.0


def overdue(last: Heard, now: float, ours: Parameters) -> int:
    """How many advertisements are missing from the host that was heard last. Zero if it has sent
    its final advertisement."""
    ad = last.ad
    if bows_out(ad):
        return 0
    every = ours.interval_of(ad)
    return max(0, int((now - last.at - grace(every)) / every))


def of_vip(
    vip: VipRunner, interface: Interface, maintenance: bool, now: float
) -> io_vipd.VipStatus:
    """The status of a VIP that runs; ``now`` on the loop's clock."""
    config, machine = vip.config, vip.machine
    ours, outlook = machine.parameters, machine.outlook(now)
    running = vip.scripts.running
    return io_vipd.VipStatus(
        **_settings(config),
        state=machine.state,
        mode=outlook.mode,
        reason=vip.transitions.last.reason,
        since=vip.transitions.since,
        event=vip.transitions.event,
        source=str(ours.source) if int(ours.source) else None,
        source_ipv6=next((str(each) for each in ours.sources if each.version == 6), None),
        effective_advskew=BOW_OUT[1] if machine.leaving else ours.advertised[1],
        interval=ours.interval,
        master_down=ours.master_down,
        waiting_for=vip.link.waiting_for,
        maintenance=maintenance,
        problems=list(problems_of(vip, interface, now)),
        health=vip.health.health,
        findings=list(findings(vip.health, now)),
        ails=vip.group.ails,
        heard=_heard(machine, now),
        signers=[
            io_vipd.Signer(str(each.source), each.signs_with, now - each.at)
            for each in vip.advertiser.passwords.signers
        ],
        takeover_in=_left(outlook.takeover_at, now),
        takeover_reason=outlook.takeover_reason,
        hold_left=_left(outlook.hold_until, now),
        modest_left=_left(outlook.no_preempt_until, now),
        mute=machine.last_send_failed,
        lease_left=_left(vip.owned.lease_until, now),
        sent=vip.counters.sent,
        received=vip.counters.received,
        missed=vip.counters.missed,
        script_running=running[0].value if running else None,
        script_seconds=now - running[1] if running else None,
        script_last=vip.scripts.last,
        script_failed=vip.scripts.failed,
    )


def of_broken(config: VipConfig, maintenance: bool, why: str, since: float) -> io_vipd.VipStatus:
    """The status of a VIP that does not run: it failed, or has not started. ``why`` is the reason,
    ``since`` a Unix time."""
    return io_vipd.VipStatus(
        **_settings(config),
        state=State.INIT,
        mode=Mode.INIT,
        reason=Reason.STOPPED,
        since=since,
        event=0,
        source=str(config.source) if config.source else None,
        source_ipv6=str(config.source_ipv6) if config.source_ipv6 else None,
        effective_advskew=config.advskew,
        interval=interval(config.advbase, config.advskew),
        master_down=master_down(config.advbase, config.advskew, config.deadratio),
        waiting_for=why,
        maintenance=maintenance,
        problems=[failure(config, why, since)] if why else [],
        health=Health.UNKNOWN if config.checks else Health.WELL,
        findings=[],
        ails=why if config.group else "",
        heard=None,
        signers=[],
        takeover_in=None,
        takeover_reason=None,
        hold_left=None,
        modest_left=None,
        mute=False,
        lease_left=None,
        sent=0,
        received=0,
        missed=0,
        script_running=None,
        script_seconds=None,
        script_last=None,
        script_failed=None,
    )


def failure(config: VipConfig, why: str, since: float) -> Problem:
    """The problem of a VIP that failed; ``since`` is a Unix time."""
    return _standing("failed", config, why, since)


def problems_of(vip: VipRunner, interface: Interface, now: float) -> Iterator[Problem]:
    """All problems of a VIP, now or a short while ago."""
    config = vip.config
    if why := nobody_owns(vip, now):
        yield _standing("nobody", config, why, vip.transitions.since)
    if missing := vip.addresses.missing_text():
        yield _standing("no_address", config, missing, vip.transitions.since)
    if vip.link.waiting_for:
        yield _standing("waiting", config, vip.link.waiting_for, vip.transitions.since)
    for name, verdict in vip.health.failing.items():
        since = time.time() - (now - verdict.since)
        yield _standing("sick", config, f"sick: {name}: {verdict.said}", since)
    for text, since in undecided(vip.health.reasons, now):
        yield _standing("no_verdict", config, text, time.time() - (now - since))
    if vip.scripts.failed:
        run = vip.scripts.failed
        how = "could not be run" if run.status is None else f"failed with status {run.status}"
        yield _standing(
            "script_failed", config, f"{run.which} {how}; see the log", vip.transitions.since
        )
    if vip.notices.trouble and config.notify:
        yield _standing("notify", config, vip.notices.trouble, vip.notices.since)
    yield from of_complaints(vip.complaints, config.id, config.interface)
    yield from of_complaints(interface.complaints, config.id, config.interface, config.vhid)


def undecided(reasons: Reasons, now: float) -> Iterator[tuple[str, float]]:
    """What there is no verdict of although it should be known by now, and since when."""
    for name, verdict in reasons.items():
        if verdict.well is None and now - verdict.since > _DECIDED_AFTER:
            said = f": {verdict.said}" if verdict.said else ""
            yield f"{name} still has no verdict, so this host preempts nobody{said}", verdict.since


def of_complaints(
    complaints: RateLimitedProblems, identifier: str, interface: str, vhid: int | None = None
) -> Iterator[Problem]:
    """The problems that ``complaints`` remember; only those of ``vhid``, if it is given."""
    lag = time.time() - complaints.clock()
    for complaint in complaints.current():
        if vhid is None or complaint.vhid == vhid:
            yield _problem(complaint, identifier, interface, lag)


def of_files(problems: Iterable[ConfigProblem], since: float) -> Iterator[Problem]:
    """The problems in the files, since they were read."""
    for problem in problems:
        yield Problem(
            code="configuration",
            severity="error" if problem.severity.value == "error" else "warning",
            id="",
            interface="",
            text=problem.message,
            hint=problem.hint,
            file=problem.file,
            line=problem.line,
            column=problem.column,
            since=since,
            last=since,
            count=1,
        )


def _settings(config: VipConfig) -> dict[str, Any]:
    return {
        "id": config.id,
        "file": config.file,
        "vhid": config.vhid,
        "interface": config.interface,
        "addresses": [str(address) for address in config.addresses],
        "extra_addresses": [str(extra) for extra in config.extra_addresses],
        "advbase": config.advbase,
        "advskew": config.advskew,
        "deadratio": config.deadratio,
        "preempt": config.preempt,
        "nomcast": config.nomcast,
        "peers": None if config.peers is None else [str(peer) for peer in config.peers],
        "password_also": config.password_also is not None,
        "manages_address": config.manages_address,
        "upscript": config.upscript,
        "downscript": config.downscript,
        "lease": config.lease_seconds,
        "preempt_delay": config.preempt_delay,
        "listen_first": config.listen_first,
        "demote_by": sources.demote_by(config),
        "group": config.group,
    }


def _heard(machine: Machine, now: float) -> io_vipd.Heard | None:
    """The master that a backup follows; else the host that was heard last."""
    backup = machine.state is State.BACKUP
    master = machine.peers.best(now) if backup else None
    last = Heard(master.ad, master.at) if master else machine.heard
    if last is None:
        return None
    ad, ours = last.ad, machine.parameters
    lives = now - last.at < max(ours.master_down, ours.interval_of(ad))
    return io_vipd.Heard(
        address=str(ad.source),
        advbase=ad.advbase,
        advskew=ad.advskew,
        demotion=ad.demotion,
        ago=now - last.at,
        followed=backup and lives and not bows_out(ad),
        missing=overdue(last, now, ours) if backup else 0,
    )


def _left(until: float | None, now: float) -> float | None:
    return None if until is None or until == inf else max(0.0, until - now)


def _standing(code: str, config: VipConfig, text: str, since: float) -> Problem:
    """A problem that lasts until it is solved."""
    return Problem(
        code, "warning", config.id, config.interface, text, "", "", 0, 0, since, time.time(), 1
    )


def _problem(complaint: RateLimitedProblem, identifier: str, interface: str, lag: float) -> Problem:
    return Problem(
        complaint.code,
        "error" if complaint.level == "error" else "warning",
        identifier,
        interface,
        complaint.text,
        "",
        "",
        0,
        0,
        complaint.since + lag,
        complaint.last + lag,
        complaint.count,
    )
