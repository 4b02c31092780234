"""The daemon: signals, the loop, and what runs in it."""

import asyncio
import fcntl
import gc
import os
import signal
import sys
from argparse import Namespace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TextIO

from vipd import __version__
from vipd.config.health_fields import Check
from vipd.daemon.base import tasks
from vipd.daemon.base.children import Children
from vipd.daemon.base.kept_files import open_to_lock
from vipd.daemon.base.merged import Merged
from vipd.daemon.cleanup.farewell import carry_out
from vipd.daemon.cleanup.wills import CrashCleanup
from vipd.daemon.control.maintenance import Maintenance
from vipd.daemon.control.server import Control, Directories
from vipd.daemon.events.history import History
from vipd.daemon.events.hub import Hub
from vipd.daemon.events.tally import Tally
from vipd.daemon.files.reading_process import ReadingProcess
from vipd.daemon.files.reload import Reload
from vipd.daemon.guard.keeper import Keeper
from vipd.daemon.health.checks import Checks
from vipd.daemon.health.groups import Groups
from vipd.daemon.health.pool import Pool
from vipd.daemon.health.settings import Grouped
from vipd.daemon.health.tracking import Tracking
from vipd.daemon.log import logger
from vipd.daemon.log.logger import log
from vipd.daemon.log.outlet import Outlet
from vipd.daemon.metrics.server import Exporter
from vipd.daemon.service.notify import Notify
from vipd.daemon.service.service import Service
from vipd.daemon.vips.counter import Counter
from vipd.daemon.vips.group_lock import GroupLocks
from vipd.daemon.vips.heard_before import HeardBefore
from vipd.daemon.vips.interface import shared
from vipd.daemon.vips.notifier import Notifier
from vipd.daemon.vips.outbox import Outbox
from vipd.daemon.vips.renewals import Renewals
from vipd.daemon.vips.secondaries import Secondaries
from vipd.daemon.vips.services import Services
from vipd.daemon.vips.supervisor import Supervisor
from vipd.daemon.vips.timers import Timers
from vipd.linux import capabilities, heap, realtime, standard_files
from vipd.linux.links import Links
from vipd.linux.netlink import Netlink

if TYPE_CHECKING:
    from vipd.daemon.metrics.views import DaemonView

#: Objects that may be new before the garbage collector looks at them: 1000 masters make some 3000
#: in a turn.
_MADE_IN_A_TURN = 10_000


class UnusableError(Exception):
    """vipd cannot run at all; the text says why and what to do. ``status`` is the exit status: 2
    for a wrong command line, which another try would not correct."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


def run(options: Namespace, reading: ReadingProcess | None) -> None:
    """``reading``: a process that waits for the order to read the files, if it could be started."""
    heap.share()
    standard_files.fill()
    outlet = logger.start(options.log_level, options.log_format)
    if options.realtime:
        _realtime()
    try:
        only = _identifier(options.config_dir, options.only)
        with _only_one(options.runtime_dir):
            place = Directories(
                options.config_dir, options.runtime_dir, options.state_dir, options.group
            )
            asyncio.run(_run(place, only, outlet, options.log_format, reading))
    except UnusableError as error:
        log.critical("%s", error)
        sys.exit(error.status)


def _identifier(config_dir: Path, name: str | None) -> str | None:
    """The ID that ``--only`` names: EPEL's ucarp@001 and ucarp@vip-001 are the same file."""
    if name is None:
        return None
    identifiers = (name, name.removeprefix("vip-"))
    try:
        present = {file.name for file in config_dir.iterdir()}
    except OSError:  # the supervisor reports it, and waits for it
        return identifiers[-1]
    for identifier in identifiers:
        if f"vip-{identifier}.conf" in present:
            return identifier
    file = config_dir / f"vip-{name}.conf"
    raise UnusableError(f"there is no {file}; write it, or correct the name", 2)


def _realtime() -> None:
    for act, what in (
        (realtime.schedule, "run in real time"),
        (realtime.lock_memory, "lock memory"),
    ):
        try:
            act()
        except OSError as error:
            log.warning(
                "may not %s: %s; goes on without (it needs CAP_SYS_NICE and CAP_IPC_LOCK)",
                what,
                error,
                extra={"reason": "realtime"},
            )


def _only_one(runtime_dir: Path) -> TextIO:
    """Lock the runtime directory; the lock is held while the returned file is open."""
    absent = capabilities.missing()
    if absent:
        raise UnusableError(
            f"missing {' and '.join(absent)}: run vipd as root, or give it what is missing"
        )
    try:
        runtime_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        lock = open_to_lock(runtime_dir / "vipd.pid")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            process = lock.read(20).strip() or "unknown"
            raise UnusableError(
                f"another vipd (process {process}) runs with {runtime_dir}; stop it "
                "first, or give this one a --runtime-dir of its own"
            ) from None
        _name_us(lock, runtime_dir / "vipd.pid")
        return lock
    except OSError as error:
        raise UnusableError(
            f"cannot use {runtime_dir}: {error}; give --runtime-dir a directory to write to"
        ) from error


def _name_us(lock: TextIO, file: Path) -> None:
    """Write our process ID there, for a process that finds the lock taken. If the disk is full, the
    lock is valid without it."""
    try:
        os.ftruncate(lock.fileno(), 0)
        os.write(lock.fileno(), f"{os.getpid()}\n".encode())
    except OSError as error:
        log.warning(
            "cannot write %s: %s; goes on without: make room in its file system",
            file,
            error,
            extra={"reason": "runtime_dir"},
        )


def _counter(file: Path) -> Counter:
    try:
        return Counter(file)
    except OSError as error:
        log.error(
            "cannot write %s: %s; advertisements are numbered by the clock alone: do not set it "
            "back, and see why the file cannot be written",
            file,
            error,
            extra={"reason": "counter"},
        )
        return Counter(None)


async def _run(
    place: Directories,
    only: str | None,
    outlet: Outlet,
    form: str,
    reading: ReadingProcess | None,
) -> None:
    loop = asyncio.get_running_loop()
    tasks.catch(loop)
    # The collector need not walk over modules and classes again and again. VIPs are created later:
    # it does collect those that end while the daemon runs.
    gc.freeze()
    # What hundreds of masters make in one turn is gone after it, without being looked at.
    gc.set_threshold(_MADE_IN_A_TURN)
    gc.enable()
    guard = Keeper(loop, form)
    guard.start()
    runtime_dir = place.runtime_dir
    owed = set[str]()
    for line in carry_out(str(runtime_dir), owed=owed):
        log.warning("%s", line, extra={"reason": "farewell"})
    counter = _counter(runtime_dir / "sequence")
    netlink = Netlink()
    links = Links(netlink)
    timers = Timers(loop)
    hub, history, tally = Hub(log.logger, afterwards=timers.afterwards), History(), Tally()
    hub.subscribe(history)
    hub.subscribe(tally.count)
    maintenance = Maintenance(place.state_dir)
    children = Children(adopts=os.getpid() == 1)
    checks, tracking = Checks(children, lambda: timers.late_at), Tracking(loop, links)
    groups = Groups(loop.time, loop.call_soon)
    services = Services(
        netlink=netlink,
        links=links,
        secondaries=Secondaries(netlink),
        leases=Renewals(netlink, loop),
        outbox=Outbox(timers, monotonic),
        timers=timers,
        counter=counter,
        clock=monotonic,  # the loop's, without a call of Python
        hub=hub,
        shared=shared(loop, hub, links.macs),
        group_locks=GroupLocks(loop),
        children=children,
        health=Pool({Check: checks.make, Grouped: groups.make, **tracking.makers}),
        groups=groups,
        notifier=Notifier(children, tally),
        wills=CrashCleanup(runtime_dir, owed),
        guard=guard,
        heard=(heard := HeardBefore(loop, runtime_dir / "heard")),
    )
    supervisor = Supervisor(services, loop, maintenance)
    supervisor.interfaces.changed = tracking.links_changed
    tracking.place = supervisor.interfaces.place
    reload = Reload(
        place.config_dir, only, hub, supervisor.apply, lambda: bool(supervisor.runs), reading
    )
    control = Control(supervisor, reload, hub, history, maintenance, place)
    service = Service(supervisor, reload, Notify(os.environ), loop)

    def view() -> "DaemonView":
        from vipd.daemon.metrics.views import look  # only when it is needed

        return look(
            supervisor, reload, maintenance, tally, services.timers, outlet, services.shared.budget
        )

    exporter = Exporter(view)
    if only is None:  # else each vipd of this host would need the same port
        reload.configured = exporter.configure
    end = asyncio.Event()
    for number, act in (
        (signal.SIGTERM, end.set),
        (signal.SIGINT, end.set),
        (signal.SIGHUP, Merged(loop, reload.start)),
        (signal.SIGUSR1, Merged(loop, supervisor.log_states)),
        (signal.SIGUSR2, Merged(loop, supervisor.step_down_all)),
    ):
        loop.add_signal_handler(number, act)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # see vipd.daemon.__main__
    about = {"reason": "start"}
    log.info("vipd %s, configuration in %s", __version__, place.config_dir, extra=about)
    reload.start()
    opening = tasks.start(control.open(), "opening the control socket")
    await end.wait()
    log.info("stopping", extra={"reason": "signal"})
    service.stopping()
    supervisor.stopping = True
    await reload.stop()
    await supervisor.stop()
    hub.settle()
    heard.write()
    await services.notifier.close()
    await checks.gone()
    await tracking.gone()
    opening.cancel()
    await control.close()
    await exporter.close()
    guard.close()
    links.close()
    netlink.close()
