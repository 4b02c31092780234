"""Hand-overs on request: begin them, wait for them, and report their outcome."""

import asyncio
from collections.abc import Container, Sequence
from math import inf

from vipd.api.io_vipd import Handover
from vipd.carp.master import LEAVE_AT_MOST
from vipd.carp.rank import bows_out
from vipd.carp.states import Reason, State
from vipd.daemon.control.connections import Turns
from vipd.daemon.vips.supervisor import Run, Supervisor

#: Seconds between two checks whether a VIP has handed over.
_LOOK = 0.02


async def hand_over(
    supervisor: Supervisor,
    turns: Turns,
    maintenance: Container[str],
    runs: Sequence[Run],
    hold: float,
    reason: Reason,
) -> list[Handover]:
    """Make these VIPs hand over, and hold them as backup for ``hold`` seconds (``inf``: as long as
    they are in ``maintenance``). Returns when each has handed over, or could not."""
    loop = asyncio.get_running_loop()
    begun: list[tuple[Run, State, float]] = []
    for run in runs:
        async with turns.turn():
            begun.append((run, state_of(run), loop.time()))
            if hold < inf or run.config.id in maintenance:  # maintenance may have ended
                supervisor.step_down(run.config.id, hold, reason)
    handovers = []
    for run, before, at in begun:
        while run.vip and run.vip.machine.leaving and loop.time() < at + LEAVE_AT_MOST + 1:
            await asyncio.sleep(_LOOK)
        handovers.append(_outcome(run, before, at))
    return handovers


def unchanged(run: Run) -> Handover:
    """Nothing was handed over."""
    return Handover(run.config.id, state_of(run), state_of(run), None, 0.0)


def _outcome(run: Run, before: State, at: float) -> Handover:
    after, heard = state_of(run), run.vip.machine.heard if run.vip else None
    if before is not State.MASTER or after is State.MASTER or run.vip is None:
        return Handover(run.config.id, before, after, None, 0.0)
    took_over = heard and heard.at >= at and not bows_out(heard.ad)
    successor = str(heard.ad.source) if heard and took_over else None
    return Handover(
        run.config.id, before, after, successor, max(0.0, run.vip.transitions.decided - at)
    )


def state_of(run: Run) -> State:
    """The state; INIT for a VIP that failed."""
    return run.vip.machine.state if run.vip else State.INIT
