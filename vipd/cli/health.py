"""In sentences: what ails a virtual IP on this host, and what would end that."""

import time
from collections.abc import Iterator

from vipd.api.io_vipd import CheckRuns, Finding, VipStatus
from vipd.carp.health import Health
from vipd.cli.text import counted, safe, span


def sentences(vip: VipStatus, now: float) -> Iterator[str]:
    """A paragraph for each check or tracked thing that is not well; `now`: Unix time."""
    if vip.health is Health.SICK:
        yield f"This host is sick for it. {_consequence(vip)}"
    for finding in vip.findings:
        if finding.well is False:
            yield f"{_failed(finding, now)} {_end(finding, now)}".rstrip()
        elif finding.well is None:
            yield _unknown(finding)
        elif finding.check and finding.check.last == "failed":
            yield _failing(finding, finding.check)
    if vip.ails:
        yield (
            f"For the others of its group {safe(vip.group)} on this host that is a reason to be "
            f"sick, too: {safe(vip.ails)}."
        )


def _consequence(vip: VipStatus) -> str:
    if vip.demote_by:
        return (
            f"It advertises advskew {vip.effective_advskew} for that (DEMOTE_BY), and hosts with "
            "--preempt and less than that take over."
        )
    return (
        "As master it asks every healthy host to take over, with or without --preempt; as backup "
        "it takes over only when nobody else does, and preempts nobody."
    )


def _failed(finding: Finding, now: float) -> str:
    said = f": {safe(finding.said)}" if finding.said else ""
    since = f"{_clock(finding.since)}, {span(now - finding.since)} ago"
    if finding.name.startswith("group:"):
        return f"{safe(finding.name)}: another VIP of its group ails since {since}{said}."
    return f"{safe(finding.name)} has failed since {since}{said}."


def _end(finding: Finding, now: float) -> str:
    """What would make it well again, and when."""
    check = finding.check
    if check is None:
        return f"It is well again {safe(finding.ends)}." if finding.ends else ""
    if check.last is None:
        return "It is not run: vipctl check tells what cures that; then vipctl reload."
    if check.last_said != finding.said:
        last = f"Its last run, {span(check.last_ago or 0.0)} ago: {safe(check.last_said)}. "
    else:
        last = ""
    runs = f"after {counted(check.needed, 'more good run')}, one every {check.interval:g} s"
    if not check.needed:
        runs = "with its next good run"
    held = ""
    if check.held_left:
        until = _clock(now + check.held_left)
        held = f", and not before {until}, in {span(check.held_left)} (CHECK_HOLD)"
    return f"{last}It is well again {runs}{held}."


def _unknown(finding: Finding) -> str:
    """It has no verdict yet."""
    told = f"{safe(finding.name)} has no verdict yet"
    if finding.check and finding.check.last_said:
        told += f"; its last run: {safe(finding.check.last_said)}"
    elif finding.said:
        told += f": {safe(finding.said)}"
    return f"{told}. Until it has, this host preempts nobody."


def _failing(finding: Finding, check: CheckRuns) -> str:
    """Its last runs failed, but not enough of them."""
    return (
        f"{safe(finding.name)} is about to fail, with {counted(check.needed, 'more failed run')}: "
        f"{safe(check.last_said)}."
    )


def _clock(at: float) -> str:
    """Unix time as local time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
