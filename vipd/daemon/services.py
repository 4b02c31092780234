"""What all VIPs share."""

from collections.abc import Callable
from dataclasses import dataclass

from vipd.daemon.children import Children
from vipd.daemon.counter import Counter
from vipd.daemon.hub import Hub
from vipd.daemon.interface import Shared
from vipd.daemon.leases import Leases
from vipd.daemon.rivals import Rivals
from vipd.daemon.secondaries import Secondaries
from vipd.daemon.timers import Timers
from vipd.daemon.wills import Wills
from vipd.linux.links import Links
from vipd.linux.netlink import Netlink


@dataclass(frozen=True, slots=True)
class Services:
    """``clock`` is the event loop's; ``counter`` never repeats a number."""

    netlink: Netlink
    links: Links
    secondaries: Secondaries
    leases: Leases
    timers: Timers
    counter: Counter
    clock: Callable[[], float]
    hub: Hub
    shared: Shared
    rivals: Rivals
    children: Children
    wills: Wills | None = None
