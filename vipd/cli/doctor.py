"""`vipctl doctor`: everything suspicious, with the cure. Changes nothing."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from vipd.api.io_vipd import Daemon, Problem, VipStatus
from vipd.cli import examine, tracked
from vipd.cli.client import ATTENTION, FINE, PATIENCE, Client, CommandError, ask
from vipd.cli.finding import Finding
from vipd.cli.paths import Settings
from vipd.cli.settings import config_dir_option, runtime_dir_option, settings
from vipd.cli.text import Colour, coloured, counted, paint, safe, write
from vipd.cli.two_passwords import old_ones


@dataclass(frozen=True, slots=True)
class _Answers:
    """Everything that the daemon reports."""

    vips: list[VipStatus]
    problems: list[Problem]
    daemon: Daemon


@click.command("doctor")
@config_dir_option
@runtime_dir_option
def command(config_dir: Path | None, runtime_dir: Path | None) -> None:
    """Look for problems, and show the cure for each.

    Checks the files and their permissions, what the daemon heard from other hosts (digests that
    do not verify, two masters), settings of the kernel, capabilities, the clock. Changes nothing.

    Exit status: 0 no problem found, 1 problems found, 2 the daemon cannot be reached.
    """
    where = settings(config_dir, runtime_dir)
    status = FINE
    try:
        answers = ask(where, _questions, PATIENCE)
    except CommandError as error:
        status = error.status
        found = [Finding("vipd", error.message, error.hint, serious=True), *_without_daemon(where)]
        looked = "the files, and the settings of this host as far as can be told without vipd"
    else:
        found = _with_daemon(answers, where)
        vips, files = len(answers.vips), len(answers.daemon["files"])
        looked = (
            f"{counted(vips, 'VIP')}, {counted(files, 'file')}, what was heard from other hosts, "
            "the kernel's settings, and the clock"
        )
    write(_lines(found, looked, coloured(sys.stdout)))
    sys.exit(status or (ATTENTION if found else FINE))


async def _questions(client: Client) -> _Answers:
    return _Answers(await client.vips(), await client.problems(), await client.describe())


def _with_daemon(answers: _Answers, where: Settings) -> list[Finding]:
    now = time.time()
    vips = answers.vips
    return [
        *map(_told, answers.problems),
        *examine.owners(vips),
        *examine.lonely(vips, now),
        *old_ones(vips),
        *examine.interfaces(vips),
        *examine.subnets(vips),
        *_missing(vips),
        *examine.files(answers.daemon["files"]),
        *examine.daemon(answers.daemon, now),
        *examine.clock(where.runtime_dir, now),
    ]


def _told(problem: Problem) -> Finding:
    place = f"{problem.file}:{problem.line}:{problem.column}" if problem.file else ""
    who = safe(place or problem.id or problem.interface or "vipd")
    return Finding(who, safe(problem.text), safe(problem.hint), problem.severity == "error")


def _missing(vips: list[VipStatus]) -> Iterator[Finding]:
    names = (finding.name for vip in vips for finding in vip.findings)
    for name, what, cure in tracked.missing(names):
        yield Finding(safe(name), safe(what), safe(cure))


def _without_daemon(where: Settings) -> list[Finding]:
    # Only here: it takes longer than everything else.
    from vipd.cli.check import surroundings
    from vipd.config.load import load
    from vipd.config.problem import Severity

    snapshot = load(where.config_dir)
    problems = (*snapshot.problems, *surroundings(snapshot, where.config_dir))
    return [
        *(
            Finding(
                f"{each.file}:{each.line}:{each.column}",
                each.message,
                each.hint,
                each.severity is Severity.ERROR,
            )
            for each in problems
        ),
        *examine.files(snapshot.files),
        *examine.clock(where.runtime_dir, time.time()),
    ]


def _lines(found: list[Finding], looked: str, colours: bool) -> list[str]:
    """The serious ones first."""
    out = []
    for each in sorted(found, key=lambda finding: not finding.serious):
        mark = (
            paint("!!", Colour.BAD, colours)
            if each.serious
            else paint("! ", Colour.WARNING, colours)
        )
        out.append(f"{mark} {paint(each.who, Colour.BOLD, colours)}: {each.what}")
        if each.cure:
            out.append(f"   → {each.cure}")
    if found:
        return [*out, "", f"{counted(len(found), 'finding')}. Looked at {looked}."]
    return [f"Nothing suspicious. Looked at {looked}."]
