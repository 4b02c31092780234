"""Settings that are valid alone, and wrong or doubtful in combination."""

from collections.abc import Iterator, Mapping

from vipd.config.model import VipConfig
from vipd.config.problem import FileLocation, Problem, error, warning


def problems(vip: VipConfig, places: Mapping[str, FileLocation]) -> Iterator[Problem]:
    """Problems of the combination. ``places``: where the settings stand."""
    start = FileLocation(vip.file)
    if vip.advbase == 0:
        what = "ucarp peers flap with it"
        if vip.advskew == 0:
            what = "ucarp refuses to start with it"
        yield warning(
            places.get("advbase", start),
            f"--advbase=0 works between vipd and BSD hosts only; {what}",
            "write --advbase=1 unless every host of the group runs vipd or a BSD",
        )
    if vip.manage_address == "no" and vip.upscript is None:
        yield warning(
            places.get("MANAGE_ADDRESS", start),
            "MANAGE_ADDRESS=no and no UPSCRIPT that can run: nobody adds the address",
            "write MANAGE_ADDRESS=auto, or give an UPSCRIPT that adds it",
        )
    shared = {address.ip for address in vip.addresses}
    for extra in vip.extra_addresses:
        if extra.address.ip in shared:
            yield error(
                places.get("EXTRA_ADDRESSES", start),
                f"{extra.address.ip} is also in VIP_ADDRESS",
                "remove one of the two: EXTRA_ADDRESSES if the other hosts have it in VIP_ADDRESS",
            )
    yield from _lease(vip, places.get("LEASE", start))


def _lease(vip: VipConfig, place: FileLocation) -> Iterator[Problem]:
    """A lease of seconds must outlive the time between renewals, and not much more."""
    if isinstance(vip.lease, str):
        return
    longest = vip.longest_lease
    if vip.lease < vip.shortest_lease:
        yield error(
            place,
            f"LEASE={vip.lease} would lapse between two advertisements, which renew it every "
            f"{vip.interval:.3g} s and may be a little late",
            f"write LEASE=auto (here {longest} s)",
        )
    elif vip.lease > longest:
        yield warning(
            place,
            f"LEASE={vip.lease}: two hosts own the address for that long after a freeze, "
            f"because a backup takes over after {longest} s",
            f"write LEASE=auto (here {longest} s)",
        )
