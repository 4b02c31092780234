"""Which VIPs of several hosts are meant to be one, although their files may disagree."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vipd.cli.remote.files import HostFiles, VipFile


@dataclass(frozen=True, slots=True)
class Member:
    """A VIP on one host."""

    host: str
    vip: VipFile


def groups(hosts: Sequence[HostFiles]) -> list[list[Member]]:
    """VIPs of which one has an address of the other; and VIPs with the same ID and VHID, of hosts
    whose VIPs share no address. Members of a group are in the order of the hosts."""
    of_address: dict[str, list[Member]] = {}
    for host in hosts:
        for vip in host.vips:
            group = _joined(of_address, vip)
            group.append(Member(host.name, vip))
            of_address.update(dict.fromkeys(vip.addresses, group))
    distinct = {id(group): group for group in of_address.values()}
    order = {host.name: number for number, host in enumerate(hosts)}
    found = _by_number(distinct.values())
    return [sorted(group, key=lambda member: order[member.host]) for group in found]


def _joined(of_address: dict[str, list[Member]], vip: VipFile) -> list[Member]:
    """One group of all that have an address of this VIP: the largest takes the others in."""
    distinct = {id(group): group for a in vip.addresses if (group := of_address.get(a))}
    if not distinct:
        return []
    largest, *others = sorted(distinct.values(), key=len, reverse=True)
    for other in others:
        largest += other
        for member in other:
            of_address.update(dict.fromkeys(member.vip.addresses, largest))
    return largest


def _by_number(found: Iterable[list[Member]]) -> list[list[Member]]:
    """Join those of the same ID and VHID on different hosts."""
    out: list[list[Member]] = []
    known: dict[tuple[str, int], list[Member]] = {}
    for group in found:
        numbers = {(member.vip.id, member.vip.vhid) for member in group}
        names = {member.host for member in group}
        other = next((known[each] for each in sorted(numbers) if each in known), None)
        if other is not None and names.isdisjoint(member.host for member in other):
            other += group
            known.update(dict.fromkeys(numbers, other))
        else:
            out.append(group)
            known.update(dict.fromkeys(numbers, group))
    return out
