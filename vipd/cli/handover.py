"""What `vipctl demote` and `vipctl maintenance` print for each virtual IP."""

from collections.abc import Sequence

from vipd.api.io_vipd import Handover
from vipd.carp.states import State
from vipd.cli.client import ATTENTION, FINE
from vipd.cli.text import milliseconds, safe, span


def told(handover: Handover, then: str) -> str:
    """One line; `then` says what holds from now on: “stays backup for 60 s”."""
    who = safe(handover.id)
    if handover.before is not State.MASTER:
        return f"{who}: was {handover.before.value} already; {then}"
    if handover.successor:
        took = milliseconds(handover.seconds)
        return f"{who}: handed over to {safe(handover.successor)} within {took}; {then}"
    if handover.after is State.MASTER:
        return f"{who}: is still MASTER, nothing was done"
    return (
        f"{who}: nobody took over within {span(handover.seconds)}, so that no host owns the "
        f"address; {then}. See whether vipd or ucarp runs on the other hosts"
    )


def status(handovers: Sequence[Handover]) -> int:
    """The exit status: 1 if no host took over an address."""
    lost = any(each.before is State.MASTER and not each.successor for each in handovers)
    return ATTENTION if lost else FINE
