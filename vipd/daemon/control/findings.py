"""What the checks of a VIP say, for the control socket."""

import time
from collections.abc import Iterator

from vipd.api.io_vipd import CheckRuns, Finding
from vipd.daemon.health.checks import CheckRunner, Result
from vipd.daemon.health.verdict import Verdict
from vipd.daemon.vips.vip_health import VipHealth


def findings(health: VipHealth, now: float) -> Iterator[Finding]:
    """What each source says, by name; ``now`` on the loop's clock."""
    reasons = health.reasons
    for name, (source, vips) in sorted(health.sources.items()):
        runs = _runs(source, vips, now) if isinstance(source, CheckRunner) else None
        yield _finding(name, reasons[name], runs, now)


def _finding(name: str, verdict: Verdict, runs: CheckRuns | None, now: float) -> Finding:
    since = time.time() - (now - verdict.since)
    return Finding(name, verdict.well, since, verdict.said, verdict.ends, runs)


def _runs(source: CheckRunner, vips: int, now: float) -> CheckRuns:
    check, judgement, last = source.check, source.judgement, source.last
    held = judgement.well is False and judgement.held_until > now
    return CheckRuns(
        command=list(check.command),
        user=check.user,
        interval=check.interval,
        timeout=check.timeout,
        fall=check.fall,
        rise=check.rise,
        ok=source.runs[Result.OK],
        failed=source.runs[Result.FAILED],
        none=source.runs[Result.NONE],
        last=last.result.value if last else None,
        last_said=last.said if last else "",
        last_ago=now - last.at if last else None,
        last_seconds=last.seconds if last else None,
        needed=judgement.needed,
        held_left=judgement.held_until - now if held else None,
        vips=vips,
    )
