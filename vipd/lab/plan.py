"""Plans a lab for given configuration directories: interfaces, addresses, networks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network
from itertools import chain
from pathlib import Path

from vipd.carp.host import by_address
from vipd.carp.rank import Rank, rank
from vipd.config.load import load
from vipd.config.model import VipConfig
from vipd.config.snapshot import Snapshot
from vipd.lab import stand_ins
from vipd.lab.errors import LabError
from vipd.lab.stand_ins import StandIns
from vipd.linux.addresses import AnyAddress, AnyInterface

DEFAULT_INTERFACE = "eth1"

AnyNetwork = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class HostPlan:
    """The plan of one host: its interfaces, its daemon, and the floating addresses that it may own.

    `rank`: for each floating address, the rank of this host in the election. `gateways`: addresses
    of others that have to answer there. `played`: what does not run as the files say.
    """

    name: str
    interfaces: Mapping[str, tuple[AnyInterface, ...]]
    config: Path | None = None
    command: tuple[str, ...] | None = None  # runs instead of vipd
    rank: Mapping[AnyAddress, Rank] = field(default_factory=dict)
    gateways: tuple[AnyAddress, ...] = ()
    played: StandIns = field(default_factory=StandIns)

    def networks(self) -> list[AnyNetwork]:
        """Every network in which it has an address."""
        return [address.network for address in chain(*self.interfaces.values())]


def plan_bare(name: str, address: AnyInterface, command: Sequence[str] | None) -> HostPlan:
    """A host with an address from the command line, without a configuration directory."""
    return HostPlan(name, {DEFAULT_INTERFACE: (address,)}, command=tuple(command or ()) or None)


def plan_from_config(
    name: str,
    directory: Path,
    others: Sequence[HostPlan],
    command: Sequence[str] | None = None,
    *,
    real_checks: bool = False,
) -> HostPlan:
    """A host for a configuration directory: its BIND_INTERFACEs with its SOURCE_ADDRESSes, and the
    other interfaces that are named in it, without an address.

    A VIP without SOURCE_ADDRESS gets a free address of its VIP's network. LabError when no VIP of
    the directory would run. `real_checks`: health checks run, and are not played.
    """
    snapshot = load(directory)
    if not snapshot.vips:
        raise LabError(_nothing_runs(directory, snapshot))
    taken: set[AnyAddress] = {
        address.ip for plan in others for address in chain(*plan.interfaces.values())
    }
    interfaces: dict[str, tuple[AnyInterface, ...]] = {}
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
    for interface in _others(snapshot.vips):
        interfaces.setdefault(interface, ())
    return HostPlan(
        name,
        interfaces,
        directory,
        tuple(command or ()) or None,
        ranks,
        tuple(gateway.address for vip in snapshot.vips for gateway in vip.track_gateway),
        StandIns() if real_checks else stand_ins.of(snapshot),
    )


def preferred(address: AnyAddress, plans: Iterable[HostPlan]) -> str | None:
    """The host of these that wins the election for an address."""
    ranks = [(plan.rank[address], plan.name) for plan in plans if address in plan.rank]
    return min(ranks)[1] if ranks else None


def free_address(network: AnyNetwork, taken: Iterable[AnyAddress]) -> AnyInterface:
    """The highest address of a network that is not used."""
    used = set(taken)
    for number in range(network.num_addresses - 2, 0, -1):
        if network[number] not in used:
            return ip_interface(f"{network[number]}/{network.prefixlen}")
    raise LabError(f"no free address left in {network}")


def floating(plans: Iterable[HostPlan]) -> list[AnyAddress]:
    """All floating addresses of the plans' hosts, in order."""
    return in_order(address for plan in plans for address in plan.rank)


def in_order(addresses: Iterable[AnyAddress]) -> list[AnyAddress]:
    """Each address once, IPv4 before IPv6."""
    return sorted(set(addresses), key=lambda address: (address.version, int(address)))


def _interface_addresses(
    vips: Sequence[VipConfig], taken: set[AnyAddress]
) -> tuple[AnyInterface, ...]:
    """An address of each family that the interface's groups have."""
    found: list[AnyInterface] = []
    for version in (4, 6):
        passed_around = [a for vip in vips for a in _floating(vip) if a.version == version]
        configured = (vip.source_of(version) for vip in vips)
        sources: list[AnyAddress] = [s for s in dict.fromkeys(configured) if s is not None]
        if not passed_around:
            continue
        network = _network([*sources, *passed_around])
        if not sources:
            sources = [free_address(network, {*taken, *passed_around}).ip]
        taken.update(sources)
        found += [ip_interface(f"{source}/{network.prefixlen}") for source in sources]
    return tuple(found)


def _others(vips: Sequence[VipConfig]) -> Iterable[str]:
    """The interfaces that VIPs name besides BIND_INTERFACE."""
    bound = {vip.device for vip in vips}
    named = [each for vip in vips for each in vip.track_interface]
    named += [each.interface for vip in vips for each in vip.extra_addresses if each.interface]
    return [name for name in dict.fromkeys(named) if name not in bound]


def _network(addresses: Sequence[AnyAddress]) -> AnyNetwork:
    """The smallest network, /24 (/64) or larger, that holds all of them."""
    length = 24 if addresses[0].version == 4 else 64
    network = ip_network(f"{addresses[0]}/{length}", strict=False)
    while not all(address in network for address in addresses):
        network = network.supernet()
    return network


def _floating(vip: VipConfig) -> list[AnyAddress]:
    return [address.ip for address in vip.addresses]


def _nothing_runs(directory: Path, snapshot: Snapshot) -> str:
    found = "".join(
        f"\n{problem.file}:{problem.line}: {problem.message}" for problem in snapshot.problems[:3]
    )
    return (
        f"no VIP in {directory} would run, so there is nothing to see; "
        f"vipctl check --config-dir {directory} says why{found}"
    )
