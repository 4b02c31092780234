"""What `vipctl doctor` looks at by itself: the kernel's settings, files, the clock. Reads only."""

from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_interface
from pathlib import Path

from vipd.api.io_vipd import Daemon, VipStatus
from vipd.carp.packet import MULTICAST_IPV6
from vipd.carp.states import State
from vipd.cli.finding import Finding
from vipd.cli.origins import files_with, placed
from vipd.cli.subnets import together
from vipd.cli.text import safe, span
from vipd.config.trust import Trust
from vipd.linux import sysctls
from vipd.linux.clock import synchronised
from vipd.linux.names import canonical

LATE = 0.25
"""Seconds of lateness that are reported: a quarter of the usual time between advertisements."""
ALONE = 60.0
"""Seconds after which a master that never heard another host is reported."""


def interfaces(vips: Iterable[VipStatus]) -> Iterator[Finding]:
    """Settings of the kernel that keep clients from the address."""
    routes, networks = sysctls.default_routes(), sysctls.networks()
    addresses: dict[str, set[IPv4Address | IPv6Address]] = {}
    member: set[str] = set()  # interfaces that have to be members of the multicast groups
    for vip in vips:
        if not vip.nomcast and vip.peers is None:
            member.add(canonical(vip.interface))
        here = (ip_interface(each).ip for each in vip.addresses)
        addresses.setdefault(canonical(vip.interface), set()).update(here)
    for name, floating in sorted(addresses.items()):
        around = networks.get(name, set())
        ipv4 = {each for each in floating if isinstance(each, IPv4Address)}
        ipv6 = {each for each in floating if isinstance(each, IPv6Address)}
        if ipv4:
            yield from _arp(name, {a for a in ipv4 if not any(a in net for net in around)})
            yield from _paths(name, routes, networks)
        if ipv6:
            yield from _ipv6(name, ipv6, name in member)
        if name in member and not sysctls.has_multicast(name):
            yield Finding(
                safe(name),
                "multicast is switched off on it, so that other hosts may not be heard",
                f"ip link set {safe(name)} multicast on",
                serious=True,
            )


def _arp(name: str, foreign: Collection[IPv4Address]) -> Iterator[Finding]:
    """Whether the kernel answers for the addresses. `foreign`: those of them that are in no
    network of the interface."""
    who = safe(name)
    cure = f"sysctl -w net.ipv4.conf.{who}.arp_ignore=1 net.ipv4.conf.all.arp_ignore=1"
    ignore = sysctls.effective(name, "arp_ignore")
    if ignore == 8:
        what = "arp_ignore is 8: the kernel answers no ARP, so that clients do not find the address"
        yield Finding(who, what, cure, serious=True)
    if ignore == 2 and foreign:
        yield Finding(
            who,
            f"arp_ignore is 2: the kernel answers ARP only in its own networks, and {min(foreign)} "
            "is in none of this interface's, so that clients do not find it",
            cure,
            serious=True,
        )
    if sysctls.effective(name, "drop_gratuitous_arp"):
        yield Finding(
            who,
            "drop_gratuitous_arp is set: while another host is master, this one goes on sending "
            "to the old owner of the address for a while",
            f"sysctl -w net.ipv4.conf.{who}.drop_gratuitous_arp=0 "
            "net.ipv4.conf.all.drop_gratuitous_arp=0",
        )


def _ipv6(name: str, floating: Collection[IPv6Address], member: bool) -> Iterator[Finding]:
    """Settings of the kernel that hide IPv6 addresses from clients, or block peers' packets."""
    who = safe(name)
    if sysctls.ipv6(name, "disable_ipv6"):
        yield Finding(
            who,
            f"IPv6 is switched off on it, so that it cannot have {min(floating)}",
            f"sysctl -w net.ipv6.conf.{who}.disable_ipv6=0",
            serious=True,
        )
        return
    if member and not sysctls.is_member(name, MULTICAST_IPV6):
        yield Finding(
            who,
            f"this host is not a member of {MULTICAST_IPV6} on it: a switch that snoops MLD may "
            "keep the advertisements of other hosts back",
            "see the log for why vipd could not join it, and `ip maddr show`",
        )
    routers = [each for each in floating if each.is_link_local]
    if routers and not sysctls.forwards_ipv6(name):
        yield Finding(
            who,
            f"it does not forward IPv6, so that {min(routers)} is announced without the router "
            "flag: a client that has it as its default router deletes its default route",
            f"sysctl -w net.ipv6.conf.{who}.forwarding=1, if this host is to be that router",
        )
    if sysctls.ipv6(name, "accept_dad") > 1:
        yield Finding(
            who,
            "accept_dad is 2: the kernel switches IPv6 off on it when another host seems to have "
            "its link-local address; any host of the segment can pretend to",
            f"sysctl -w net.ipv6.conf.{who}.accept_dad=1 net.ipv6.conf.all.accept_dad=1",
        )


def _paths(name: str, routes: set[str], networks: dict[str, set[IPv4Network]]) -> Iterator[Finding]:
    """Other interfaces that interfere."""
    who = safe(name)
    if sysctls.effective(name, "rp_filter") == 1 and routes and name not in routes:
        other = safe(", ".join(sorted(routes)))
        yield Finding(
            who,
            f"rp_filter is strict, and the default route leads through {other}: packets of "
            "clients beyond a router are dropped",
            f"sysctl -w net.ipv4.conf.{who}.rp_filter=2",
        )
    same = sorted(
        other for other, theirs in networks.items()
        if other != name and theirs & networks.get(name, set())
    )  # fmt: skip
    loose = (
        sysctls.effective(name, "arp_ignore") == 0 or sysctls.effective(name, "arp_announce") < 2
    )
    if same and loose:
        both = " ".join(f"net.ipv4.conf.all.{key}" for key in ("arp_ignore=1", "arp_announce=2"))
        yield Finding(
            who,
            f"{safe(', '.join(same))} is in the same network: either answers ARP for the other, so "
            "that clients learn the wrong MAC address",
            f"sysctl -w {both}",
        )


def owners(vips: Iterable[VipStatus]) -> Iterator[Finding]:
    """Addresses that are here and should not be, or the other way round."""
    here = sysctls.local_addresses()
    for vip in vips:
        for address in (each.partition("/")[0] for each in vip.addresses + vip.extra_addresses):
            if vip.state is not State.MASTER and address in here:
                yield Finding(
                    safe(vip.id),
                    f"this host has {safe(address)} although it is {vip.state.value}: two hosts "
                    "own it as soon as another is master",
                    _removal(ip_address(address), canonical(vip.interface)),
                    serious=True,
                )
            elif vip.state is State.MASTER and address not in here and vip.manages_address:
                # The daemon itself checks the addresses that vipd does not add.
                yield Finding(
                    safe(vip.id),
                    f"this host is MASTER, but does not have {safe(address)}",
                    "see vipctl history and the log for who took it off",
                    serious=True,
                )


def _removal(address: IPv4Address | IPv6Address, interface: str) -> str:
    """How to remove permanently an address that vipd did not add."""
    places = placed(address) or [(f"{address}/{address.max_prefixlen}", interface)]
    commands = " && ".join(f"ip addr del {safe(each)} dev {safe(name)}" for each, name in places)
    if files := ", ".join(safe(file) for file in files_with(address)):
        return f"{commands}, and take it out of {files}: the address is vipd's to add"
    return (
        f"{commands}, and find out who added it: a network configuration file (none of the usual "
        "ones names it), or an UPSCRIPT"
    )


def subnets(vips: Iterable[VipStatus]) -> Iterator[Finding]:
    """Addresses that would take others along (`vipd.linux.secondaries`). vipd sets the kernel so
    that they do not: where it manages them, when it starts; else, when it is master."""
    for vip in vips:
        if vip.upscript and not vip.manages_address and vip.state is not State.MASTER:
            continue
        if text := together(vip.interface, vip.addresses):
            what, cure = map(safe, text)
            yield Finding(safe(vip.id), what, cure, serious=vip.state is State.MASTER)


def lonely(vips: Iterable[VipStatus], now: float) -> Iterator[Finding]:
    """Masters that never heard another host: there is none, or no packet gets through."""
    alone: dict[tuple[str, bool], list[str]] = {}
    for vip in vips:
        told = any(problem.code == "claimed" for problem in vip.problems)  # another host is there
        quiet = vip.state is State.MASTER and vip.heard is None and not vip.received and not told
        if quiet and now - vip.since > ALONE:
            unicast = vip.peers is not None
            alone.setdefault((vip.interface, unicast), []).append(safe(vip.id))
    for (interface, unicast), ids in sorted(alone.items()):
        names = ", ".join(ids[:5]) + (" …" if len(ids) > 5 else "")
        what = "advertisements do" if unicast else "multicast does"
        cure = (
            "see whether PEERS there names this host, and for packet filters on the way that drop "
            "protocol 112"
            if unicast
            else "look for switches that keep multicast back (IGMP snooping without a querier), or "
            "use --nomcast or PEERS on all"
        )
        yield Finding(
            safe(interface),
            f"no other host was ever heard for {names}: nobody could take over, or {what} "
            "not get through and the other host is master as well",
            f"see vipctl status on the other hosts; if they are masters, {cure}",
        )


def files(paths: Iterable[str]) -> Iterator[Finding]:
    """Passwords that others may read, and files that others may change, themselves or through a
    directory or a link on the way to them."""
    trust = Trust()
    for path in sorted(paths):
        try:
            status = Path(path).stat()
            closed = _closed(Path(path).parent)
        except (OSError, ValueError):
            continue
        who, mode = safe(path), status.st_mode & 0o777
        others = mode & 0o007 | (mode >> 3 & 0o007 if status.st_gid else 0)
        if status.st_uid:
            yield Finding(
                who,
                f"it belongs to user {status.st_uid}, who may change it",
                f"chown root:root {who}",
                serious=True,
            )
        danger = trust.danger(path)
        if danger and danger.path != path and not status.st_uid:
            yield Finding(who, safe(danger.text), safe(danger.cure), serious=True)
        if closed or not others & 0o006:
            continue
        what = "change it" if others & 0o002 else "read it, and the password"
        yield Finding(
            who, f"others may {what} (mode {mode:04o})", f"chmod 600 {who}", bool(others & 0o002)
        )


def _closed(directory: Path) -> bool:
    """Whether nobody but root gets into this directory. Raises OSError."""
    status = directory.stat()
    passes = 0o011 if status.st_gid else 0o001
    parent = directory.parent
    return not status.st_mode & passes or (parent != directory and _closed(parent))


def clock(runtime_dir: Path, now: float) -> Iterator[Finding]:
    """Clocks that are wrong. The election needs none, but logs do."""
    try:
        start = (runtime_dir / "sequence").stat().st_mtime  # or later: it is written now and then
    except OSError:
        start = 0.0
    if start - now > 1:
        yield Finding(
            "clock",
            f"it is {span(start - now)} behind the time at which vipd was started",
            "set the clock right; vipd itself goes on",
        )
    if synchronised() is False:
        yield Finding(
            "clock",
            "nothing keeps it right (the kernel says it is not synchronised): the logs of two "
            "hosts cannot be compared",
            "run chrony, or systemd-timesyncd",
        )


def daemon(described: Daemon, now: float) -> Iterator[Finding]:
    """What the daemon reports about itself."""
    for absent in described["missing_capabilities"]:
        yield Finding("vipd", f"it runs without {safe(absent)}", "run it as root", serious=True)
    if guard := described["guard"]:
        yield Finding(
            "vipd",
            f"{safe(guard)}: if vipd is killed or frozen, its addresses stay until the kernel ends "
            "their leases, a second late, and for ever where there is none (LEASE=off)",
            "see the log for what ended or stopped the guard; vipd starts another as soon as it "
            "can",
            serious=True,
        )
    if described["late_worst"] > LATE and described["late_at"] is not None:
        ago = span(now - described["late_at"])
        yield Finding(
            "vipd",
            f"it did not get to run for {span(described['late_worst'])}, {ago} ago: advertisements "
            "were late, and a lease may have lapsed",
            "start it with --realtime, and see what else took the processor, or stopped it",
        )
