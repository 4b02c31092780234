"""Wanted against running: the only one that starts and ends VIPs."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vipd.config.load import Snapshot, loading
from vipd.config.model import Settings
from vipd.config.model import Vip as Config
from vipd.config.problem import Problem, Severity
from vipd.daemon.interface import Interface
from vipd.daemon.journal import VipLog, log
from vipd.daemon.vip import Services, Vip
from vipd.daemon.watch import Watch
from vipd.linux.links import Links

#: Seconds before a VIP that broke is started again: doubled each time, up to the second value,
#: and forgotten after it has run for that long.
_BACKOFF = (1.0, 60.0)
#: A delay that an administrator should know of, seconds.
_WORTH_A_LINE = 0.5


@dataclass(slots=True)
class _Running:
    """A VIP that is wanted, whether it lives at the moment or waits to be started again."""

    config: Config
    task: asyncio.Task[None]
    vip: Vip | None = None
    failed: bool = False
    ending: bool = False

    def change(self, config: Config) -> None:
        """Go on with another configuration, without a new life."""
        self.config = config
        if self.vip:
            self.vip.change(config)


class Supervisor:
    """Keeps one task per configured VIP. One VIP's failure is its own: logged, and retried."""

    def __init__(
        self,
        directory: Path | None,
        links: Links,
        services: Services,
        loop: asyncio.AbstractEventLoop,
        only: str | None = None,
    ) -> None:
        """``directory``: None if there are no files, see `run`. ``only``: the ID of the only VIP
        to run, whatever else is configured."""
        #: Called with True when a reload begins, and with False when it has ended.
        self.reloading: Callable[[bool], None] = lambda _begins: None
        #: Called with what the files say about the daemon as a whole.
        self.configured: Callable[[Settings], Awaitable[None]] = _nobody_asks
        self._directory = directory
        self._only = only
        self._links = links
        self._services = services
        self._loop = loop
        self._interfaces: dict[str, Interface] = {}
        self._running: dict[str, _Running] = {}
        self._loading: asyncio.Task[None] | None = None
        self._load_again = False
        self._frozen = False
        self._problems: frozenset[Problem] = frozenset()
        services.timers.catch_up = self._catch_up
        self._watch = Watch(loop, directory, self.reload) if directory else None
        loop.add_reader(links.fileno(), self._links_changed)

    def reload(self) -> None:
        """Read the files and make what runs what they say. A second call while one is carried out
        is carried out after it."""
        if self._directory is None:
            return
        if self._loading and not self._loading.done():
            self._load_again = True
        else:
            self._loading = self._loop.create_task(self._reload())

    async def run(self, vip: Config) -> None:
        """Run this VIP, for which there are no files."""
        await self._apply(Snapshot((vip,), ()))

    async def stop(self) -> None:
        """Hand over everything, and return when every VIP has let go."""
        if self._loading:
            self._loading.cancel()
            await asyncio.wait([self._loading])
        if self._watch:
            self._watch.close()
        await asyncio.gather(*(self._end(identifier) for identifier in list(self._running)))
        self._loop.remove_reader(self._links.fileno())

    def step_down(self) -> None:
        """Every master hands over (SIGUSR2)."""
        for vip in self.vips():
            vip.step_down()

    def log_states(self) -> None:
        """One line per VIP, as ucarp words it (SIGUSR1)."""
        for vip in self.vips():
            state = vip.machine.state.value
            vip.log.info("%s on %s id %d", state, vip.config.interface, vip.config.vhid)

    def vips(self) -> list[Vip]:
        """Those that live at the moment."""
        return [running.vip for running in self._running.values() if running.vip]

    def wanted(self) -> Iterator[tuple[Config, Vip | None]]:
        """All that are configured; None: it broke, and waits to be started again."""
        return ((running.config, running.vip) for running in self._running.values())

    def interfaces(self) -> Iterable[Interface]:
        return self._interfaces.values()

    @property
    def problems(self) -> frozenset[Problem]:
        """What is wrong in the files, as they were read last."""
        return self._problems

    @property
    def settled(self) -> bool:
        """Whether the files were read, and every VIP listens, waits for something, or broke."""
        return self._frozen and all(
            running.vip.settled if running.vip else running.failed
            for running in self._running.values()
        )

    @property
    def failing(self) -> int:
        """How many VIPs broke, and wait to be started again."""
        return len(self._running) - len(self.vips())

    @property
    def broken_files(self) -> int:
        """How many files have errors."""
        return len({p.file for p in self._problems if p.severity is Severity.ERROR})

    async def _reload(self) -> None:
        self.reloading(True)
        try:
            await self._read_and_apply()
        finally:
            self.reloading(False)

    async def _read_and_apply(self) -> None:
        while True:
            self._load_again = False
            snapshot = await self._read()
            self._report(snapshot)
            if self._watch:
                self._watch.follow(snapshot.files)
            await self._apply(snapshot)
            if not snapshot.common_broken or not self._frozen:
                await self.configured(snapshot.settings)
            if not self._frozen:
                # What is there now stays: the collector need not walk over it again and again.
                self._frozen = True
                gc.collect()
                gc.freeze()
            if not self._load_again:
                return

    async def _read(self) -> Snapshot:
        """In a thread, because a disk may hang; and file by file, because whoever computes in a
        thread keeps the loop from sending: hundreds of files take longer than an advertisement may
        be late."""
        assert self._directory
        files = loading(self._directory, only=self._only)
        while True:
            snapshot = await asyncio.to_thread(next, files)
            if snapshot is not None:
                return snapshot

    def _report(self, snapshot: Snapshot) -> None:
        """Log the problems that are new, and say so when there is nothing to do."""
        for problem in snapshot.problems:
            if problem not in self._problems:
                level = log.error if problem.severity is Severity.ERROR else log.warning
                level(
                    "%s:%d:%d: %s; %s",
                    problem.file,
                    problem.line,
                    problem.column,
                    problem.message.rstrip("."),
                    problem.hint,
                    extra={
                        "file": problem.file,
                        "line": problem.line,
                        "column": problem.column,
                        "reason": problem.message,
                    },
                )
        self._problems = frozenset(snapshot.problems)
        if not snapshot.vips:
            log.warning(
                "no VIP to run: %s holds no usable vip-%s.conf; add one, and vipd starts it",
                self._directory,
                self._only or "NNN",
                extra={"reason": "no_vip"},
            )

    async def _apply(self, snapshot: Snapshot) -> None:
        wanted = {config.id: config for config in snapshot.vips}
        keep = self._last_good(snapshot, wanted)
        ending = []
        for number, (identifier, running) in enumerate(list(self._running.items())):
            config = wanted.get(identifier)
            if identifier in keep or config == running.config:
                continue
            if config is None or _moves(running.config, config):
                ending.append(identifier)
            else:
                running.change(config)
            if number % 32 == 31:
                await asyncio.sleep(0)  # advertisements are due in between
        await asyncio.gather(*(self._end(identifier) for identifier in ending))
        for identifier, config in wanted.items():
            if identifier not in self._running:
                self._start(config)
        self._forget_interfaces()

    def _last_good(self, snapshot: Snapshot, wanted: dict[str, Config]) -> set[str]:
        """The running VIPs that stay as they are, because their files cannot be read as a whole.

        A broken vip-common.conf changes nothing that runs: half of it is not what anybody wrote.
        But nobody stays in the way of a VIP that is whole, on its VHID or with its addresses.
        """
        broken = {p.file for p in snapshot.problems if p.severity is Severity.ERROR}
        keep = set()
        for identifier, running in self._running.items():
            config = wanted.get(identifier)
            if config is None:
                others = [c for i, c in wanted.items() if i != identifier]
                stays = running.config.file in broken and not any(
                    _clash(running.config, other) for other in others
                )
            else:
                stays = snapshot.common_broken and config != running.config
            if stays:
                VipLog(identifier).warning(
                    "goes on as it was until its files are mended",
                    extra={"reason": "broken_files"},
                )
                keep.add(identifier)
        return keep

    def _start(self, config: Config) -> None:
        interface = self._interfaces.get(config.interface)
        if interface is None:
            interface = Interface(config.interface, self._loop, self._services.hub)
            self._interfaces[config.interface] = interface
            self._update(interface)
        task = self._loop.create_task(self._keep(config, interface), name=f"vip-{config.id}")
        self._running[config.id] = _Running(config, task)

    async def _keep(self, config: Config, interface: Interface) -> None:
        """One VIP's task: its lives, one after the other."""
        await asyncio.sleep(0)  # until self._running knows us
        running = self._running[config.id]
        pause, longest = _BACKOFF
        while not running.ending:
            born = self._loop.time()
            running.vip = Vip(running.config, interface, self._services)
            try:
                await running.vip.run()
                return
            except Exception as error:  # a failing VIP must not take the others with it
                if self._loop.time() - born > longest:
                    pause, _ = _BACKOFF
                VipLog(config.id).error(
                    "failed: %s: %s; starts again in %g s",
                    type(error).__name__,
                    error,
                    pause,
                    exc_info=log.isEnabledFor(10),
                    extra={"reason": type(error).__name__},
                )
            running.vip, running.failed = None, True
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    async def _end(self, identifier: str) -> None:
        running = self._running[identifier]
        running.ending = True
        if running.vip:
            running.vip.stop()
        else:
            running.task.cancel()
        await asyncio.wait([running.task])
        del self._running[identifier]

    def _forget_interfaces(self) -> None:
        used = {running.config.interface for running in self._running.values()}
        for name in self._interfaces.keys() - used:
            self._interfaces.pop(name).close()

    def _catch_up(self, late: float) -> None:
        """We did not run for a while: hear what the others said before anything is decided."""
        if late > _WORTH_A_LINE:
            log.error(
                "was not running for %.1f s: stopped, or no processor to be had; catching up",
                late,
                extra={"reason": "late"},
            )
        for interface in self._interfaces.values():
            interface.readable()

    def _links_changed(self) -> None:
        news = self._links.changes()
        for name in news.names & self._interfaces.keys():
            self._update(self._interfaces[name])
        for name, interface in self._interfaces.items():
            interface.addresses_gained(a.ip for where, a in news.gained if where == name)
            if news.gap:  # perhaps all of them: what is still there is only put there again
                interface.addresses_lost(interface.addresses())
            else:
                interface.addresses_lost(a.ip for where, a in news.lost if where == name)

    def _update(self, interface: Interface) -> None:
        link = self._links.get(interface.name)
        interface.update(link, self._links.addresses(link) if link else ())


async def _nobody_asks(_settings: Settings) -> None:
    pass


def _moves(old: Config, new: Config) -> bool:
    """Whether a change is too large to be made in place."""
    return (old.interface, old.vhid, old.source, set(old.addresses)) != (
        new.interface,
        new.vhid,
        new.source,
        set(new.addresses),
    )


def _clash(one: Config, other: Config) -> bool:
    """Whether two VIPs cannot run beside each other."""
    return one.interface == other.interface and (
        one.vhid == other.vhid
        or not {a.ip for a in one.addresses}.isdisjoint(a.ip for a in other.addresses)
    )
