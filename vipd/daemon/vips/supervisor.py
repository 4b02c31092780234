"""Wanted against running: the only one that starts and ends VIPs."""

import asyncio
import time
from collections.abc import Callable, Collection, Container, Iterable, Iterator
from dataclasses import dataclass
from math import inf

from vipd.api.events import Kind
from vipd.api.io_vipd import Outcome, Result
from vipd.carp.machine import STEP_DOWN_HOLD, Reason, State
from vipd.config.load import Snapshot
from vipd.config.model import VipConfig
from vipd.daemon.base import tasks
from vipd.daemon.events.hub import DAEMON, Subject
from vipd.daemon.log.logger import log
from vipd.daemon.vips.interface import Interface
from vipd.daemon.vips.ownerless import OwnerlessWatch
from vipd.daemon.vips.services import Services
from vipd.daemon.vips.vip import VipRunner

#: Seconds before a VIP that broke is started again: doubled each time, up to the second value,
#: and forgotten after it has run for that long.
_BACKOFF = (1.0, 60.0)
#: A delay that an administrator should know of, seconds.
_WORTH_A_LINE = 0.5
#: Seconds until the kernel is asked again how the interfaces are, after it refused to tell.
_LOOK_AGAIN = 0.5


@dataclass(slots=True)
class Run:
    """A VIP that is wanted, whether it lives at the moment or waits to be started again."""

    config: VipConfig
    interface: Interface
    task: asyncio.Task[None]
    vip: VipRunner | None = None
    trouble: str = ""  # why it does not live,
    broke_at: float = 0.0  # and since when (Unix time)
    ending: bool = False

    def change(self, config: VipConfig) -> None:
        """Go on with another configuration, without a new life."""
        self.config = config
        if self.vip:
            self.vip.change(config)


class Supervisor:
    """Keeps one task per configured VIP. One VIP's failure is its own: logged, and retried."""

    def __init__(
        self,
        services: Services,
        loop: asyncio.AbstractEventLoop,
        maintenance: Container[str] = (),
    ) -> None:
        """``maintenance``: the IDs of VIPs that are not to be master."""
        #: The VIPs that are wanted, by ID, and the interfaces that they are on, by name.
        self.runs: dict[str, Run] = {}
        self.interfaces: dict[str, Interface] = {}
        #: The longest time for which we did not run, seconds, and when that was (Unix time).
        self.late_worst = 0.0
        self.late_at: float | None = None
        self.stopping = False
        #: Called with the number of an interface that went, or was set down, before VIPs know.
        self.went_down: Callable[[int], None] = lambda _index: None
        self._links = services.links
        self._look: asyncio.TimerHandle | None = None  # at the interfaces, once more
        self._blind = False  # the kernel refuses to tell how they are
        self._services = services
        self._loop = loop
        self._maintenance = maintenance
        #: Those that begin to live when what is in their way has ended.
        self._successors: dict[str, asyncio.Task[None]] = {}
        self._holds: dict[str, float] = {}  # until when a VIP is not to be master
        self._ownerless = OwnerlessWatch(self.vips, services.clock)
        services.timers.catch_up = self._catch_up
        loop.add_reader(self._links.fileno(), self._links_changed)

    async def run(self, vip: VipConfig) -> None:
        """Run this VIP, for which there are no files."""
        await self.apply(Snapshot((vip,), ()))

    async def stop(self) -> None:
        """Hand over everything, and return when every VIP has let go."""
        self.stopping = True
        self._ownerless.close()
        self._forget_successors()
        for run in list(self.runs.values()):
            self._end(run)
        if self.runs:
            await asyncio.wait([run.task for run in self.runs.values()])
        self._loop.remove_reader(self._links.fileno())
        if self._look:
            self._look.cancel()

    def step_down_all(self) -> None:
        """Every address is handed over, and we are not master for a while (SIGUSR2)."""
        for identifier in self.runs:
            self.step_down(identifier, STEP_DOWN_HOLD, Reason.STEPPED_DOWN)

    def step_down(self, identifier: str, hold: float, reason: Reason) -> None:
        """Hand over, and do not be master for ``hold`` seconds: in this life or the next (where
        ``inf``, maintenance, is not our business: it may be over by then). Does nothing to a VIP
        that is gone."""
        run = self.runs.get(identifier)
        if run and hold < inf:
            until = self._loop.time() + hold
            self._holds[identifier] = max(self._holds.get(identifier, -inf), until)
        if run and run.vip:
            run.vip.step_down(hold, reason)
        self._ownerless.watch()

    def resume(self, identifier: str) -> None:
        """Forget a hold."""
        self._holds.pop(identifier, None)
        run = self.runs.get(identifier)
        if run and run.vip:
            run.vip.resume()

    def _hold_of(self, identifier: str) -> float:
        """Until when a VIP that begins to live is not to be master."""
        return inf if identifier in self._maintenance else self._holds.get(identifier, -inf)

    def log_states(self) -> None:
        """One line per VIP, as ucarp words it (SIGUSR1)."""
        for vip in self.vips():
            state = vip.machine.state.value
            about = vip.config.interface, vip.config.vhid
            vip.log.info("%s on %s id %d", state, *about, extra={"reason": "signal"})

    def vips(self) -> list[VipRunner]:
        """Those that live at the moment."""
        return [running.vip for running in self.runs.values() if running.vip]

    def wanted(self) -> Iterator[tuple[VipConfig, VipRunner | None]]:
        """All that are configured; None: it broke, and waits to be started again."""
        return ((running.config, running.vip) for running in self.runs.values())

    @property
    def settled(self) -> bool:
        """Whether every VIP listens, waits for something, or broke."""
        return all(
            running.vip.settled if running.vip else bool(running.trouble)
            for running in self.runs.values()
            if not running.ending
        )

    @property
    def failing(self) -> int:
        """How many VIPs broke, and wait to be started again."""
        return len(self.runs) - len(self.vips())

    async def apply(self, snapshot: Snapshot) -> list[Outcome]:
        """Make what runs what the files say; what became of each VIP, by ID. If they could not be
        listed, everything stays as it is."""
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
                moves = _moves(run.config, config)
                what = ", ".join(run.config.differences(config))
                results[identifier] = (Result.RESTARTED if moves else Result.CHANGED, what)
                if moves:
                    self._end(run)
                else:
                    run.change(config)
            if number % 32 == 31:
                await asyncio.sleep(0)  # advertisements are due in between
        self._forget_successors()
        in_the_way = _InTheWay(run for run in self.runs.values() if run.ending)
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

        A broken vip-common.conf changes nothing that runs: half of it is not what anybody wrote.
        But nobody stays in the way of a VIP that is whole, on its VHID or with its addresses.
        """
        keep = set()
        for identifier, running in self.runs.items():
            config = wanted.get(identifier)
            if config is None:
                others = [c for i, c in wanted.items() if i != identifier]
                stays = (
                    identifier in snapshot.failed or identifier in snapshot.ignored
                ) and not any(_clash(running.config, other) for other in others)
            else:
                stays = snapshot.common_broken and config != running.config
            if stays:
                keep.add(identifier)
        return keep

    def _start_after(self, others: Collection[asyncio.Task[None]], config: VipConfig) -> None:
        """Start a VIP as soon as these have ended: nobody else waits for them."""
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
        interface = self.interfaces.get(config.device)
        if interface is None:
            interface = Interface(config.device, self._loop, self._services.shared)
            self.interfaces[config.device] = interface
            self._update(interface)
        task = tasks.start(self._keep(config, interface), f"VIP {config.id}")
        self.runs[config.id] = Run(config, interface, task)

    async def _keep(self, config: VipConfig, interface: Interface) -> None:
        """One VIP's task: its lives, one after the other."""
        await asyncio.sleep(0)  # until self.runs knows us
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
            except Exception as error:  # a failing VIP must not take the others with it
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
            if running.ending:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    def _end(self, run: Run) -> None:
        """Have a VIP hand over and end, by and by; it stays in ``runs`` until it has."""
        if run.ending:
            return
        run.ending = True
        run.task.add_done_callback(lambda _: self._ended(run))
        if run.vip:
            run.vip.stop()
        else:
            run.task.cancel()

    def _ended(self, run: Run) -> None:
        del self.runs[run.config.id]
        self._forget_interfaces()

    def _forget_interfaces(self) -> None:
        used = {running.config.device for running in self.runs.values()}
        for name in self.interfaces.keys() - used:
            self.interfaces.pop(name).close()

    def _catch_up(self, late: float) -> None:
        """We did not run for a while: hear what the others said before anything is decided."""
        if late > self.late_worst:
            self.late_worst, self.late_at = late, time.time()
        if late > _WORTH_A_LINE:
            self._services.hub.publish(
                DAEMON,
                Kind.LATE,
                f"was not running for {late:.1f} s: stopped, or no processor to be had; "
                "catching up",
                level="error",
                code="late",
            )
        for interface in self.interfaces.values():
            interface.catch_up()

    def _links_changed(self) -> None:
        if self._look:
            self._look.cancel()
            self._look = None
        try:
            news = self._links.changes()
        except OSError as error:
            if not self._blind:
                log.error(
                    "cannot read the state of the interfaces: %s; all goes on as it was, tried "
                    "again every %g s: see whether the machine has memory left",
                    error,
                    _LOOK_AGAIN,
                    extra={"reason": "interfaces"},
                )
            self._blind = True
            self._look = self._loop.call_later(_LOOK_AGAIN, self._links_changed)
            return
        self._blind = False
        for index in news.down:
            self.went_down(index)
        for name in news.names & self.interfaces.keys():
            self._update(self.interfaces[name])
        for interface in self.interfaces.values():
            interface.addresses_gained(news.gained)
            interface.addresses_lost(news.lost)
            if news.gap:
                interface.look_again()

    def _update(self, interface: Interface) -> None:
        link = self._links.get(interface.name)
        interface.update(link, self._links.addresses(link) if link else ())


def _moves(old: VipConfig, new: VipConfig) -> bool:
    """Whether a change is too large to be made in place."""
    return (old.interface, old.vhid, old.source, set(old.addresses)) != (
        new.interface,
        new.vhid,
        new.source,
        set(new.addresses),
    )


class _InTheWay:
    """The VIPs that are ending, by what only one of those that run can have."""

    def __init__(self, ending: Iterable[Run]) -> None:
        self._tasks: dict[object, set[asyncio.Task[None]]] = {}
        for run in ending:
            for claim in (run.config.id, *_claims(run.config)):
                self._tasks.setdefault(claim, set()).add(run.task)

    def of(self, config: VipConfig) -> set[asyncio.Task[None]]:
        """The tasks of those that have to end first."""
        claims = (config.id, *_claims(config))
        return set().union(*(self._tasks.get(claim, ()) for claim in claims))


def _claims(config: VipConfig) -> Iterator[object]:
    """What only one of the VIPs that run can have: a group, and each address, on an interface."""
    yield config.device, config.vhid
    yield from ((config.device, address.ip) for address in config.addresses)


def _clash(one: VipConfig, other: VipConfig) -> bool:
    """Whether two VIPs cannot run beside each other."""
    return not set(_claims(one)).isdisjoint(_claims(other))
