"""From what is wanted to a plan: the VIPs with their advskews, and the files of each host."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from vipd.cli.planning.before import Before, files_of
from vipd.cli.planning.files import COMMON, Files, Item, PlanError, common_file, vip_file
from vipd.cli.planning.orders import Order, Task, orders
from vipd.cli.planning.skews import skews
from vipd.cli.planning.words import MOST_HOSTS, MOST_VHID, AnyInterface


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the plan is to be for. `hosts`: name → sources (empty: as in its files). `weights`:
    in the order of the hosts. `pins`: address → host. `addresses`: empty for those of the files.
    `first`: the lowest VHID for new ones. `groups`: address → GROUP, of new ones. `interface` and
    `password`: for files that are made from nothing."""

    hosts: Mapping[str, tuple[str, ...]]
    addresses: Sequence[AnyInterface]
    weights: tuple[int, ...]
    pins: Mapping[object, str]
    interface: str = ""
    password: str = ""
    before: Mapping[str, Before] = field(default_factory=dict)
    first: int = 1
    groups: Mapping[object, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Design:
    """A plan. `task`: what its orders were made for: the VIPs of one GROUP count as one address.
    `units`: of each item, the number of its address in `task`."""

    hosts: tuple[str, ...]
    task: Task
    items: tuple[Item, ...]
    files: Mapping[str, Files]
    units: tuple[int, ...]

    def of_units(self, found: Sequence[Order]) -> list[Order]:
        """Of the orders of all items, those of the addresses in `task`."""
        first: dict[int, Order] = {}
        for unit, order in zip(self.units, found, strict=True):
            first.setdefault(unit, order)
        return list(first.values())

    def names(self, order: Sequence[int]) -> list[str]:
        """The names of hosts that are numbers."""
        return [self.hosts[host] for host in order]


def design(wanted: Wanted) -> Design:
    """Make the plan. PlanError when it cannot be."""
    hosts = tuple(wanted.hosts)
    if not 2 <= len(hosts) <= MOST_HOSTS:
        raise PlanError(f"{len(hosts)} hosts: a plan is for 2 to {MOST_HOSTS}")
    own = {ip_address(each) for sources in wanted.hosts.values() for each in sources}
    for address in wanted.addresses:
        if address.ip in own:
            raise PlanError(f"{address.ip} is the own address of a host: it cannot float")
    drafts = _vips(wanted)
    if not drafts:
        raise PlanError("name at least one ADDRESS")
    units = _units(drafts)
    firsts = [draft for n, draft in enumerate(drafts) if units.index(units[n]) == n]
    task = Task(
        wanted.weights,
        tuple(_kept(draft.id, hosts, wanted.before) for draft in firsts),
        _pins(wanted, drafts, units),
    )
    found = orders(task)
    items = tuple(
        replace(draft, advskew=_skews(draft.id, found[unit], hosts, wanted.before))
        for draft, unit in zip(drafts, units, strict=True)
    )
    files = {host: _files(host, items, wanted) for host in hosts}
    return Design(hosts, task, items, files, units)


def _units(drafts: Sequence[Item]) -> tuple[int, ...]:
    """Of each VIP, the number of what has one owner: it alone, or its GROUP."""
    numbers: dict[tuple[str, str], int] = {}
    keys = ((draft.group, "" if draft.group else draft.id) for draft in drafts)
    return tuple(numbers.setdefault(key, len(numbers)) for key in keys)


def _files(host: str, items: Sequence[Item], wanted: Wanted) -> Files:
    sources = wanted.hosts[host]
    if wanted.before:
        return files_of(host, sources, items, wanted.before)
    files = {COMMON: common_file(wanted.interface, sources, wanted.password)}
    return files | {item.file: vip_file(item, host, {}) for item in items}


def _vips(wanted: Wanted) -> list[Item]:
    """The VIPs of the plan, still without advskews: those of the files that are wanted, by their
    ID, then the new ones."""
    there: dict[str, Item] = {}
    for host in wanted.before.values():
        for vip in host.vips.values():
            floating = tuple(sorted(map(str, vip.addresses)))
            item = Item(vip.id, vip.vhid, floating, {}, vip.group)
            if (known := there.setdefault(vip.id, item)) != item:
                raise PlanError(
                    f"{known.file} has another VHID, VIP_ADDRESS or GROUP on {host.name} than on "
                    "others: make it the same on all hosts first"
                )
    if not wanted.addresses:
        return list(there.values())
    owner = {_ip(text): item for item in there.values() for text in item.addresses}
    kept = {owner[each.ip].id for each in wanted.addresses if each.ip in owner}
    new = [each for each in wanted.addresses if each.ip not in owner]
    taken = {item.vhid for item in there.values() if item.id in kept}
    taken |= {int(each) for each in kept if each.isdecimal()}
    free = [vhid for vhid in range(wanted.first, MOST_VHID + 1) if vhid not in taken]
    if len(new) > len(free):
        raise PlanError(
            f"{len(new)} new addresses, and only {len(free)} free VHIDs from {wanted.first} to "
            f"{MOST_VHID}"
        )
    made = [
        Item(f"{vhid:03}", vhid, (_text(address),), {}, wanted.groups.get(address.ip, ""))
        for vhid, address in zip(free, new, strict=False)
    ]
    return [item for item in there.values() if item.id in kept] + made


def _pins(wanted: Wanted, drafts: Sequence[Item], units: Sequence[int]) -> dict[int, int]:
    numbers = {
        _ip(text): unit
        for draft, unit in zip(drafts, units, strict=True)
        for text in draft.addresses
    }
    names = list(wanted.hosts)
    found: dict[int, int] = {}
    for address, name in wanted.pins.items():
        if address not in numbers:
            raise PlanError(f"--pin {address}={name}: {address} is not in the plan")
        first = found.setdefault(numbers[address], names.index(name))
        if names[first] != name:
            raise PlanError(f"--pin {address}={name}: {names[first]} has another VIP of its GROUP")
    return found


def _kept(vip_id: str, hosts: Sequence[str], before: Mapping[str, Before]) -> Order:
    """The order that a VIP has now, of the hosts that stay."""
    ranks = {
        number: (vip.advbase, vip.advskew, str(vip.source or vip.source_ipv6), number)
        for number, name in enumerate(hosts)
        if name in before and (vip := before[name].vips.get(vip_id))
    }
    return tuple(sorted(ranks, key=lambda number: ranks[number]))


def _skews(
    vip_id: str, order: Order, hosts: Sequence[str], before: Mapping[str, Before]
) -> dict[str, int]:
    there = {
        name: before[name].vips[vip_id].advskew
        for name in hosts
        if name in before and vip_id in before[name].vips
    }
    return skews([hosts[number] for number in order], there)


def _ip(text: str) -> object:
    return ip_address(text.partition("/")[0])


def _text(address: AnyInterface) -> str:
    """Without the length that is meant anyway."""
    whole = address.network.prefixlen == address.max_prefixlen
    return str(address.ip) if whole else str(address)
