"""The vipd program: options, signals, and the loop."""

import argparse
import asyncio
import fcntl
import gc
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from vipd import __version__
from vipd.config.fields import Check
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
from vipd.daemon.files.reload import Reload
from vipd.daemon.guard.keeper import Keeper
from vipd.daemon.health.checks import Checks
from vipd.daemon.health.pool import Pool
from vipd.daemon.health.tracking import Tracking
from vipd.daemon.log import logger
from vipd.daemon.log.formats import FORMS
from vipd.daemon.log.logger import log
from vipd.daemon.log.outlet import Outlet
from vipd.daemon.metrics.server import Exporter
from vipd.daemon.service.notify import Notify
from vipd.daemon.service.service import Service
from vipd.daemon.vips.counter import Counter
from vipd.daemon.vips.group_lock import GroupLocks
from vipd.daemon.vips.interface import shared
from vipd.daemon.vips.renewals import Renewals
from vipd.daemon.vips.secondaries import Secondaries
from vipd.daemon.vips.services import Services
from vipd.daemon.vips.supervisor import Supervisor
from vipd.daemon.vips.timers import Timers
from vipd.linux import capabilities, heap, realtime, standard_files
from vipd.linux.links import Links
from vipd.linux.netlink import Netlink

if TYPE_CHECKING:
    from vipd.daemon.metrics.families import DaemonView


class UnusableError(Exception):
    """vipd cannot run at all; the text says why and what to do. ``status`` is the exit status: 2
    for a wrong command line, which another try would not correct."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


#: The signals' meanings, for --help and the manual page.
SIGNALS = {
    "HUP": "read the files again; a file that is gone counts at once",
    "USR1": "log every VIP's state, as ucarp does",
    "USR2": "hand every address over, and stay backup for 3 s",
    "TERM, INT": "hand every address over, and end",
}
EXIT_STATUS = (
    "0 after TERM or INT; 1 if vipd cannot run at all, and the log says why; 2 for wrong usage, or "
    "a NAME that has no file."
)


def parser() -> argparse.ArgumentParser:
    """The command line of vipd."""
    options = argparse.ArgumentParser(
        prog="vipd",
        description="Keep floating IP addresses on exactly one host each, speaking CARP with the "
        "other hosts. Runs in the foreground.",
        epilog=f"Signals: {'; '.join(f'{name}: {what}' for name, what in SIGNALS.items())}. "
        f"Exit status: {EXIT_STATUS}",
    )
    options.add_argument(
        "--config-dir",
        type=Path,
        default=Path("/etc/ucarp"),
        metavar="DIR",
        help="where vip-NNN.conf and vip-common.conf are (default: %(default)s)",
    )
    options.add_argument(
        "--only",
        metavar="NAME",
        help="run the one VIP of vip-NAME.conf (or of the file vip-NAME), for a service of its own",
    )
    options.add_argument(
        "--runtime-dir",
        type=Path,
        default=Path("/run/vipd"),
        metavar="DIR",
        help="where vipd keeps what must survive a restart of it (default: %(default)s)",
    )
    options.add_argument(
        "--state-dir",
        type=Path,
        default=Path("/var/lib/vipd"),
        metavar="DIR",
        help="where vipd keeps what must survive a reboot: what is in maintenance "
        "(default: %(default)s)",
    )
    options.add_argument(
        "--group",
        default="vipd",
        metavar="GROUP",
        help="whose members may use the control socket, as root may (default: %(default)s)",
    )
    options.add_argument(
        "--log-level",
        choices=logger.LEVELS,
        default="info",
        metavar="LEVEL",
        help=f"{', '.join(logger.LEVELS)} (default: %(default)s)",
    )
    options.add_argument(
        "--log-format",
        choices=FORMS,
        default="text",
        metavar="FORM",
        help="text: the words of ucarp; kv: key=value; json: an object a line "
        "(default: %(default)s)",
    )
    options.add_argument(
        "--realtime",
        action="store_true",
        help="run before all ordinary processes (SCHED_RR) and keep our memory from being swapped "
        "out, as far as it is permitted",
    )
    options.add_argument("--version", action="version", version=f"vipd {__version__}")
    return options


def main() -> None:
    options = parser().parse_args()
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
            asyncio.run(_run(place, only, outlet, options.log_format))
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


async def _run(place: Directories, only: str | None, outlet: Outlet, form: str) -> None:
    loop = asyncio.get_running_loop()
    tasks.catch(loop)
    # The collector need not walk over modules and classes again and again. VIPs are created later:
    # it does collect those that end while the daemon runs.
    gc.freeze()
    guard = Keeper(loop, form)
    guard.start()
    runtime_dir = place.runtime_dir
    owed = set[str]()
    for line in carry_out(str(runtime_dir), owed=owed):
        log.warning("%s", line, extra={"reason": "farewell"})
    counter = _counter(runtime_dir / "counter")
    netlink = Netlink()
    links = Links(netlink)
    hub, history = Hub(log.logger), History()
    hub.subscribe(history)
    maintenance = Maintenance(place.state_dir)
    timers, children = Timers(loop), Children(adopts=os.getpid() == 1)
    checks, tracking = Checks(children, lambda: timers.late_at), Tracking(loop, links)
    services = Services(
        netlink=netlink,
        links=links,
        secondaries=Secondaries(netlink),
        leases=Renewals(netlink, loop),
        timers=timers,
        counter=counter,
        clock=loop.time,
        hub=hub,
        shared=shared(loop, hub, links.macs),
        group_locks=GroupLocks(loop),
        children=children,
        health=Pool({Check: checks.make, **tracking.makers}),
        wills=CrashCleanup(runtime_dir, owed),
        guard=guard,
    )
    supervisor = Supervisor(services, loop, maintenance)
    supervisor.interfaces.changed = tracking.links_changed
    tracking.place = supervisor.interfaces.place
    reload = Reload(place.config_dir, only, hub, supervisor.apply, lambda: bool(supervisor.runs))
    control = Control(supervisor, reload, hub, history, maintenance, place)
    service = Service(supervisor, reload, Notify(os.environ), loop)
    tally = Tally()
    hub.subscribe(tally.count)

    def view() -> "DaemonView":
        from vipd.daemon.metrics.families import look  # only when it is needed

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
    await checks.gone()
    await tracking.gone()
    opening.cancel()
    await control.close()
    await exporter.close()
    guard.close()
    links.close()
    netlink.close()
