"""VIPs of one GROUP for which the hosts' files want different orders of the hosts."""

from collections.abc import Iterator, Sequence

from vipd.cli.remote.same_vip import Member
from vipd.cli.text import joined, safe

_MOST = 5
"""IDs that are named for each order."""


def contradictions(vips: Sequence[Sequence[Member]]) -> Iterator[str]:
    """One line for each GROUP. ``vips``: each with its members on the hosts. Of hosts with equal
    timing, which has the lower address is not looked at: they have a line of their own."""
    by_group: dict[str, list[Sequence[Member]]] = {}
    for members in vips:
        names = {member.vip.group for member in members}
        if len(names) == 1 and (name := names.pop()):
            by_group.setdefault(name, []).append(members)
    for name, those in sorted(by_group.items()):
        common = set.intersection(*({each.host for each in members} for members in those))
        orders: dict[tuple[str, ...], list[str]] = {}
        for members in those:
            here = [each for each in members if each.host in common]
            here.sort(key=lambda each: (each.vip.advbase, each.vip.advskew))
            hosts = tuple(dict.fromkeys(each.host for each in here))
            orders.setdefault(hosts, []).append(safe(members[0].vip.id))
        if len(orders) > 1:
            told = "; ".join(
                f"{joined(list(map(safe, hosts)), _MOST)} for {joined(ids, _MOST)}"
                for hosts, ids in orders.items()
            )
            yield (
                f"orders within GROUP {safe(name)} differ: {told}: give its VIPs one order of the "
                "hosts (vipctl plan does), or they are not on one host"
            )
