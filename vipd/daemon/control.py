"""What stands behind the control socket: the methods of ``io.vipd``, for one client each."""

import asyncio
import grp
import logging
import os
import stat
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

from asyncvarlink import TypedVarlinkErrorReply, VarlinkInterface
from asyncvarlink.serverprotocol import VarlinkInterfaceRegistry
from asyncvarlink.serviceinterface import VarlinkServiceInterface

from vipd import __version__
from vipd.carp.machine import LEAVE_AT_MOST, Reason, State
from vipd.carp.rank import bows_out
from vipd.daemon import report
from vipd.daemon.background import Background
from vipd.daemon.connections import Connections, Peer, Turns
from vipd.daemon.events import DAEMON, Event, Hub, Kind, Subject
from vipd.daemon.history import History
from vipd.daemon.journal import log
from vipd.daemon.maintenance import Maintenance
from vipd.daemon.supervisor import ReloadError, Run, Supervisor
from vipd.daemon.varlink import (
    SOCKET,
    Daemon,
    Handover,
    LogLevel,
    NotKept,
    NotPermitted,
    NotRead,
    OutOfRange,
    Problem,
    Reloaded,
    TooSlow,
    UnknownVip,
    Vip,
    VipdInterface,
)
from vipd.linux import capabilities

#: How many VIPs or events make an answer: a millisecond of work.
_SOME = 12
#: Events that may wait for a client of Monitor.
_WAITING = 1000
#: Longest hold that may be asked for, seconds.
LONGEST_HOLD = 86400.0
#: How often to look whether a hand-over is done, seconds.
_LOOK = 0.02


@dataclass(frozen=True, slots=True)
class Place:
    """The directories of a daemon, and the name of the group that may use its socket."""

    config_dir: Path
    runtime_dir: Path
    state_dir: Path
    group: str


class Control:
    """The control socket of a daemon."""

    def __init__(
        self,
        supervisor: Supervisor,
        hub: Hub,
        history: History,
        maintenance: Maintenance,
        place: Place,
    ) -> None:
        self.supervisor = supervisor
        self.hub = hub
        self.history = history
        self.maintenance = maintenance
        self.place = place
        self.gid: int | None = None  # None: for root only
        self.turns = Turns()
        self.since = time.time()
        self.connections = Connections(self._interfaces, self._admit, self.turns)

    async def open(self) -> None:
        """Listen, as soon as there is something to say about the VIPs. Without a socket the
        addresses are looked after all the same."""
        await self.supervisor.loaded.wait()
        path = self.place.runtime_dir / SOCKET
        background = Background()
        try:  # not in the loop: it may be a directory service that knows the group
            group = await background.run(lambda: grp.getgrnam(self.place.group))
            self.gid = group.gr_gid
        except KeyError:
            log.info("no group %s: only root may use %s", self.place.group, path)
        await background.close()
        try:
            self.connections.listen(path, self.gid)
        except OSError as error:
            log.error(
                "cannot listen on %s: %s; vipctl does not reach us. Mend that, and restart",
                path,
                error,
                extra={"reason": "control"},
            )

    async def close(self) -> None:
        await self.connections.close()

    def _interfaces(self, peer: Peer) -> Sequence[VarlinkInterface]:
        ours = VipdInterface(Desk(self, peer))
        registry = VarlinkInterfaceRegistry()
        about = VarlinkServiceInterface("vipd", "vipd", __version__, "", registry)
        registry.register_interface(ours)
        registry.register_interface(about)
        return ours, about

    def _admit(self, peer: Peer) -> TypedVarlinkErrorReply | None:
        if peer.uid in (0, os.geteuid()) or self.gid in peer.groups:
            return None
        return NotPermitted(text=f"be root or a member of the group {self.place.group}")

    def may_change(self, peer: Peer) -> bool:
        """Root, and members of the group as long as it may write to the socket."""
        if peer.uid in (0, os.geteuid()):
            return True
        mode = (self.place.runtime_dir / SOCKET).stat().st_mode
        return bool(mode & stat.S_IWGRP)


class Desk:
    """Serves one client; see `vipd.daemon.varlink.Backend`."""

    def __init__(self, control: Control, peer: Peer) -> None:
        self._control = control
        self._peer = peer

    # Reading

    async def vips(self, ids: list[str] | None) -> AsyncIterator[list[Vip]]:
        wanted = deque(self._ids(ids))
        while True:
            some: list[Vip] = []
            async with self._control.turns.turn():
                while wanted and len(some) < _SOME:
                    run = self._control.supervisor.runs.get(wanted.popleft())
                    if run:  # else it has ended meanwhile
                        some.append(self._vip(run))
            yield some
            if not wanted:
                return

    def _vip(self, run: Run) -> Vip:
        maintenance = run.config.id in self._control.maintenance
        if run.vip is None:
            return report.of_broken(run.config, maintenance, run.trouble, run.broke_at)
        return report.of_vip(run.vip, run.interface, maintenance, asyncio.get_running_loop().time())

    async def monitor(self, ids: list[str] | None, after: int | None) -> AsyncIterator[list[Event]]:
        wanted = None if ids is None else {*self._known(ids), DAEMON.id}
        events: deque[Event] = deque()
        news = asyncio.Event()

        def listen(event: Event) -> None:
            if wanted is None or event.id in wanted:
                if len(events) <= _WAITING:
                    events.append(event)
                news.set()

        leave = self._control.hub.subscribe(listen)
        try:
            last = self._control.hub.last if after is None else after
            if after is not None:
                events.extend(self._control.history.events(wanted, after))
            yield []
            while True:
                if len(events) > _WAITING:
                    raise TooSlow(last=last)
                some = [events.popleft() for _ in range(min(_SOME, len(events)))]
                if some:
                    last = some[-1].number
                    yield some
                    continue
                news.clear()
                await news.wait()
        finally:
            leave()

    async def history(self, ids: list[str] | None, limit: int | None) -> AsyncIterator[list[Event]]:
        if limit is not None and limit < 0:
            raise OutOfRange(parameter="limit", text="0 or more")
        wanted = None if ids is None else list(self._known(ids))
        async with self._control.turns.turn():
            events = self._control.history.events(wanted)
        if limit is not None:
            events = events[max(0, len(events) - limit) :]
        for begin in range(0, max(1, len(events)), _SOME):
            yield events[begin : begin + _SOME]

    async def problems(self) -> list[Problem]:
        supervisor = self._control.supervisor
        found = list(report.of_files(supervisor.problems, supervisor.read_at))
        for identifier in sorted(supervisor.runs):
            async with self._control.turns.turn():
                if run := supervisor.runs.get(identifier):
                    found += self._problems(run)
        for interface in supervisor.interfaces.values():
            found += report.of_complaints(interface.complaints, "", interface.name, vhid=0)
        return found

    def _problems(self, run: Run) -> Iterable[Problem]:
        if run.vip is None:
            return [report.failure(run.config, run.trouble, run.broke_at)] if run.trouble else []
        return report.problems_of(run.vip, run.interface, asyncio.get_running_loop().time())

    async def describe(self) -> Daemon:
        control, supervisor = self._control, self._control.supervisor
        return {
            "version": __version__,
            "pid": os.getpid(),
            "since": control.since,
            "config_dir": str(control.place.config_dir),
            "runtime_dir": str(control.place.runtime_dir),
            "state_dir": str(control.place.state_dir),
            "files": sorted(supervisor.files),
            "log_level": _log_level(),
            "group": control.place.group if control.gid is not None else "",
            "missing_capabilities": list(capabilities.missing()),
            "late_worst": supervisor.late_worst,
            "late_at": supervisor.late_at,
            "connections": len(control.connections),
        }

    # Changing

    async def reload(self) -> Reloaded:
        self._begin("reload")
        supervisor = self._control.supervisor
        try:
            outcomes = await supervisor.reloaded()
        except ReloadError as error:
            raise NotRead(text=str(error)) from error
        problems = list(report.of_files(supervisor.problems, supervisor.read_at))
        return {"outcomes": outcomes, "problems": problems}

    async def demote(self, ids: list[str] | None, hold: float) -> list[Handover]:
        if not 0 <= hold <= LONGEST_HOLD:
            raise OutOfRange(parameter="hold", text=f"0 to {LONGEST_HOLD:g} seconds")
        wanted = self._ids(ids)
        self._begin(f"demote for {hold:g} s", Kind.DEMOTION, ids)
        return await self._hand_over(wanted, hold, Reason.STEPPED_DOWN)

    async def maintenance(self, ids: list[str] | None, on: bool) -> list[Handover]:
        wanted = self._ids(ids)
        self._may_change()
        control, supervisor = self._control, self._control.supervisor
        try:
            await control.maintenance.switch(on, ids, supervisor.runs)
        except OSError as error:
            raise NotKept(text=str(error)) from error
        self._begin(f"maintenance {'on' if on else 'off'}", Kind.MAINTENANCE, ids)
        if on:
            return await self._hand_over(wanted, inf, Reason.MAINTENANCE)
        # Those that came while it was written down began to live in maintenance, too.
        for identifier in list(supervisor.runs) if ids is None else wanted:
            async with control.turns.turn():
                if identifier not in control.maintenance:  # it may be on again
                    supervisor.resume(identifier)
        return [_same(run) for run in self._runs(wanted)]

    async def set_log_level(self, level: LogLevel) -> LogLevel:
        before = _log_level()
        self._begin(f"log-level {level}")
        log.setLevel(level.upper())
        return before

    # Both

    def _may_change(self) -> None:
        control = self._control
        if control.supervisor.stopping:
            raise NotPermitted(text="vipd is stopping; wait until it runs again")
        if not control.may_change(self._peer):
            group = control.place.group
            raise NotPermitted(text=f"be root, or let the group {group} write to the socket")

    def _begin(self, what: str, kind: Kind | None = None, ids: Sequence[str] | None = None) -> None:
        """Who changes what goes to the log. Raises NotPermitted."""
        self._may_change()
        whom = f" {' '.join(ids)}" if ids and len(ids) > 1 else ""
        text = f"{what}{whom}, asked by {self._peer}"
        if kind is None:
            log.info("%s", text, extra={"reason": "control"})
            return
        run = self._control.supervisor.runs.get(ids[0]) if ids and len(ids) == 1 else None
        subject = DAEMON
        if run:
            config = run.config
            subject = Subject(config.id, config.vhid, config.interface, _state(run))
        self._control.hub.publish(subject, kind, text, code=kind.name.lower())

    def _ids(self, ids: Sequence[str] | None) -> list[str]:
        """IDs of VIPs that run, in order. Raises UnknownVip."""
        runs = self._control.supervisor.runs
        if ids is None:
            return sorted(runs)
        for identifier in ids:
            if identifier not in runs:
                raise UnknownVip(id=identifier)
        return list(dict.fromkeys(ids))

    def _known(self, ids: Sequence[str]) -> Iterator[str]:
        """IDs of VIPs that run, or that something is remembered of. Raises UnknownVip."""
        for identifier in ids:
            if identifier not in self._control.history:
                self._ids([identifier])
            yield identifier

    def _runs(self, ids: Iterable[str]) -> list[Run]:
        runs = self._control.supervisor.runs
        return [runs[identifier] for identifier in ids if identifier in runs]

    async def _hand_over(self, ids: list[str], hold: float, reason: Reason) -> list[Handover]:
        loop = asyncio.get_running_loop()
        runs = self._runs(ids)
        begun: list[tuple[Run, State, float]] = []
        for run in runs:
            async with self._control.turns.turn():
                begun.append((run, _state(run), loop.time()))
                if hold < inf or run.config.id in self._control.maintenance:  # it may be over
                    self._control.supervisor.step_down(run.config.id, hold, reason)
        handovers = []
        for run, before, at in begun:
            while run.vip and run.vip.machine.leaving and loop.time() < at + LEAVE_AT_MOST + 1:
                await asyncio.sleep(_LOOK)
            handovers.append(_handover(run, before, at))
        return handovers


def _state(run: Run) -> State:
    return run.vip.machine.state if run.vip else State.INIT


def _same(run: Run) -> Handover:
    return Handover(run.config.id, _state(run), _state(run), None, 0.0)


def _handover(run: Run, before: State, at: float) -> Handover:
    after, heard = _state(run), run.vip.machine.heard if run.vip else None
    if before is not State.MASTER or after is State.MASTER or run.vip is None:
        return Handover(run.config.id, before, after, None, 0.0)
    took_over = heard and heard.at >= at and not bows_out(heard.ad)
    successor = str(heard.ad.source) if heard and took_over else None
    return Handover(run.config.id, before, after, successor, max(0.0, run.vip.decided - at))


def _log_level() -> LogLevel:
    levels: dict[int, LogLevel] = {
        logging.DEBUG: "debug",
        logging.INFO: "info",
        logging.WARNING: "warning",
    }
    return levels.get(log.getEffectiveLevel(), "error")
