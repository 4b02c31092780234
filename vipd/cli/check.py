"""`vipctl check`: each virtual IP as it would run, then what is wrong in the files."""

import json
import socket
import sys
from collections.abc import Iterable
from dataclasses import asdict, replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import click

from vipd import __version__
from vipd.cli import group_check, peer_lists, tracked
from vipd.cli.compat import differences
from vipd.cli.machine import machine_problems
from vipd.cli.remote.signing import is_number, signature
from vipd.cli.settings import config_dir_option, json_option, runtime_dir_option, settings
from vipd.cli.subnets import together
from vipd.cli.text import Colour, coloured, paint, table, write
from vipd.config.checked import plain
from vipd.config.load import load, load_file
from vipd.config.model import VipConfig
from vipd.config.problem import Problem, Severity, cited, is_error, shown, warning
from vipd.config.snapshot import Snapshot
from vipd.config.values import special
from vipd.linux import sysctls
from vipd.linux.names import canonical
from vipd.linux.suitable import why_not

HEADINGS = ("VIP", "VHID", "IFACE", "SOURCE", "ADDRESSES", "TIMING", "OPTIONS", "ADDED BY")
TIMING = "TIMING is advbase+advskew/256 seconds, × deadratio"


@click.command("check")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--as", "called", metavar="NAME", help="The name that FILE will have in DIR.")
@click.option(
    "--errors-only", is_flag=True, help="Leave warnings out, and end with 0 if there is no error."
)
@click.option("--compat", is_flag=True, help="Show also what differs from ucarp.")
@json_option
@click.option("--sign", metavar="NUMBER", hidden=True, help="For vipctl diff.")
@config_dir_option
@runtime_dir_option
def command(
    file: Path | None,
    called: str | None,
    errors_only: bool,
    compat: bool,
    as_json: bool,
    sign: str | None,
    config_dir: Path | None,
    runtime_dir: Path | None,
) -> None:
    """Show what the configuration files say and what is wrong with them.

    With FILE, only that one, wherever it is and whatever its name: for tools that check a file
    before they put it in its place. The vip-common.conf in DIR counts with it; without
    --config-dir, that beside it. FILE may be another vip-common.conf, too. Whether it clashes with
    the files of other VIPs is not checked. Ansible checks a file named .source.conf, so that --as
    has to say which it will be:

    validate: vipctl check --errors-only --config-dir /etc/ucarp --as vip-001.conf %s

    Exit status: 0 clean, 1 warnings, 2 errors. Needs no daemon and no root.
    """
    if sign is not None and not (as_json and is_number(sign)):
        raise click.UsageError("--sign takes 32 hexadecimal digits, and goes with --json")
    if called is not None and (file is None or called != Path(called).name):
        raise click.UsageError("--as takes a name without a directory, and goes with FILE")
    directory = settings(config_dir, runtime_dir).config_dir
    if file is None:
        snapshot = load(directory)
        around = surroundings(snapshot, directory)
        problems = (*snapshot.problems, *around, *group_check.problems(snapshot))
    else:
        given = config_dir or click.get_current_context().find_root().params.get("config_dir")
        snapshot = load_file(
            file, directory if given else file.absolute().parent, called=called or ""
        )
        problems = (*snapshot.problems, *around_vips(snapshot))
    if errors_only:
        problems = tuple(filter(is_error, problems))
    differing = differences(snapshot) if compat else []
    vips = _with_sources(snapshot.vips)
    if as_json:
        objects = [as_object(vip, sign) for vip in vips]
        about = {
            "metrics_listen": _metrics(snapshot),
            "hosts": snapshot.settings.hosts,
        }
        answer = {
            "vips": objects,
            "settings": about,
            "problems": _objects(problems),
            "ignored": sorted(snapshot.ignored.values()),
        }
        if sign:
            answer["version"] = __version__
        if compat:
            answer["differences"] = [asdict(each) for each in differing]
        write([json.dumps(answer)])
    else:
        if file and not vips and exit_status(problems) < 2 and not snapshot.ignored:
            write([f"{shown(str(file), 200)}: checked as a vip-common.conf; it is no VIP."])
        else:
            _print_vips(vips, str(file or directory))
        if snapshot.settings.metrics_listen:
            write(["", f"Metrics are served on {_metrics(snapshot)}"])
        for path in sorted(snapshot.ignored.values()):
            write(["", f"{path} is no VIP: there is no number in its name, and no ID in it"])
        for each in differing:
            write(["", f"{each.about}: {shown(each.what, 200)}"])
            write([f"    {who:5}  {shown(text, 200)}" for who, text in each.both])
        _print_problems(problems, "No errors." if errors_only else "No problems.")
    sys.exit(exit_status(problems))


def exit_status(problems: Iterable[Problem]) -> int:
    """0 without problems, 1 with warnings only, 2 with at least one error."""
    severities = {problem.severity for problem in problems}
    if Severity.ERROR in severities:
        return 2
    return 1 if severities else 0


def as_object(vip: VipConfig, sign: str | None = None) -> dict[str, Any]:
    """A virtual IP for programs: every setting except its passwords; of the second one, whether
    there is one. With `sign`, a number of `signing.fresh`, signatures of it, one with each
    password."""
    hidden = frozenset({"file", "password", "password_also", "other_vhid"})
    found = plain(vip, without=hidden)
    found["password_also"] = vip.password_also is not None
    if sign:
        both = [each for each in (vip.password, vip.password_also) if each]
        found["signatures"] = [signature(each.get_secret_value(), sign) for each in both]
    return found


_DEFAULT_SOURCE = {4: "(primary)", 6: "(link-local)"}


def _metrics(snapshot: Snapshot) -> str:
    listen = snapshot.settings.metrics_listen
    return shown(str(listen), 200) if listen else "off"


def _with_sources(vips: tuple[VipConfig, ...]) -> tuple[VipConfig, ...]:
    """The same, with the addresses of its interface where SOURCE_ADDRESS was left out: the primary
    IPv4 address, and the link-local IPv6 address."""
    if all(vip.source_of(family) for vip in vips for family in vip.families):
        return vips
    # Only here: it would make every other call slower.
    from vipd.linux.links import Links
    from vipd.linux.netlink import Netlink

    netlink = Netlink()
    links = Links(netlink)
    floating = {address.ip for vip in vips for address in vip.addresses}

    def complete(vip: VipConfig) -> VipConfig:
        link = links.get(canonical(vip.interface))
        there = [address.ip for address in links.addresses(link)] if link else []
        own = [ip for ip in there if ip not in floating]
        primary = next((ip for ip in own if ip.version == 4), None)
        local = next((ip for ip in own if ip.version == 6 and ip.is_link_local), None)
        ipv6 = vip.source_ipv6 or (local if 6 in vip.families else None)
        return replace(vip, source=vip.source or primary, source_ipv6=ipv6)

    found = tuple(map(complete, vips))
    links.close()
    netlink.close()
    return found


def _objects(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [
        {
            "severity": problem.severity.value,
            "file": problem.file,
            "line": problem.line,
            "column": problem.column,
            "message": problem.message,
            "hint": problem.hint,
        }
        for problem in problems
    ]


def surroundings(snapshot: Snapshot, directory: Path) -> list[Problem]:
    """What is wrong with the machine, for these virtual IPs."""
    return [*around_vips(snapshot), *machine_problems(snapshot, directory)]


def around_vips(snapshot: Snapshot) -> list[Problem]:
    """What is wrong with the interfaces and addresses of the machine, for these virtual IPs."""
    return [
        *interface_problems(snapshot),
        *source_problems(snapshot),
        *peer_lists.problems(snapshot),
        *address_problems(snapshot),
        *subnet_problems(snapshot),
        *tracked.problems(snapshot),
    ]


def subnet_problems(snapshot: Snapshot) -> list[Problem]:
    """A warning for each virtual IP whose removal would remove other addresses too, unless vipd
    adds it: then vipd sets the kernel to keep the others."""
    found = []
    for vip in snapshot.vips:
        if vip.manage_address != "no":
            continue
        if text := together(vip.interface, map(str, vip.addresses)):
            place = snapshot.place(vip, "BIND_INTERFACE")
            found.append(warning(place, *(shown(each, 300) for each in text)))
    return found


def interface_problems(snapshot: Snapshot) -> list[Problem]:
    """A warning for each virtual IP whose interface does not exist here, or cannot be used."""
    present = {name for _, name in socket.if_nameindex()}
    fit = [shown(name) for name in sorted(present) if not why_not(name)]
    others = f"write one of {', '.join(fit)}" if fit else "add an Ethernet interface"

    def look(name: str) -> tuple[str, str]:
        name = canonical(name)
        if name not in present:
            what = f"no interface {shown(name)} on this machine; the VIP waits for it"
            return what, f"create it, or {others}"
        why = why_not(name)
        return f"{shown(name)} {why}, on which CARP cannot run" if why else "", others

    absent = [
        warning(
            snapshot.place(vip, "EXTRA_ADDRESSES"),
            f"no interface {shown(name)} on this machine; {extra.address} waits for it",
            f"create it, or {others}",
        )
        for vip in snapshot.vips
        for extra in vip.extra_addresses
        if (name := extra.interface) and canonical(name) not in present
    ]
    found = {name: look(name) for name in {vip.interface for vip in snapshot.vips}}
    return absent + [
        warning(snapshot.place(vip, "BIND_INTERFACE"), *found[vip.interface])
        for vip in snapshot.vips
        if found[vip.interface][0]
    ]


def source_problems(snapshot: Snapshot) -> list[Problem]:
    """A warning for each SOURCE_ADDRESS that this machine does not have, where its interface is."""
    # Of an interface that is down, addresses may not be listed there.
    here = sysctls.local_addresses()
    doubtful = [
        (vip, source)
        for vip in snapshot.vips
        for family in vip.families
        if (source := vip.source_of(family)) and str(source) not in here
    ]
    if not doubtful:
        return []
    own = _addresses({vip.interface for vip, _ in doubtful})
    found = []
    for vip, source in doubtful:
        there = own.get(vip.interface)
        if there is None or source in there:
            continue
        similar = [str(ip) for ip in there if ip.version == source.version]
        found.append(
            warning(
                snapshot.place(vip, "SOURCE_ADDRESS"),
                f"this machine does not have SOURCE_ADDRESS {source}; vipd sends from it all the "
                "same, as ucarp does, and other hosts may not answer to it",
                f"write the address of {shown(vip.interface)}"
                + (f", {', '.join(similar)}" if similar else "")
                + ", or remove SOURCE_ADDRESS",
            )
        )
    return found


def _addresses(interfaces: Iterable[str]) -> dict[str, list[IPv4Address | IPv6Address]]:
    """The addresses of these interfaces, as far as they exist."""
    # Only here: it would make every other call slower.
    from vipd.linux.links import Links
    from vipd.linux.netlink import Netlink

    netlink = Netlink()
    links = Links(netlink)
    found = {}
    for name in interfaces:
        if link := links.get(canonical(name)):
            found[name] = [address.ip for address in links.addresses(link)]
    links.close()
    netlink.close()
    return found


def address_problems(snapshot: Snapshot) -> list[Problem]:
    """A warning for each VIP_ADDRESS that is the network or broadcast address of its interface."""
    networks = sysctls.networks()
    return [
        warning(
            snapshot.place(vip, "VIP_ADDRESS"),
            f"VIP_ADDRESS {address.ip} is the {what} address of {network}, the network of "
            f"{shown(vip.interface)}; clients there may not reach it",
            "write the address of a host",
        )
        for vip in snapshot.vips
        for network in networks.get(canonical(vip.interface), ())
        for address in vip.addresses
        if address.network != network and (what := special(address.ip, network))
    ]


def _row(vip: VipConfig) -> tuple[str, ...]:
    flags = [
        name
        for name in ("preempt", "neutral", "shutdown", "ignoreifstate", "nomcast")
        if getattr(vip, name)
    ]
    if vip.checks:
        flags.append(f"checks={','.join(check.name for check in vip.checks)}")
    if tracks := (*vip.track_interface, *vip.track_file, *vip.track_unit, *vip.track_gateway):
        flags.append(f"tracks={len(tracks)}")
    if vip.group:
        flags.append(f"group={vip.group}")
    if vip.peers is not None:
        flags.append(f"peers={len(vip.peers)}")
    if str(vip.mcast) != "224.0.0.18":
        flags.append(f"mcast={vip.mcast}")
    if vip.xparam is not None:
        flags.append(f"xparam={cited(vip.xparam)}")
    script = "UPSCRIPT" if vip.upscript else "nobody"
    return (
        vip.id,
        str(vip.vhid),
        shown(vip.interface),
        " ".join(str(vip.source_of(family) or _DEFAULT_SOURCE[family]) for family in vip.families),
        # A /32 or /128 is usual: show only other lengths.
        " ".join(
            str(each.ip if each.network.num_addresses == 1 else each) for each in vip.addresses
        ),
        f"{vip.advbase}+{vip.advskew}×{vip.deadratio}",
        " ".join(flags),
        "vipd" if vip.manages_address else script,
    )


def _print_vips(vips: tuple[VipConfig, ...], directory: str) -> None:
    if not vips:
        write([f"{shown(directory, 200)}: no virtual IP would run."])
        return
    rows = [_row(vip) for vip in vips]
    if sys.stdout.isatty():
        _print_table(rows)
        return
    write(table(HEADINGS, rows, colours=False))


def _print_table(rows: list[tuple[str, ...]]) -> None:
    # Only now: rich takes longer to import than everything else takes to run.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, caption=TIMING, caption_justify="left")
    for heading, cells in zip(HEADINGS, zip(*rows, strict=True), strict=True):
        longest = max(len(word) for cell in cells for word in (cell.split() or [""]))
        table.add_column(heading, min_width=max(longest, len(heading)))
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def _print_problems(problems: tuple[Problem, ...], none: str) -> None:
    if not problems:
        write(["", none])
        return
    write(["", *(line for problem in problems for line in problem_lines(problem))])


def problem_lines(problem: Problem) -> list[str]:
    """One problem of the files as people read it: place and text, then the cure."""
    place = f"{problem.file}:{problem.line}:{problem.column}"
    colour = Colour.BAD if problem.severity is Severity.ERROR else Colour.WARNING
    severity = paint(problem.severity.value, colour, coloured(sys.stdout))
    return [f"{place}: {severity}: {problem.message}", f"    {problem.hint}"]
