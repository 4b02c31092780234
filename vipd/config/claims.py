"""Two virtual IPs cannot share a VHID or an address on one interface. The first file keeps it."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from vipd.config.model import VipConfig
from vipd.config.problem import FileLocation, Problem, error, shown


class Claims:
    """The virtual IP that has each VHID and address so far."""

    def __init__(self) -> None:
        self._vhids: dict[tuple[str, int], str] = {}
        self._addresses: dict[tuple[str, IPv4Address | IPv6Address], str] = {}

    def clash(self, vip: VipConfig, places: Mapping[str, FileLocation]) -> Problem | None:
        """Why this one cannot run beside those before it; None when it can: it is then recorded."""
        ours = Path(vip.file).name
        if (theirs := self._vhids.get((vip.device, vip.vhid))) is not None:
            place = places.get("VHID", FileLocation(vip.file))
            return error(
                place,
                f"{ours} has VHID {vip.vhid} on {shown(vip.device)} like {theirs}, so it does "
                "not run",
                _slip(vip, theirs, place),
            )
        for address in vip.moving:
            if (theirs := self._addresses.get((vip.device, address.ip))) is not None:
                return error(
                    places.get("VIP_ADDRESS", FileLocation(vip.file)),
                    f"{ours} has the address {address.ip} like {theirs}, so it does not run",
                    f"give each file its own address; was {ours} copied from {theirs}?",
                )
        self._vhids[vip.device, vip.vhid] = ours
        self._addresses.update({(vip.device, each.ip): ours for each in vip.moving})
        return None


def _slip(vip: VipConfig, theirs: str, place: FileLocation) -> str:
    if place != FileLocation(vip.file):
        own = f'ID="{vip.id}"' if vip.id.isdigit() else "an ID of its own"
        return f"was this line copied from {theirs}? write {own}"
    return "write VHID= with a number that no other file has, the same on every host"
