"""Doubtful PEERS: a list that has this machine in it, or seems to leave a host out."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from vipd.config.model import VipConfig
from vipd.config.problem import Problem, shown, warning
from vipd.config.snapshot import Snapshot
from vipd.linux import sysctls


def problems(snapshot: Snapshot) -> Iterator[Problem]:
    """A warning for each VIP with such a list."""
    here = sysctls.local_addresses()
    unicast = [vip for vip in snapshot.vips if vip.peers]
    for vip in unicast:
        place = snapshot.place(vip, "PEERS")
        for peer in vip.peers or ():
            if str(peer) in here and peer != vip.source_of(peer.version):
                yield warning(
                    place,
                    f"PEERS has {peer}, which is an address of this machine",
                    "write the addresses of the other hosts only",
                )
        for missing, other in _left_out(vip, unicast):
            yield warning(
                place,
                f"{missing} is in PEERS of {shown(Path(other.file).name)}, and not here; a host "
                "that has this VIP and is left out becomes a second owner",
                f"add {missing}, unless that host does not have this VIP",
            )


def _left_out(
    vip: VipConfig, unicast: list[VipConfig]
) -> Iterator[tuple[IPv4Address | IPv6Address, VipConfig]]:
    """Hosts that another VIP on the interface has, with all hosts of this one; the first of those
    VIPs each."""
    ours = set(vip.peers or ())
    seen: set[IPv4Address | IPv6Address] = set()
    for other in unicast:
        theirs = set(other.peers or ())
        if other.device == vip.device and ours < theirs:
            for missing in sorted(theirs - ours - seen, key=str):
                if missing.version in vip.families:
                    seen.add(missing)
                    yield missing, other
