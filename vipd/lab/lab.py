"""The lab: hosts on this machine, joined by bridges, in a private namespace.

    with Lab() as lab:
        web01 = lab.host("web01", "198.51.100.179/24")
        web02 = lab.host("web02", "198.51.100.180/24")
        web01.vipd("conf.d.example/web01")
        web02.vipd("conf.d.example/web02")
        lab.wait_owner("198.51.100.154", "web01")

The machine's own network is not changed, and nothing is left behind: when this process ends, in
whatever way, the kernel kills all processes in the namespace, and deletes the namespace.
"""

import itertools
import os
import time
from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_interface
from pathlib import Path
from types import TracebackType

from vipd.lab.anchor import start_world
from vipd.lab.errors import LabError, require
from vipd.lab.host import Cable, Host
from vipd.lab.logs import Logs
from vipd.lab.observer import Observer
from vipd.lab.ownership import Ownership, timeline
from vipd.lab.waiting import wait_until

BRIDGE = "lan"


class Lab:
    """A context manager; without `with`, call close().

    `keep_logs`: a directory for the logs of all processes, which is kept. `history=False`: no
    address monitors, and thus no ownership(), for labs in which even these would cost too much.
    LabError when programs or permissions are missing.
    """

    def __init__(self, *, keep_logs: Path | None = None, history: bool = True) -> None:
        require("unshare", "mount", "ip", "fping")
        self.hosts: dict[str, Host] = {}
        self._history = history
        self._closed = False
        self._logs = Logs(keep_logs)
        self._log = self._logs.open("lab", "boot")
        self._bridges: set[str] = set()
        self._ports = itertools.count(1)
        self._world, self._process = start_world(self._log)

    def __enter__(self) -> "Lab":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything in the lab. Returns when it has ended; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._world.close()  # ends the hosts, too
        self._process.wait()
        for host in self.hosts.values():
            host.close()
        os.close(self._log)

    # -- hosts

    def host(
        self,
        name: str,
        *addresses: str,
        interface: str = "eth1",
        interfaces: Mapping[str, Sequence[str]] | None = None,
        bridge: str | Mapping[str, str] = BRIDGE,
    ) -> Host:
        """Make a host, switched on and cabled.

        Either `addresses` (with prefix length) on one `interface`, or `interfaces`: name →
        addresses. All are connected to one bridge unless `bridge` names another, or one for each
        interface.
        """
        if name in self.hosts:
            raise LabError(f"there is a host {name!r} already")
        wanted = {interface: addresses} if interfaces is None else dict(interfaces)
        cables = [
            Cable(
                interface=device,
                port=f"port{next(self._ports)}",
                bridge=bridge if isinstance(bridge, str) else bridge.get(device, BRIDGE),
                addresses=tuple(str(ip_interface(address)) for address in given),
            )
            for device, given in wanted.items()
        ]
        self._make_bridges({cable.bridge for cable in cables})
        host = Host(self._world, self._logs, name, cables, keep_history=self._history)
        self.hosts[name] = host
        return host

    def _make_bridges(self, names: set[str]) -> None:
        new = sorted(names - self._bridges)
        commands = [f"link add {name} up type bridge mcast_snooping 0" for name in new]
        if commands:
            self._world.must(["ip", "-batch", "-"], text="\n".join(commands))
            self._bridges.update(new)

    def bridge(self, name: str, value: str, bridge: str = BRIDGE) -> None:
        """Set an option of a bridge, by its name in ip-link(8): `mcast_snooping`, `1`."""
        self._world.must(["ip", "link", "set", bridge, "type", "bridge", name, value])

    def observer(
        self,
        *addresses: str,
        name: str = "observer",
        interfaces: Mapping[str, Sequence[str]] | None = None,
        bridge: str | Mapping[str, str] = BRIDGE,
    ) -> Observer:
        """Make a host that only observes; arguments as for host()."""
        host = self.host(name, *addresses, interfaces=interfaces, bridge=bridge)
        return Observer(host)

    # -- owners of addresses

    def owners(self, address: str) -> list[str]:
        """The hosts whose kernel has this address now, sorted by name."""
        wanted = str(ip_address(address))
        return sorted(name for name, host in self.hosts.items() if wanted in host.addresses())

    def wait_owner(
        self, address: str, owner: str | None, *, timeout: float = 30.0, stable: float = 0.0
    ) -> None:
        """Wait until only this host (None: no host) has owned the address for `stable` seconds.

        TimeoutError after `timeout` seconds; its message shows the owners and the logs' tails.
        """
        expected = [] if owner is None else [owner]
        owners: list[str] = []
        right_since: float | None = None

        def look() -> bool | None:
            nonlocal owners, right_since
            owners = self.owners(address)
            if owners != expected:
                right_since = None
                return None
            if right_since is None:
                right_since = time.monotonic()
            return True if time.monotonic() - right_since >= stable else None

        wait_until(
            look,
            timeout=timeout,
            interval=0.05,
            complaint=lambda: (
                f"{address} should belong to {owner or 'nobody'} within {timeout:g} s, "
                f"but belongs to {' and '.join(owners) or 'nobody'}{self.tails()}"
            ),
        )

    def ownership(self, address: str) -> Ownership:
        """The owners of this address over time, since the lab began."""
        if not self._history:
            raise LabError("this lab keeps no history: make it without history=False")
        until = time.time()
        return timeline(address, (host.history for host in self.hosts.values()), until)

    def tails(self) -> str:
        """The ends of the logs of all processes that the caller started, for an error message."""
        return "".join(
            process.tail()
            for host in self.hosts.values()
            for process in host.processes
            if not process.name.startswith("ping-")
        )
