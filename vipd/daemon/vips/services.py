"""The objects that all VIPs share."""

from collections.abc import Callable
from dataclasses import dataclass

from vipd.daemon.base.children import Children
from vipd.daemon.cleanup.wills import CrashCleanup
from vipd.daemon.events.hub import Hub
from vipd.daemon.guard.keeper import Keeper
from vipd.daemon.health.groups import Groups
from vipd.daemon.health.pool import Pool
from vipd.daemon.vips.counter import Counter
from vipd.daemon.vips.group_lock import GroupLocks
from vipd.daemon.vips.heard_before import HeardBefore
from vipd.daemon.vips.interface import Shared
from vipd.daemon.vips.notifier import Notifier
from vipd.daemon.vips.outbox import Outbox
from vipd.daemon.vips.renewals import Renewals
from vipd.daemon.vips.secondaries import Secondaries
from vipd.daemon.vips.timers import Timers
from vipd.linux.links import Links
from vipd.linux.netlink import Netlink


@dataclass(frozen=True, slots=True)
class Services:
    """``clock`` is the event loop's; ``counter`` never repeats a number."""

    netlink: Netlink
    links: Links
    secondaries: Secondaries
    leases: Renewals
    outbox: Outbox
    timers: Timers
    counter: Counter
    clock: Callable[[], float]
    hub: Hub
    shared: Shared
    group_locks: GroupLocks
    children: Children
    health: Pool
    groups: Groups
    notifier: Notifier
    wills: CrashCleanup | None = None
    guard: Keeper | None = None
    heard: HeardBefore | None = None
