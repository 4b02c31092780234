"""Compares the VIPs that run with those that are wanted: only this module starts and ends VIPs."""

import asyncio
import time
from collections.abc import Collection, Container, Iterator
from dataclasses import dataclass
from math import inf

from vipd.api.events import Kind
from vipd.api.io_vipd import Outcome, Result
from vipd.carp.machine import STEP_DOWN_HOLD
from vipd.carp.states import Reason, State
from vipd.config.model import VipConfig
from vipd.config.snapshot import Snapshot
from vipd.daemon.base import tasks
from vipd.daemon.events.hub import DAEMON, Subject
from vipd.daemon.health.verdict import Verdict
from vipd.daemon.log.logger import log
from vipd.daemon.vips.changes import InTheWay, clash, moves
from vipd.daemon.vips.interface import Interface
from vipd.daemon.vips.interfaces import Interfaces
from vipd.daemon.vips.ownerless import OwnerlessWatch
from vipd.daemon.vips.services import Services
from vipd.daemon.vips.standstill import Standstill
from vipd.daemon.vips.vip import VipRunner

#: Seconds before a VIP that failed is restarted: doubled each time, up to the second value, and
#: reset after it has run for that long.
_BACKOFF = (1.0, 60.0)
#: Seconds of a stall from which on it is logged.
_WORTH_A_LINE = 0.5


@dataclass(slots=True)
class Run:
    """A VIP that is wanted, whether it runs or waits to be restarted."""

    config: VipConfig
    interface: Interface
    task: asyncio.Task[None]
    vip: VipRunner | None = None
    trouble: str = ""  # why it does not run,
    broke_at: float = 0.0  # and since when (Unix time)
    ending: bool = False

    def change(self, config: VipConfig) -> None:
        """Change to another configuration without a restart of the VIP."""
        self.config = config
        if vip := self.vip:
            vip.guard(lambda: vip.change(config))


class Supervisor:
    """Keeps one task per configured VIP. A VIP that fails is logged and restarted."""

    def __init__(
        self, services: Services, loop: asyncio.AbstractEventLoop, maintenance: Container[str] = ()
    ) -> None:
        """``maintenance``: the IDs of VIPs that must not become master."""
        #: The VIPs that are wanted, by ID.
        self.runs: dict[str, Run] = {}
        self.interfaces = Interfaces(loop, services.links, services.shared)
        #: The longest stall of the event loop, seconds, and when that was (Unix time).
        self.late_worst = 0.0
        self.late_at: float | None = None
        self.stopping = False
        self.guard = services.guard
        self._services, self._loop = services, loop
        self._maintenance = maintenance
        #: VIPs that start when the VIPs that they conflict with have ended.
        self._successors: dict[str, asyncio.Task[None]] = {}
        self._holds: dict[str, float] = {}  # until when a VIP must not become master
        self._ownerless = OwnerlessWatch(self.vips, services.clock)
        services.timers.catch_up = self._catch_up
        self._standstill = Standstill(loop, services, self.vips)

    async def run(self, vip: VipConfig) -> None:
        """Run this VIP, which has no configuration files."""
        await self.apply(Snapshot((vip,), ()))

    async def stop(self) -> None:
        """Make every VIP hand over, and return when all have ended."""
        self.stopping = True
        self._ownerless.close()
        self._standstill.close()
        self._forget_successors()
        for run in list(self.runs.values()):
            self._end(run)
        if self.runs:
            await asyncio.wait([run.task for run in self.runs.values()])
        self.interfaces.close()

    def step_down_all(self) -> None:
        """Make every VIP hand over, and hold it as backup for a while (SIGUSR2)."""
        for identifier in self.runs:
            self.step_down(identifier, STEP_DOWN_HOLD, Reason.STEPPED_DOWN)

    def step_down(self, identifier: str, hold: float, reason: Reason) -> None:
        """Make a VIP hand over, and hold it as backup for ``hold`` seconds, also across its
        restart. (``inf`` is maintenance. It is not kept here across a restart, because it may be
        over by then.) Does nothing if the VIP is gone."""
        run = self.runs.get(identifier)
        if run and hold < inf:
            until = self._loop.time() + hold
            self._holds[identifier] = max(self._holds.get(identifier, -inf), until)
        if run and run.vip:
            run.vip.step_down(hold, reason)
        self._ownerless.watch()

    def resume(self, identifier: str) -> None:
        """End a hold."""
        self._holds.pop(identifier, None)
        run = self.runs.get(identifier)
        if run and run.vip:
            run.vip.resume()

    def _hold_of(self, identifier: str) -> float:
        """Until when a VIP that starts must not become master."""
        return inf if identifier in self._maintenance else self._holds.get(identifier, -inf)

    def log_states(self) -> None:
        """One line per VIP, as ucarp words it (SIGUSR1)."""
        for vip in self.vips():
            state = vip.machine.state.value
            about = vip.config.interface, vip.config.vhid
            vip.log.info("%s on %s id %d", state, *about, extra={"reason": "signal"})

    def vips(self) -> list[VipRunner]:
        """The VIPs that run now."""
        return [running.vip for running in self.runs.values() if running.vip]

    def wanted(self) -> Iterator[tuple[VipConfig, VipRunner | None]]:
        """All configured VIPs; None: the VIP failed, and waits to be restarted."""
        return ((running.config, running.vip) for running in self.runs.values())

    @property
    def settled(self) -> bool:
        """Whether every VIP listens, waits for something, or failed."""
        return all(
            running.vip.link.settled if running.vip else bool(running.trouble)
            for running in self.runs.values()
            if not running.ending
        )

    @property
    def failing(self) -> int:
        """How many VIPs failed, and wait to be restarted."""
        return len(self.runs) - len(self.vips())

    async def apply(self, snapshot: Snapshot) -> list[Outcome]:
        """Start, change and end VIPs as the files say; return the outcome for each VIP, by ID. If
        the directory could not be listed, everything stays as it is."""
        if not snapshot.listed:
            return [
                Outcome(run, Result.KEPT, "its files cannot be read") for run in sorted(self.runs)
            ]
        wanted = {config.id: config for config in snapshot.vips}
        keep = self._last_good(snapshot, wanted)
        results = dict.fromkeys(keep, (Result.KEPT, "its files have errors"))
        for number, (identifier, run) in enumerate(list(self.runs.items())):
            config = wanted.get(identifier)
            if identifier in keep or run.ending:
                continue
            if config is None:
                self._end(run)
                results[identifier] = (Result.STOPPED, "")
            elif config == run.config:
                results[identifier] = (Result.UNCHANGED, "")
            else:
                elsewhere = moves(run.config, config)
                what = ", ".join(run.config.differences(config))
                results[identifier] = (Result.RESTARTED if elsewhere else Result.CHANGED, what)
                if elsewhere:
                    self._end(run)
                else:
                    run.change(config)
                    _tell_group(run, self._services)
            if number % 32 == 31:
                await asyncio.sleep(0)  # advertisements are due in between
        self._forget_successors()
        in_the_way = InTheWay((run.config, run.task) for run in self.runs.values() if run.ending)
        for identifier, config in wanted.items():
            before = self.runs.get(identifier)
            if before is None or before.ending:
                results.setdefault(identifier, (Result.STARTED, ""))
                self._start_after(in_the_way.of(config), config)
        self._forget_interfaces()
        for identifier, why in snapshot.failed.items():
            results.setdefault(identifier, (Result.FAILED, f"line {why.line}: {why.message}"))
        return [Outcome(identifier, *results[identifier]) for identifier in sorted(results)]

    def _last_good(self, snapshot: Snapshot, wanted: dict[str, VipConfig]) -> set[str]:
        """The running VIPs that stay as they are, because their files cannot be read as a whole.

        A broken vip-common.conf does not change a VIP that runs: to apply half of it would be
        wrong. But a VIP whose own file has errors ends if it conflicts, in VHID or addresses, with
        one without errors.
        """
        keep = set()
        for identifier, running in self.runs.items():
            config = wanted.get(identifier)
            if config is None:
                others = [c for i, c in wanted.items() if i != identifier]
                stays = (
                    identifier in snapshot.failed or identifier in snapshot.ignored
                ) and not any(clash(running.config, other) for other in others)
            else:
                stays = snapshot.common_broken and config != running.config
            if stays:
                keep.add(identifier)
        return keep

    def _start_after(self, others: Collection[asyncio.Task[None]], config: VipConfig) -> None:
        """Start a VIP as soon as these have ended; the caller does not wait."""
        if others:
            task = tasks.start(self._succeed(others, config), f"VIP {config.id}, before its start")
            self._successors[config.id] = task
        else:
            self._start(config)

    async def _succeed(self, others: Collection[asyncio.Task[None]], config: VipConfig) -> None:
        await asyncio.wait(others)
        del self._successors[config.id]
        self._start(config)

    def _forget_successors(self) -> None:
        for task in self._successors.values():
            task.cancel()
        self._successors.clear()

    def _start(self, config: VipConfig) -> None:
        interface = self.interfaces.open(config.device)
        task = tasks.start(self._keep(config, interface), f"VIP {config.id}")
        self.runs[config.id] = Run(config, interface, task)

    async def _keep(self, config: VipConfig, interface: Interface) -> None:
        """One VIP's task: its runs, one after the other."""
        await asyncio.sleep(0)  # until this VIP is in self.runs
        running = self.runs[config.id]
        pause, longest = _BACKOFF
        while not running.ending:
            born = self._loop.time()
            hold_until = self._hold_of(config.id)
            if hold_until > self._loop.time():
                self._ownerless.watch()
            running.vip = VipRunner(running.config, interface, self._services, hold_until)
            running.trouble = ""
            try:
                await running.vip.run()
                return
            except Exception as error:  # a failing VIP must not affect the others
                if self._loop.time() - born > longest:
                    pause, _ = _BACKOFF
                next_life = "as it ended" if running.ending else f"starts again in {pause:g} s"
                running.trouble = f"failed: {type(error).__name__}: {error}; {next_life}"
                subject = Subject(config.id, config.vhid, config.interface, State.INIT)
                self._services.hub.publish(
                    subject,
                    Kind.FAILURE,
                    running.trouble,
                    level="error",
                    code=type(error).__name__,
                )
                log.debug("%s: where it failed", config.id, exc_info=True)
            running.vip, running.broke_at = None, time.time()
            _tell_group(running, self._services)
            if running.ending:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    def _end(self, run: Run) -> None:
        """Make a VIP hand over and end, without waiting; it stays in ``runs`` until it has
        ended."""
        if run.ending:
            return
        run.ending = True
        self._services.groups.forget(run.config.id)
        run.task.add_done_callback(lambda _: self._ended(run))
        if run.vip:
            run.vip.stop()
        else:
            run.task.cancel()

    def _ended(self, run: Run) -> None:
        del self.runs[run.config.id]
        self._forget_interfaces()

    def _forget_interfaces(self) -> None:
        self.interfaces.keep({running.config.device for running in self.runs.values()})

    def _catch_up(self, late: float) -> None:
        """The event loop stalled: read queued packets before anything is decided."""
        if late > self.late_worst:
            self.late_worst, self.late_at = late, time.time()
        if late > _WORTH_A_LINE:
            text = (
                f"event loop stalled for {late:.1f} s (SIGSTOP or CPU starvation); "
                "reading queued packets first"
            )
            self._services.hub.publish(DAEMON, Kind.LATE, text, level="error", code="late")
        self.interfaces.catch_up()


def _tell_group(run: Run, services: Services) -> None:
    """A VIP that failed cannot tell the others of its GROUP."""
    config = run.config
    if run.vip or run.ending:
        return
    if config.group and run.trouble:
        ailment = Verdict(False, services.clock(), run.trouble, "when it is master again")
        services.groups.tell(config.id, config.group, ailment)
    else:
        services.groups.forget(config.id)
