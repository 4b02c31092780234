"""Who owns each address, by what all hosts answered at about the same moment."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from vipd.carp.states import State
from vipd.cli.remote.states import HostState, VipThere


@dataclass(frozen=True, slots=True)
class Row:
    """Addresses that move together on all hosts. `cells`: for each host, the VIP that has them
    there; None: none, or no answer. `owners`: names of the hosts that have them now. `others`:
    source addresses of masters that backups hear, and that are none of the hosts that answered:
    a host that was not asked, or that does not answer."""

    id: str
    addresses: tuple[str, ...]
    cells: tuple[VipThere | None, ...]
    owners: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def owned_once(self) -> bool:
        """Whether exactly one host owns them."""
        return len(self.owners) + len(self.others) == 1


def rows(hosts: Sequence[HostState]) -> list[Row]:
    """One row for all addresses of VIP_ADDRESS that the same VIPs of the same hosts have; by ID."""
    where: dict[str, list[tuple[int, VipThere]]] = {}
    for column, host in enumerate(hosts):
        for vip in host.vips:
            for each in dict.fromkeys(vip.addresses):
                where.setdefault(each, []).append((column, vip))
    together: dict[tuple[tuple[int, int], ...], list[str]] = {}
    for address, places in where.items():
        together.setdefault(tuple((n, id(vip)) for n, vip in places), []).append(address)
    known = {each for host in hosts for vip in host.vips for each in vip.sources}
    found = [_row(hosts, each, where[each[0]], known) for each in together.values()]
    return sorted(found, key=lambda row: (row.id, _order(row.addresses[0])))


def _order(address: str) -> tuple[int, int]:
    ip = ip_address(address)
    return ip.version, int(ip)


def _row(
    hosts: Sequence[HostState],
    addresses: list[str],
    places: list[tuple[int, VipThere]],
    known: set[str],
) -> Row:
    cells: list[VipThere | None] = [None] * len(hosts)
    for column, vip in places:
        before = cells[column]
        if before is None or vip.state is State.MASTER:
            cells[column] = vip
    masters = [hosts[n].name for n, vip in _masters(places)]
    heard = {vip.master for _, vip in places if vip.state is State.BACKUP and vip.master}
    return Row(
        places[0][1].id,
        tuple(addresses),
        tuple(cells),
        tuple(dict.fromkeys(masters)),
        tuple(sorted(heard - known)),
    )


def _masters(places: Iterable[tuple[int, VipThere]]) -> list[tuple[int, VipThere]]:
    """A master that leaves answers until it hears its successor, so that there is always one: it
    counts as long as there is no other."""
    masters = [(n, vip) for n, vip in places if vip.state is State.MASTER]
    return [(n, vip) for n, vip in masters if not vip.leaving] or masters


def twice(hosts: Sequence[HostState]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Addresses of EXTRA_ADDRESSES that several hosts own, and which. That nobody owns one is no
    fault: not every host needs to know them."""
    owners: dict[str, list[tuple[int, VipThere]]] = {}
    extras = {each for host in hosts for vip in host.vips for each in vip.extra}
    for column, host in enumerate(hosts):
        for vip in host.vips:
            for each in extras.intersection((*vip.extra, *vip.addresses)):
                owners.setdefault(each, []).append((column, vip))
    for address, places in sorted(owners.items()):
        names = tuple(dict.fromkeys(hosts[n].name for n, _ in _masters(places)))
        if len(names) > 1:
            yield address, names
