"""A problem that the daemon reports, on one line."""

from vipd.api.io_vipd import Problem
from vipd.cli.text import Colour, paint, safe


def told(problem: Problem, colours: bool) -> str:
    """“001: two masters: …”, or “/etc/ucarp/vip-001.conf:3:1: error: …; cure”."""
    if problem.file:
        who = f"{safe(problem.file)}:{problem.line}:{problem.column}"
    else:
        who = safe(problem.id or problem.interface or "vipd")
    colour = Colour.BAD if problem.severity == "error" else Colour.WARNING
    return f"{who}: {paint(problem.severity, colour, colours)}: {text(problem)}"


def text(problem: Problem) -> str:
    """What is wrong, and the cure."""
    what, cure = safe(problem.text), safe(problem.hint)
    return f"{what}; {cure}" if cure else what
