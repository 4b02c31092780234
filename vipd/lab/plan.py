"""What a lab looks like for given configuration directories: interfaces, addresses, networks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from itertools import chain
from pathlib import Path

from vipd.carp.host import by_address
from vipd.carp.rank import Rank, rank
from vipd.config.load import Snapshot, load
from vipd.config.model import VipConfig
from vipd.lab.errors import LabError

DEFAULT_INTERFACE = "eth1"


@dataclass(frozen=True, slots=True)
class HostPlan:
    """One host to be: its interfaces, what runs on it, and the addresses it takes part in.

    `rank`: for each floating address, how this host stands in its election.
    """

    name: str
    interfaces: Mapping[str, tuple[IPv4Interface, ...]]
    config: Path | None = None
    command: tuple[str, ...] | None = None  # runs instead of vipd
    rank: Mapping[IPv4Address, Rank] = field(default_factory=dict)

    def networks(self) -> list[IPv4Network]:
        """Every network it has an address in."""
        return [address.network for address in chain(*self.interfaces.values())]


def plan_bare(name: str, address: IPv4Interface, command: Sequence[str] | None) -> HostPlan:
    """A host that was given its address outright."""
    return HostPlan(name, {DEFAULT_INTERFACE: (address,)}, command=tuple(command or ()) or None)


def plan_from_config(
    name: str, directory: Path, others: Sequence[HostPlan], command: Sequence[str] | None = None
) -> HostPlan:
    """A host for a configuration directory: its BIND_INTERFACEs with its SOURCE_ADDRESSes.

    A VIP without SOURCE_ADDRESS gets a free address of its VIP's network. LabError when no VIP of
    the directory would run.
    """
    snapshot = load(directory)
    if not snapshot.vips:
        raise LabError(_nothing_runs(directory, snapshot))
    taken = {address.ip for plan in others for address in chain(*plan.interfaces.values())}
    interfaces = {}
    for interface in dict.fromkeys(vip.interface for vip in snapshot.vips):
        vips = [vip for vip in snapshot.vips if vip.interface == interface]
        interfaces[interface] = _interface_addresses(vips, taken)
    ranks = {
        address: rank(
            by_address(vip.source or interfaces[vip.interface][0].ip),
            vip.advbase,
            vip.advskew,
            demotion=0,
        )
        for vip in snapshot.vips
        for address in _floating(vip)
    }
    return HostPlan(name, interfaces, directory, tuple(command or ()) or None, ranks)


def preferred(address: IPv4Address, plans: Iterable[HostPlan]) -> str | None:
    """Which of these hosts wins the election for an address."""
    ranks = [(plan.rank[address], plan.name) for plan in plans if address in plan.rank]
    return min(ranks)[1] if ranks else None


def free_address(network: IPv4Network, taken: Iterable[IPv4Address]) -> IPv4Interface:
    """The highest address of a network that nobody uses."""
    used = set(taken)
    for number in range(int(network.broadcast_address) - 1, int(network.network_address), -1):
        if IPv4Address(number) not in used:
            return IPv4Interface((number, network.prefixlen))
    raise LabError(f"no free address left in {network}")


def floating(plans: Iterable[HostPlan]) -> list[IPv4Address]:
    """All IPv4 addresses that the plans' hosts pass around, in order."""
    return sorted({address for plan in plans for address in plan.rank})


def _interface_addresses(
    vips: Sequence[VipConfig], taken: set[IPv4Address]
) -> tuple[IPv4Interface, ...]:
    sources = list(dict.fromkeys(vip.source for vip in vips if vip.source is not None))
    passed_around = [address for vip in vips for address in _floating(vip)]
    network = _network([*sources, *passed_around])
    if not sources:
        sources = [free_address(network, {*taken, *passed_around}).ip]
    taken.update(sources)
    return tuple(IPv4Interface((int(source), network.prefixlen)) for source in sources)


def _network(addresses: Sequence[IPv4Address]) -> IPv4Network:
    """The smallest network, /24 or larger, that holds all of them."""
    network = IPv4Network((int(addresses[0]), 24), strict=False)
    while not all(address in network for address in addresses):
        network = network.supernet()
    return network


def _floating(vip: VipConfig) -> list[IPv4Address]:
    return [address.ip for address in vip.addresses if isinstance(address, IPv4Interface)]


def _nothing_runs(directory: Path, snapshot: Snapshot) -> str:
    found = "".join(
        f"\n{problem.file}:{problem.line}: {problem.message}" for problem in snapshot.problems[:3]
    )
    return (
        f"no VIP in {directory} would run, so there is nothing to see; "
        f"vipctl check --config-dir {directory} says why{found}"
    )
