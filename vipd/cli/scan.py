"""`vipctl scan`: who advertises on a network segment, and which VHIDs are free."""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from vipd.carp.packet import MULTICAST, MULTICAST_IPV6, Advertisement
from vipd.cli.segment import Settings, Speaker, free, ranges, settings_of, speakers
from vipd.cli.settings import config_dir_option, json_option, runtime_dir_option, settings
from vipd.cli.text import Cell, Colour, coloured, counted, safe, table, write
from vipd.config.snapshot import Snapshot
from vipd.linux.listener import Listener, Sound, is_down
from vipd.linux.names import canonical
from vipd.linux.suitable import why_not

SECONDS = 4.0
HEADINGS = ("ID", "PROTOCOL", "SOURCE", "EVERY", "HEARD", "SETTINGS")


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    names = (name for _, name in socket.if_nameindex() if not why_not(name))
    return sorted(name for name in names if name.startswith(incomplete))


@click.command("scan")
@click.argument("interface", metavar="IFACE", shell_complete=_complete)
@json_option
@config_dir_option
@runtime_dir_option
def command(
    interface: str, as_json: bool, config_dir: Path | None, runtime_dir: Path | None
) -> None:
    """Listen for CARP and VRRP on a network, and show which VHIDs are free.

    It listens for four seconds, and shows every VHID of CARP and every id of VRRP 2 and 3, over
    IPv4 and IPv6: where it is advertised from, how often, and whether password and addresses are
    those of a VIP in the configuration files. Free is a VHID that nobody was heard with and that
    the files do not have on IFACE. Who advertises less often, or by unicast to others, is not
    heard.

    It needs no daemon and changes nothing; it has to run as root, to listen and to read passwords.

    Exit status: 0 it has listened, 2 it cannot.
    """
    directory = settings(config_dir, runtime_dir).config_dir
    name = canonical(interface)
    from vipd.config.load import load  # only now: see `vipd.config.checked`

    snapshot = load(directory)
    if sys.stderr.isatty() and not as_json:
        click.echo(f"Listening on {safe(name)} for {SECONDS:g} s …", err=True)
    found = speakers(_listen(name))
    vips = snapshot.vips
    known = {
        number: settings_of(each.said, vips)
        for number, each in enumerate(found)
        if isinstance(each.said, Advertisement)
    }
    unused = free(found, vips, name)
    if as_json:
        heard = [_as_object(each, known.get(number)) for number, each in enumerate(found)]
        write([json.dumps({"interface": name, "heard": heard, "free": unused})])
        return
    if found:
        rows = [_row(each, known.get(number), snapshot) for number, each in enumerate(found)]
        write([*table(HEADINGS, rows, coloured(sys.stdout)), ""])
    else:
        write([f"Nobody was heard on {safe(name)} in {SECONDS:g} s.", ""])
    write([f"Free VHIDs: {ranges(unused) or 'none'}"])
    if not snapshot.listed:
        write([f"No password is known: {safe(str(directory))} cannot be read."])
    elif snapshot.failed:
        number = counted(len(snapshot.failed), "file")
        write([f"Not all passwords are known: {number} cannot be used (see vipctl check)."])


def _listen(interface: str) -> list[Sound]:
    if why := why_not(interface):
        _die(f"{interface} {why}, on which there is no CARP")
    try:
        listener = Listener(interface, (MULTICAST, MULTICAST_IPV6))
    except PermissionError:
        _die("it may not listen: run it as root")
    except OSError as error:
        present = ", ".join(name for _, name in socket.if_nameindex() if not why_not(name))
        _die(f"{interface}: {os.strerror(error.errno or 0)}; there are {present or 'none'}")
    try:
        return list(listener.listen(SECONDS))
    except OSError as error:
        hint = f" (ip link set {interface} up)" if is_down(error) else ""
        _die(f"{interface}: {os.strerror(error.errno or 0)}{hint}")
    finally:
        listener.close()


def _die(message: str) -> NoReturn:
    click.echo(f"vipctl scan: {safe(message)}", err=True)
    sys.exit(2)


def _row(each: Speaker, known: Settings | None, snapshot: Snapshot) -> list[Cell | str]:
    said = each.said
    if isinstance(said, Advertisement):
        every = f"{said.advbase}+{said.advskew}/256 s"
        about = _settings(each, known, snapshot)
    else:
        every = f"{said.interval:g} s"
        addresses = ", ".join(map(str, said.addresses))
        about = Cell(f"priority {said.priority}, {addresses}")
    source = f"{said.source} (this host)" if each.here else str(said.source)
    return [str(each.number), each.protocol, source, every, str(each.packets), about]


def _settings(each: Speaker, known: Settings | None, snapshot: Snapshot) -> Cell:
    """Whose password and addresses they are, as far as our files tell."""
    ours = next((vip for vip in snapshot.vips if vip.vhid == each.number), None)
    if known is None:
        of = f"not those of VIP {safe(ours.id)}: " if ours else ""
        colour = Colour.WARNING if ours else Colour.PLAIN
        return Cell(f"{of}another password or VIP_ADDRESS", colour)
    if not known.of_one:
        text = f"password of VIP {safe(known.password.id)}, VIP_ADDRESS of VIP "
        return Cell(text + safe(known.addresses.id), Colour.WARNING)
    text = f"VIP {safe(known.password.id)}"
    if known.password.vhid == each.number:
        return Cell(text, Colour.GOOD)
    return Cell(f"{text}, which has VHID {known.password.vhid} here", Colour.WARNING)


def _as_object(each: Speaker, known: Settings | None) -> dict[str, Any]:
    said = each.said
    about = {
        "protocol": each.protocol.split()[0].lower(),
        "id": each.number,
        "source": str(said.source),
        "this_host": each.here,
        "interval": each.interval,
        "packets": each.packets,
    }
    if isinstance(said, Advertisement):
        return about | {
            "advbase": said.advbase,
            "advskew": said.advskew,
            "password_of": known.password.id if known else None,
            "addresses_of": known.addresses.id if known else None,
        }
    addresses = [str(address) for address in said.addresses]
    return about | {"version": said.version, "priority": said.priority, "addresses": addresses}
