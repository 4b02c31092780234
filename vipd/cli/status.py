"""`vipctl status`: every virtual IP at a glance, and what needs attention."""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from vipd.api.io_vipd import Problem, VipStatus, plain
from vipd.carp.health import Health
from vipd.carp.states import Mode, State
from vipd.cli.attention import attention, master_of
from vipd.cli.client import ATTENTION, FINE, Client, run
from vipd.cli.problems import told
from vipd.cli.settings import ids_argument, json_option, runtime_dir_option, settings
from vipd.cli.text import STATES, Cell, Colour, coloured, counted, paint, safe, span, table, write
from vipd.cli.two_passwords import sentence

HEADINGS = (
    "ID",
    "ADDRESS",
    "IFACE",
    "STATE",
    "SINCE",
    "MASTER",
    "TIMING",
    "HEARD",
    "SKEW",
    "LEASE",
    "",
)


@dataclass(frozen=True, slots=True)
class Report:
    """The daemon's answers: VIPs, and the problems that belong to none of these VIPs.

    `now` is Unix time.
    """

    vips: tuple[VipStatus, ...]
    problems: tuple[Problem, ...]
    now: float

    @property
    def needing(self) -> list[VipStatus]:
        """The VIPs that need attention."""
        return [vip for vip in self.vips if attention(vip)]

    @property
    def status(self) -> int:
        """The exit status."""
        return ATTENTION if self.needing or self.problems else FINE


@click.command("status")
@ids_argument
@json_option
@runtime_dir_option
def command(ids: tuple[str, ...], as_json: bool, runtime_dir: Path | None) -> None:
    """Show the state of every virtual IP, or of these.

    TIMING is the master's advertisement interval, advbase+advskew/256 seconds; HEARD is how long
    ago it last advertised. SKEW is this host's present advskew. LEASE is the time after which the
    kernel removes the address if vipd does not run. A VIP is SICK while a check of it has failed
    on this host. The types of the JSON are those of io.vipd(7).

    Exit status: 0 no problem, 1 something needs attention, 2 the daemon cannot be reached. The
    first line is a summary, so that the command serves as a Nagios check.
    """
    report = run(settings(runtime_dir=runtime_dir), lambda client: fetch(client, list(ids)))
    if as_json:
        write([json.dumps(as_object(report), default=plain)])
    else:
        write(lines(report, coloured(sys.stdout)))
    sys.exit(report.status)


async def fetch(client: Client, ids: list[str]) -> Report:
    """Ask for it. With `ids`, only the problems of these VIPs count."""
    vips = await client.vips(ids or None)
    known = {vip.id for vip in vips}
    problems = [] if ids else [each for each in await client.problems() if each.id not in known]
    return Report(tuple(vips), tuple(problems), time.time())


def as_object(report: Report) -> dict[str, Any]:
    """For programs: the daemon's answer, and whether it needs attention."""
    vips = [_with_attention(vip) for vip in report.vips]
    return {"status": report.status, "vips": vips, "problems": report.problems}


def _with_attention(vip: VipStatus) -> dict[str, Any]:
    told = plain(vip)
    assert isinstance(told, dict)
    return {**told, "attention": attention(vip)}


def lines(report: Report, colours: bool) -> list[str]:
    """All that is printed: a line that sums up, the table, and what needs attention."""
    out = [summary(report, colours)]
    if report.vips:
        out += ["", *table(HEADINGS, [row(vip, report.now) for vip in report.vips], colours)]
    out += passwords(report)
    told_of = alerts(report, colours)
    return [*out, "", *told_of] if told_of else out


def passwords(report: Report) -> list[str]:
    """The VIPs whose password is being changed, one line each."""
    told = [f"{safe(vip.id)}: {text}" for vip in report.vips if (text := sentence(vip))]
    return ["", *told] if told else []


def alerts(report: Report, colours: bool) -> list[str]:
    """What needs attention, one line each."""
    mark = paint("!", Colour.WARNING, colours)
    found = [f"{safe(vip.id)}: {why}" for vip in report.needing for why in attention(vip)]
    found += [told(each, colours) for each in report.problems]
    return [f"{mark} {each}" for each in found]


def summary(report: Report, colours: bool) -> str:
    """One line, for a glance and for Nagios: “OK: 2 VIPs, 1 MASTER, 1 BACKUP”."""
    states = [
        f"{number} {state.value}"
        for state in (State.MASTER, State.BACKUP, State.INIT)
        if (number := sum(vip.state is state for vip in report.vips))
    ]
    if sick := sum(vip.health is Health.SICK for vip in report.vips):
        states.append(f"{sick} SICK")
    maintained = sum(vip.maintenance for vip in report.vips)
    if maintained:
        states.append(f"{maintained} in maintenance")
    text = ", ".join((counted(len(report.vips), "VIP"), *states))
    if report.status == FINE:
        return f"{paint('OK', Colour.GOOD, colours)}: {text}"
    names = [vip.id for vip in report.needing]
    names += sorted({each.id or each.interface or "vipd" for each in report.problems})
    shown = ", ".join(map(safe, names[:5])) + (" …" if len(names) > 5 else "")
    return f"{paint('ATTENTION', Colour.WARNING, colours)} ({shown}): {text}"


def row(vip: VipStatus, now: float) -> tuple[Cell | str, ...]:
    """One line of the table."""
    heard, master = vip.heard, master_of(vip)
    others = heard if heard and master else None
    silent = others is not None and others.missing > 0
    troubles = len(attention(vip))
    return (
        safe(vip.id),
        addresses(vip),
        safe(vip.interface),
        state(vip),
        span(now - vip.since, short=True),
        owner(vip),
        timing(others) if others else "",
        Cell(span(others.ago, short=True), Colour.WARNING if silent else Colour.PLAIN)
        if others
        else "",
        str(vip.effective_advskew),
        span(vip.lease_left, short=True) if vip.lease_left is not None else "–",
        Cell(f"! {troubles}" if troubles else "", Colour.WARNING),
    )


def addresses(vip: VipStatus) -> str:
    """The first address, without a length that says nothing, and how many more there are."""
    first = safe(vip.addresses[0]).removesuffix("/32").removesuffix("/128")
    more = len(vip.addresses) + len(vip.extra_addresses) - 1
    return f"{first} +{more}" if more else first


def owner(vip: VipStatus) -> str:
    """The master, as far as this host knows it."""
    return "this host" if vip.state is State.MASTER else safe(master_of(vip) or "–")


def state(vip: VipStatus) -> Cell:
    """The state, with any special condition."""
    words = [vip.state.value]
    if vip.health is Health.SICK:
        words.append("SICK")
    if vip.mode is Mode.LEAVING:
        words.append("leaving")
    if vip.maintenance:
        words.append("maintenance")
    elif vip.hold_left is not None:
        words.append(f"held {span(vip.hold_left, short=True)}")
    return Cell(" ".join(words), Colour.BAD if vip.health is Health.SICK else STATES[vip.state])


def timing(heard: Any) -> str:
    """How often a host advertises, as `vipctl check` writes it: advbase+advskew."""
    return f"{heard.advbase}+{heard.advskew}"
