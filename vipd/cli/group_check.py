"""For `vipctl check`: GROUPs that are most likely mistakes."""

from collections.abc import Iterator

from vipd.cli.text import joined
from vipd.config.model import VipConfig
from vipd.config.problem import Problem, shown, warning
from vipd.config.snapshot import Snapshot


def problems(snapshot: Snapshot) -> Iterator[Problem]:
    """A warning for each GROUP with one VIP, and for each whose VIPs do not come home together."""
    members: dict[str, list[VipConfig]] = {}
    for vip in snapshot.vips:
        if vip.group:
            members.setdefault(vip.group, []).append(vip)
    for name, vips in sorted(members.items()):
        if len(vips) == 1 and not snapshot.failed:  # a file with errors may be another
            others = sorted(members.keys() - {name})
            known = f" (there is {joined(others, 5)}, too)" if others else ""
            yield warning(
                snapshot.place(vips[0], "GROUP"),
                f"GROUP={name} has no other VIP on this host{known}, so that it has no effect",
                f"write the same GROUP into the files of the others, or remove it from "
                f"{shown(vips[0].file, 200)}",
            )
        without = [vip for vip in vips if not vip.preempt]
        if without and len(without) < len(vips):
            yield warning(
                snapshot.place(without[0], "OPTIONS"),
                f"of GROUP={name}, {joined([vip.id for vip in without], 5)} has no --preempt, and "
                "others have: after a failure only those come back to this host",
                "write --preempt into the OPTIONS of all of them, or of none",
            )
