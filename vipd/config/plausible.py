"""Settings that are valid alone, and wrong or doubtful in combination."""

import re
from collections.abc import Iterator, Mapping

from vipd.config.model import VipConfig
from vipd.config.problem import FileLocation, Problem, error, warning

#: What may be an address, whatever stands around it (https://[2001:db8::1]:443/).
_IPV4, _IPV6 = re.compile(r"(?<!\d)(?:\d{1,3}\.){3}\d{1,3}"), re.compile(r"[0-9a-f:.]+")


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
    if vip.peers is not None:
        yield from _peers(vip, places.get("PEERS", start))
    for gateway in vip.track_gateway:
        if any(gateway.address == moving.ip for moving in vip.moving):
            yield error(
                places.get("TRACK_GATEWAY", start),
                f"TRACK_GATEWAY has {gateway.address}, which moves with this VIP: its owner never "
                "hears an answer",
                "write the address of another machine, the next router most likely",
            )
    yield from _shared_checks(vip, places, start)
    yield from _lease(vip, places.get("LEASE", start))
    yield from _unguarded(vip, places, start)


def _shared_checks(
    vip: VipConfig, places: Mapping[str, FileLocation], start: FileLocation
) -> Iterator[Problem]:
    """Checks that ask a floating address, and thus the same host on all hosts."""
    moving = {str(address.ip) for address in vip.moving}
    where = {key.lower(): place for key, place in places.items()}
    for check in vip.checks:
        for address in sorted(moving & _addresses(" ".join(check.command).lower())):
            yield warning(
                where.get(f"check_{check.name}", start),
                f"CHECK_{check.name.upper()} names {address}, which moves with this VIP: a backup "
                "asks the master's service with it, so all hosts are sick at once, and nothing "
                "moves",
                "write this host's own address, or 127.0.0.1",
            )


def _unguarded(
    vip: VipConfig, places: Mapping[str, FileLocation], start: FileLocation
) -> Iterator[Problem]:
    """What keeps the addresses of a vipd that is frozen or killed on two hosts."""
    if vip.lease == "off":
        yield warning(
            places.get("LEASE", start),
            "LEASE=off: a vipd that is frozen or starved keeps its addresses while another host "
            "takes over: two own them until it runs again, or is killed",
            "write LEASE=auto, or remove LEASE",
        )
    if vip.manage_address != "no" or vip.guards_script:
        return
    if vip.downscript is None:
        key, why = "MANAGE_ADDRESS", "MANAGE_ADDRESS=no and no DOWNSCRIPT that can run"
        hint = "give a DOWNSCRIPT that removes them, or write MANAGE_ADDRESS=yes"
    else:
        key, why = "GUARD_SCRIPT", "MANAGE_ADDRESS=no and GUARD_SCRIPT=no"
        hint = "remove GUARD_SCRIPT, or write MANAGE_ADDRESS=yes"
    yield warning(
        places.get(key, start),
        f"{why}: nobody removes the addresses of a vipd that is killed or frozen, so that two "
        "hosts own them",
        hint,
    )


def _addresses(text: str) -> set[str]:
    """What may be addresses in it; takes time in proportion to its length."""
    words = _IPV6.findall(text)
    return {*_IPV4.findall(text), *words, *(word.strip(":.") for word in words)}


def _peers(vip: VipConfig, place: FileLocation) -> Iterator[Problem]:
    for address in {address.ip for address in vip.addresses}.intersection(vip.peers or ()):
        yield error(
            place,
            f"PEERS has {address}, which is also in VIP_ADDRESS",
            "write each host's own address here; the floating one moves between hosts",
        )
    for source in {vip.source, vip.source_ipv6}.intersection(vip.peers or ()):
        yield warning(
            place,
            f"PEERS has {source}, which is this host's own SOURCE_ADDRESS; nothing is sent to it",
            "write the addresses of the other hosts only",
        )
    number = {v: sum(peer.version == v for peer in vip.peers or ()) for v in vip.families}
    if len(set(number.values())) > 1:
        yield warning(
            place,
            f"PEERS has {number[4]} IPv4 and {number[6]} IPv6 addresses: a host may be left out",
            "write the addresses of every other host in one family, or in both",
        )
    if vip.nomcast or str(vip.mcast) != "224.0.0.18":
        yield warning(
            place,
            "--nomcast and --mcast have no effect beside PEERS: advertisements go to these hosts",
            "remove the option, or PEERS",
        )


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
