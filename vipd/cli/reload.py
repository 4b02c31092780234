"""`vipctl reload`: read the files again, and show what that changed for each virtual IP."""

import sys
from pathlib import Path

import click

from vipd.api.io_vipd import Outcome, Reloaded, Result
from vipd.cli.client import ATTENTION, FINE, run
from vipd.cli.problems import told
from vipd.cli.settings import runtime_dir_option, settings
from vipd.cli.text import Colour, coloured, counted, paint, safe, write

_COLOURS = {Result.KEPT: Colour.WARNING, Result.FAILED: Colour.BAD, Result.STARTED: Colour.GOOD}


@click.command("reload")
@runtime_dir_option
def command(runtime_dir: Path | None) -> None:
    """Make the daemon read its files again, and show what that changed.

    The daemon notices changes by itself; this command waits until they are applied. A file that
    is gone counts as removed at once, instead of after 2 s.

    Exit status: 0 all files were applied, 1 something in them is wrong, 2 the daemon cannot be
    reached.
    """
    reloaded = run(settings(runtime_dir=runtime_dir), lambda client: client.reload())
    write(lines(reloaded, coloured(sys.stdout)))
    sys.exit(status(reloaded))


def status(reloaded: Reloaded) -> int:
    """The exit status."""
    kept = any(each.result in (Result.KEPT, Result.FAILED) for each in reloaded["outcomes"])
    return ATTENTION if kept or reloaded["problems"] else FINE


def lines(reloaded: Reloaded, colours: bool) -> list[str]:
    """What changed, how many did not, and what is wrong in the files."""
    outcomes = reloaded["outcomes"]
    changed = [each for each in outcomes if each.result is not Result.UNCHANGED]
    same = len(outcomes) - len(changed)
    out = [_line(each, colours) for each in changed]
    if same or not out:
        out.append(f"{counted(same, 'VIP')} {'is' if same == 1 else 'are'} as before.")
    return out + [told(each, colours) for each in reloaded["problems"]]


def _line(outcome: Outcome, colours: bool) -> str:
    result = paint(outcome.result.value, _COLOURS.get(outcome.result, Colour.PLAIN), colours)
    why = f" ({safe(outcome.why)})" if outcome.why else ""
    return f"{safe(outcome.id)}: {result}{why}"
