"""A lab for the command line: planned hosts, their daemons, and an observer of all addresses."""

import json
import sys
import time
from collections.abc import Sequence
from ipaddress import ip_address
from itertools import chain

from vipd.lab import stand_ins
from vipd.lab.errors import LabError
from vipd.lab.host import RUNTIME_DIR
from vipd.lab.lab import Lab
from vipd.lab.observer import NOTICEABLE, Gap, Watch
from vipd.lab.plan import AnyNetwork, HostPlan, floating, free_address, in_order
from vipd.lab.process import Process
from vipd.linux.addresses import AnyAddress

_STATUS = (sys.executable, "-m", "vipd.cli.main", "status", "--json", "--runtime-dir", RUNTIME_DIR)


class Site:
    """Hosts made from plans in a lab; an observer pings all floating addresses all the time."""

    def __init__(self, lab: Lab, plans: Sequence[HostPlan], extra: Sequence[AnyAddress]) -> None:
        """`extra`: addresses to watch besides those in the configurations."""
        self.lab = lab
        self.plans = {plan.name: plan for plan in plans}
        self.addresses = [str(address) for address in in_order([*floating(plans), *extra])]
        self.daemons: dict[str, Process] = {}
        segments = _segments(plans)
        unused = sorted({d for plan in plans for d, found in plan.interfaces.items() if not found})
        spare = {device: f"spare{number}" for number, device in enumerate(unused, 1)}
        for plan in plans:
            lab.host(
                plan.name,
                interfaces={
                    device: [str(address) for address in addresses]
                    for device, addresses in plan.interfaces.items()
                },
                bridge={
                    device: segments[addresses[0].network] if addresses else spare[device]
                    for device, addresses in plan.interfaces.items()
                },
            )
        self.watch = self._observe(plans, segments)

    def _observe(self, plans: Sequence[HostPlan], segments: dict[AnyNetwork, str]) -> Watch:
        taken = {address.ip for plan in plans for address in chain(*plan.interfaces.values())}
        taken.update(map(ip_address, self.addresses))
        # It is the router, too, for those that ask for one.
        routers = in_order(each for plan in plans for each in plan.gateways)
        interfaces: dict[str, list[str]] = {}
        for network, segment in segments.items():
            own = free_address(network, {*taken, *routers})
            interfaces.setdefault(segment, []).append(str(own))
            interfaces[segment] += [
                f"{each}/{network.prefixlen}"
                for each in routers
                if each in network and each not in taken
            ]
        observer = self.lab.observer(interfaces=interfaces, bridge={s: s for s in interfaces})
        return observer.watch(*self.addresses, answer_within=None)

    def start(self, name: str) -> Process:
        """Start the process of a host's plan: its command, or vipd on its configuration."""
        running = self.daemons.get(name)
        if running is not None and running.alive:
            raise LabError(f"{running!r} runs already")
        plan, host = self.plans[name], self.lab.hosts[name]
        if plan.command:
            self.daemons[name] = host.start(plan.command)
        elif plan.config is not None:
            self.daemons[name] = host.vipd(stand_ins.install(host, plan.config, plan.played))
        else:
            raise LabError(f"nothing to start on {name}: give it --command '{name}=…'")
        return self.daemons[name]

    def start_all(self) -> None:
        """Start the process of every host that has one in its plan."""
        for name, plan in self.plans.items():
            if plan.command or plan.config is not None:
                self.start(name)

    def daemon(self, name: str) -> Process:
        """The process on a host; LabError if none was started."""
        if name not in self.daemons:
            raise LabError(f"nothing has been started on {name}")
        return self.daemons[name]

    def verdict(self, name: str, reason: str) -> bool | None:
        """What vipd on a host says about a check or tracked thing; None: nothing (yet)."""
        done = self.lab.hosts[name].run(_STATUS)
        try:
            vips = json.loads(done.stdout)["vips"]
        except (ValueError, KeyError):  # it does not answer
            return None
        found = {each["well"] for vip in vips for each in vip["findings"] if each["name"] == reason}
        return found.pop() if len(found) == 1 else None

    def settle(self, quiet: float, timeout: float, *, all_answer: bool = False) -> None:
        """Wait until no address has changed its owner or failed to answer for `quiet` seconds.

        `all_answer`: wait also until each address has answered at least once. Returns after
        `timeout` seconds at the latest: an address may never come back.
        """
        start = time.time()
        while (now := time.time()) < start + timeout:
            last = max([start, *map(self._last_event, self.addresses)])
            unseen = all_answer and not all(map(self.watch.answers, self.addresses))
            if now - last >= quiet and not unseen:
                return
            time.sleep(0.05)

    def _last_event(self, address: str) -> float:
        """The last time when the address changed its owner or came back; now while it is away."""
        changes = self.lab.ownership(address).changes[-1:]
        gaps = self.watch.gaps(address)[-1:]
        return max(
            [change.time for change in changes] + [gap.start + gap.seconds for gap in gaps],
            default=0.0,
        )

    def worst_gaps(self, since: float) -> list[Gap]:
        """The longest noticeable gap of each address that ended after `since`."""
        worst = []
        for address in self.addresses:
            gaps = self.watch.gaps(address, over=NOTICEABLE, since=since)
            worst += sorted(gaps, key=lambda gap: gap.seconds)[-1:]
        return worst


def _segments(plans: Sequence[HostPlan]) -> dict[AnyNetwork, str]:
    """A bridge for each network. Networks that overlap share one, whatever the interface names, and
    so do those of one interface."""
    segments: dict[AnyNetwork, str] = {}
    for addresses in (each for plan in plans for each in plan.interfaces.values()):
        networks = [address.network for address in addresses]
        shared = [
            name
            for known, name in segments.items()
            if any(known.version == n.version and known.overlaps(n) for n in networks)
        ]
        name = shared[0] if shared else f"lan{len(set(segments.values())) + 1}"
        for network in networks:
            segments.setdefault(network, name)
    return segments
