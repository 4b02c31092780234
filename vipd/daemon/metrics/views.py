"""What the metrics see: the VIPs and the daemon at one moment."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from vipd.carp.packet import Drop
from vipd.config.model import VipConfig
from vipd.config.problem import Problem
from vipd.daemon.control.maintenance import Maintenance
from vipd.daemon.diagnosis.log_budget import LogBudget
from vipd.daemon.events.counters import Histogram
from vipd.daemon.events.tally import Tally, VipTally
from vipd.daemon.files.reload import Reload
from vipd.daemon.log.outlet import Outlet
from vipd.daemon.vips.supervisor import Supervisor
from vipd.daemon.vips.timers import Timers
from vipd.daemon.vips.vip import VipRunner

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VipView:
    """One VIP, as the metrics see it: ``vip`` is None while it waits to be restarted."""

    config: VipConfig
    vip: VipRunner | None
    tally: VipTally
    maintenance: bool
    now: float  # on the loop's clock

    @property
    def labels(self) -> Labels:
        return (self.config.id, str(self.config.vhid), self.config.interface)


@dataclass(frozen=True, slots=True)
class DaemonView:
    """The daemon, as the metrics see it. ``drops`` by interface, then by VHID (0: a group that does
    not run here)."""

    vips: tuple[VipView, ...]
    drops: Mapping[str, Mapping[tuple[int, Drop], int]]
    problems: frozenset[Problem]
    tally: Tally
    lateness: Histogram
    lost_lines: int
    unlogged: int


def look(
    supervisor: Supervisor,
    reload: Reload,
    maintenance: Maintenance,
    tally: Tally,
    timers: Timers,
    outlet: Outlet,
    budget: LogBudget,
) -> DaemonView:
    """The daemon as it is now."""
    now = asyncio.get_running_loop().time()
    return DaemonView(
        tuple(
            VipView(config, vip, tally.vips[config.id], config.id in maintenance, now)
            for config, vip in supervisor.wanted()
        ),
        {interface.name: interface.dropped.counts for interface in supervisor.interfaces.values()},
        reload.problems,
        tally,
        timers.lateness,
        outlet.lost,
        budget.unlogged,
    )
