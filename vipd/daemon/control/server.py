"""The methods of ``io.vipd`` behind the control socket; each client has a session of its own."""

import asyncio
import grp
import logging
import os
import stat
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import inf
from pathlib import Path

from asyncvarlink import TypedVarlinkErrorReply, VarlinkInterface
from asyncvarlink.serverprotocol import VarlinkInterfaceRegistry
from asyncvarlink.serviceinterface import VarlinkServiceInterface

from vipd import __version__
from vipd.api.events import Event, Kind
from vipd.api.io_vipd import (
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
    VipdInterface,
    VipStatus,
)
from vipd.carp.states import Reason
from vipd.daemon.base.background import Background, NoThreadError
from vipd.daemon.control import report
from vipd.daemon.control.connections import Connections, Peer, Turns
from vipd.daemon.control.hand_over import hand_over, state_of, unchanged
from vipd.daemon.control.maintenance import Maintenance, is_name
from vipd.daemon.events.history import History
from vipd.daemon.events.hub import DAEMON, Hub, Subject
from vipd.daemon.files.reload import Reload, ReloadError
from vipd.daemon.log.logger import log, printable
from vipd.daemon.vips.supervisor import Run, Supervisor
from vipd.linux import capabilities

#: VIPs or events in one answer: a millisecond of work.
_SOME = 12
#: Events that are searched in one turn of the loop.
_MANY = 200
#: Events that may happen while a client of Monitor takes no answer, and events that may wait for a
#: client that does take answers (at first the ones from before its call).
_UNREAD, _WAITING = 1000, 20000
#: Longest hold that may be asked for, seconds.
LONGEST_HOLD = 86400.0
#: Seconds until the group is looked up again, when no thread could be started for that.
_AGAIN = 10.0


@dataclass(frozen=True, slots=True)
class Directories:
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
        reload: Reload,
        hub: Hub,
        history: History,
        maintenance: Maintenance,
        place: Directories,
    ) -> None:
        self.supervisor = supervisor
        self.reload = reload
        self.hub = hub
        self.history = history
        self.maintenance = maintenance
        self.place = place
        self.gid: int | None = None  # None: for root only
        self.turns = Turns()
        self.since = time.time()
        self.connections = Connections(self._interfaces, self._admit, self.turns)

    async def open(self) -> None:
        """Start to listen as soon as the VIPs are known. If that fails, the VIPs run without the
        socket."""
        await self.reload.loaded.wait()
        path = self.place.runtime_dir / SOCKET
        try:
            self.gid = await self._group()
        except KeyError:
            log.info("no group %s: only root may use %s", self.place.group, path)
        try:
            self.connections.listen(path, self.gid)
        except OSError as error:
            log.error(
                "cannot listen on %s: %s; vipctl does not reach us. Correct that, and restart",
                path,
                error,
                extra={"reason": "control"},
            )

    async def _group(self) -> int:
        """The number of the group that may use the socket. Raises KeyError if there is none."""
        background = Background()
        told = False
        while True:
            try:  # not in the loop: the group may come from a directory service
                group = await background.run(lambda: grp.getgrnam(self.place.group))
            except NoThreadError as error:
                if not told:
                    log.error(
                        "cannot look up the group %s: %s; vipctl does not reach us; tried again "
                        "every %g s",
                        self.place.group,
                        error,
                        _AGAIN,
                        extra={"reason": "control"},
                    )
                told = True
                await asyncio.sleep(_AGAIN)
            else:
                return group.gr_gid
            finally:
                await background.close()

    async def close(self) -> None:
        await self.connections.close()

    def _interfaces(self, peer: Peer) -> Sequence[VarlinkInterface]:
        ours = VipdInterface(Session(self, peer))
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
        try:
            mode = (self.place.runtime_dir / SOCKET).lstat().st_mode
        except OSError:  # the socket was removed
            return False
        return bool(mode & stat.S_IWGRP)


class _News:
    """Collects the events of some VIPs (None: all) for one client."""

    def __init__(self, ids: set[str] | None) -> None:
        #: How many came since the caller set this to 0.
        self.unread = 0
        #: The client was too slow: events were dropped.
        self.too_many = False
        self._ids = ids
        self._events: deque[Event] = deque()
        self._came = asyncio.Event()

    def __call__(self, event: Event) -> None:
        if self._ids is not None and event.id not in self._ids:
            return
        self.unread += 1
        self.too_many |= self.unread > _UNREAD or len(self._events) >= _WAITING
        if not self.too_many:
            self._events.append(event)
        self._came.set()

    async def some(self) -> list[Event]:
        """Wait for the next events."""
        while not self._events:
            self._came.clear()
            await self._came.wait()
        return [self._events.popleft() for _ in range(min(_SOME, len(self._events)))]


class Session:
    """Serves one client; see `vipd.api.io_vipd.Backend`."""

    def __init__(self, control: Control, peer: Peer) -> None:
        self._control = control
        self._peer = peer

    # Reading

    async def vips(self, ids: list[str] | None) -> AsyncIterator[list[VipStatus]]:
        wanted = deque(self._ids(ids))
        while True:
            some: list[VipStatus] = []
            async with self._control.turns.turn():
                while wanted and len(some) < _SOME:
                    run = self._control.supervisor.runs.get(wanted.popleft())
                    if run:  # else it has ended in the meantime
                        some.append(self._vip(run))
            yield some
            if not wanted:
                return

    def _vip(self, run: Run) -> VipStatus:
        maintenance = run.config.id in self._control.maintenance
        if run.vip is None:
            return report.of_broken(run.config, maintenance, run.trouble, run.broke_at)
        return report.of_vip(run.vip, run.interface, maintenance, asyncio.get_running_loop().time())

    async def monitor(self, ids: list[str] | None, after: int | None) -> AsyncIterator[list[Event]]:
        wanted = None if ids is None else {*self._known(ids), DAEMON.id}
        news = _News(wanted)
        leave = self._control.hub.subscribe(news)
        try:
            last = self._control.hub.last if after is None else after
            old = self._control.history.events(wanted, last)  # a snapshot, before new ones come
            yield []
            while True:
                async with self._control.turns.turn():
                    some = list(islice(old, _SOME))
                if news.too_many:
                    raise TooSlow(last=last)
                some = some or await news.some()
                last = some[-1].number
                yield some
                news.unread = 0
        finally:
            leave()

    async def history(self, ids: list[str] | None, limit: int | None) -> AsyncIterator[list[Event]]:
        if limit is not None and limit < 0:
            raise OutOfRange(parameter="limit", text="0 or more")
        wanted = None if ids is None else list(self._known(ids))
        async with self._control.turns.turn():
            events = self._control.history.events(wanted)
        if limit is not None:
            events = iter(await self._newest(wanted, limit))
        first = True
        while True:
            async with self._control.turns.turn():
                some = list(islice(events, _SOME))
            if not (some or first):
                return
            first = False
            yield some

    async def _newest(self, ids: Iterable[str] | None, limit: int) -> list[Event]:
        """The last ``limit`` events, oldest first."""
        found: list[Event] = []
        async with self._control.turns.turn():
            newest = islice(self._control.history.newest(ids), limit)
        while True:
            async with self._control.turns.turn():
                some = list(islice(newest, _MANY))
            if not some:
                return found[::-1]
            found += some

    async def problems(self) -> list[Problem]:
        supervisor = self._control.supervisor
        found = list(self._in_files())
        for identifier in sorted(supervisor.runs):
            async with self._control.turns.turn():
                if run := supervisor.runs.get(identifier):
                    found += self._problems(run)
        for interface in supervisor.interfaces.values():
            found += report.of_complaints(interface.complaints, "", interface.name, vhid=0)
        return found

    def _in_files(self) -> Iterable[Problem]:
        reload = self._control.reload
        return report.of_files(reload.problems, reload.read_at)

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
            "files": sorted(control.reload.files),
            "log_level": _log_level(),
            "group": control.place.group if control.gid is not None else "",
            "missing_capabilities": list(capabilities.missing()),
            "guard": supervisor.guard.trouble if supervisor.guard else "",
            "late_worst": supervisor.late_worst,
            "late_at": supervisor.late_at,
            "connections": len(control.connections),
            "maintenance": control.maintenance.kept,
        }

    # Changing

    async def reload(self) -> Reloaded:
        self._begin("reload")
        try:
            outcomes = await self._control.reload.reloaded()
        except ReloadError as error:
            raise NotRead(text=str(error)) from error
        return {"outcomes": outcomes, "problems": list(self._in_files())}

    async def demote(self, ids: list[str] | None, hold: float) -> list[Handover]:
        if not 0 <= hold <= LONGEST_HOLD:
            raise OutOfRange(parameter="hold", text=f"0 to {LONGEST_HOLD:g} seconds")
        wanted = self._ids(ids)
        self._begin(f"demote for {hold:g} s", Kind.DEMOTION, ids)
        return await self._hand_over(wanted, hold, Reason.STEPPED_DOWN)

    async def maintenance(self, ids: list[str] | None, on: bool) -> list[Handover]:
        wanted = self._ids(None) if ids is None else list(self._maintained(ids, on))
        self._may_change()
        control, supervisor = self._control, self._control.supervisor
        try:
            await control.maintenance.switch(on, None if ids is None else wanted)
        except OSError as error:
            raise NotKept(text=str(error)) from error
        self._begin(f"maintenance {'on' if on else 'off'}", Kind.MAINTENANCE, ids)
        if on:
            return await self._hand_over(wanted, inf, Reason.MAINTENANCE)
        # VIPs that were added while the file was written started in maintenance, too.
        for identifier in list(supervisor.runs) if ids is None else wanted:
            async with control.turns.turn():
                if identifier not in control.maintenance:  # it may have been switched on again
                    supervisor.resume(identifier)
        return [unchanged(run) for run in self._runs(wanted)]

    def _maintained(self, ids: Sequence[str], on: bool) -> Iterator[str]:
        """IDs that may be put into maintenance: of VIPs that run, that failed, whose files have
        errors, or that have events in the history. Any ID that is in maintenance may be taken out
        of it, too, because a file that is gone may come back. Raises UnknownVip."""
        supervisor = self._control.supervisor
        known = {*supervisor.runs, *self._control.reload.failed}
        for identifier in dict.fromkeys(ids):
            kept = not on and identifier in self._control.maintenance and is_name(identifier)
            if identifier == DAEMON.id or not (
                kept or identifier in known or identifier in self._control.history
            ):
                raise UnknownVip(id=identifier)
            yield identifier

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
        """Check the client's rights, and log who changes what. Raises NotPermitted."""
        self._may_change()
        run = self._control.supervisor.runs.get(ids[0]) if ids and len(ids) == 1 else None
        whom = f" {printable(' '.join(ids))}" if ids and not run else ""
        text = f"{what}{whom}, asked by {self._peer}"
        if kind is None:
            log.info("%s", text, extra={"reason": "control"})
            return
        subject = DAEMON
        if run:
            config = run.config
            subject = Subject(config.id, config.vhid, config.interface, state_of(run))
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
        """IDs of VIPs that run, or that have events in the history. Raises UnknownVip."""
        for identifier in ids:
            if identifier not in self._control.history:
                self._ids([identifier])
            yield identifier

    async def _hand_over(self, ids: list[str], hold: float, reason: Reason) -> list[Handover]:
        control = self._control
        runs = self._runs(ids)
        return await hand_over(
            control.supervisor, control.turns, control.maintenance, runs, hold, reason
        )

    def _runs(self, ids: Iterable[str]) -> list[Run]:
        runs = self._control.supervisor.runs
        return [runs[identifier] for identifier in ids if identifier in runs]


def _log_level() -> LogLevel:
    levels: dict[int, LogLevel] = {
        logging.DEBUG: "debug",
        logging.INFO: "info",
        logging.WARNING: "warning",
    }
    return levels.get(log.getEffectiveLevel(), "error")
