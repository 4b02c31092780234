"""What TRACK_… names and this machine does not have, or only this one has."""

import os
import socket
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from vipd.config.problem import Problem, shown, warning
from vipd.config.trust import Trust
from vipd.linux import sysctls
from vipd.linux.names import canonical
from vipd.linux.suitable import why_not

if TYPE_CHECKING:  # it takes longer to import than vipctl doctor may take
    from vipd.config.model import VipConfig
    from vipd.config.snapshot import Snapshot

KEYS = ("TRACK_INTERFACE", "TRACK_FILE", "TRACK_UNIT", "TRACK_GATEWAY")
_KINDS = (".service", ".scope", ".slice")
#: Where systemd has a directory if it has booted this machine (sd_booted(3)).
_BOOTED = Path("/run/systemd/system")
_PATIENCE = 3.0  # seconds until systemctl has to have answered

#: A key, and one of its words.
_Named = tuple[str, str]
#: What is wrong, and the cure.
_Trouble = tuple[str, str]


def problems(snapshot: "Snapshot") -> Iterator[Problem]:
    """A warning for each place where one is named."""
    places: dict[_Named, None] = {}
    for vip in snapshot.vips:
        for key in KEYS:
            places |= dict.fromkeys((key, name) for name in _names(vip, key))
    moving = {str(address.ip): vip.id for vip in snapshot.vips for address in vip.moving}
    wrong = _wrong(places, moving)
    told = {
        warning(snapshot.place(vip, key), *wrong[key, name]): None
        for vip in snapshot.vips
        for key in KEYS
        for name in _names(vip, key)
        if (key, name) in wrong
    }
    yield from told  # once for those that vip-common.conf names for all


def missing(names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """The same for names of reasons (track:eth2) of VIPs that run: the name of each, what is wrong,
    and the cure."""
    things = (name.removeprefix("track:") for name in names if name.startswith("track:"))
    named = dict.fromkeys((_key(name), name) for name in things)
    for (_, name), (what, cure) in _wrong(named, {}).items():
        yield name, what, cure


def _names(vip: "VipConfig", key: str) -> Iterable[str]:
    """What this key of the VIP names."""
    if key == "TRACK_GATEWAY":
        return [str(each.address) for each in vip.track_gateway]
    names: Iterable[str] = getattr(vip, key.lower())
    return names


def _key(name: str) -> str:
    """The key that a tracked thing of this name comes from."""
    if name.startswith("/"):
        return "TRACK_FILE"
    if name.endswith(_KINDS):
        return "TRACK_UNIT"
    with suppress(ValueError):
        ip_address(name)
        return "TRACK_GATEWAY"
    return "TRACK_INTERFACE"


def _wrong(named: Collection[_Named], moving: Mapping[str, str]) -> dict[_Named, _Trouble]:
    """``moving``: addresses that move, and with which VIP."""
    found: dict[_Named, _Trouble] = {}
    looks: dict[str, Callable[[str], _Trouble | None]] = {
        "TRACK_INTERFACE": _interface,
        "TRACK_FILE": _file,
        "TRACK_GATEWAY": partial(_gateway, moving=moving),
    }
    for key, name in named:
        look = looks.get(key)
        if look and (trouble := look(name)):
            found[key, name] = trouble
    units = [name for key, name in named if key == "TRACK_UNIT"]
    if units:
        found |= {("TRACK_UNIT", name): trouble for name, trouble in _units(units).items()}
    return found


def _interface(name: str) -> _Trouble | None:
    present = {each for _, each in socket.if_nameindex()}
    if canonical(name) in present:
        return None
    others = ", ".join(shown(each) for each in sorted(present) if not why_not(each))
    return (
        f"TRACK_INTERFACE {shown(name)}: no such interface on this machine; while there is none, "
        "this host is sick",
        f"create it, or write one of {others}" if others else "create it, or remove it there",
    )


def _file(path: str) -> _Trouble | None:
    if _is_directory(path):
        what = f"TRACK_FILE {shown(path, 200)} is a directory, which says nothing"
        return what, "write the path of a file"
    directory = os.path.dirname(path)  # noqa: PTH120
    if _is_directory(directory) is not False:
        danger = Trust().danger(path)
        if danger is None or not danger.anybody:
            return None
        what = f"TRACK_FILE {shown(path, 200)}: {danger.text}, and so move the addresses"
        return what, "write a path where only those may write who may do that, like /run/drain"
    tmpfiles = ""
    if directory.startswith("/run/"):
        tmpfiles = "; /run is empty after each boot: a line in /etc/tmpfiles.d makes it again"
    return (
        f"TRACK_FILE {shown(path, 200)}: there is no directory {shown(directory, 200)}, so "
        "nobody can write the file",
        f"mkdir -p {shown(directory, 200)}, or correct the path{tmpfiles}",
    )


def _gateway(address: str, moving: Mapping[str, str]) -> _Trouble | None:
    """Who asks for an own address on the network gets no answer."""
    if vip := moving.get(address):
        where = f"moves with {shown(vip)}: while this host owns that,"
    elif address in sysctls.local_addresses():
        where = "is an address of this host:"
    else:
        return None
    what = f"TRACK_GATEWAY {address} {where} nobody else answers for it, and this host is sick"
    return what, "write the address of another machine, the next router most likely"


def _is_directory(path: str) -> bool | None:
    """None: we may not look."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return None


def _units(names: Collection[str], booted: Path = _BOOTED) -> dict[str, _Trouble]:
    """Units that systemd does not know, or knows by another name. Scopes and slices are made when
    they are started, so nothing is said about those that do not run."""
    if not booted.is_dir():
        cure = "write a CHECK_<NAME> that tells whether the service works"
        what = "systemd does not run on this machine, so that it is never found running"
        return {name: (f"TRACK_UNIT {name}: {what}", cure) for name in names}
    found = {}
    services = [name for name in names if name.endswith(".service")]
    for name, about in zip(services, _shown_by_systemctl(services), strict=False):
        state, called = about.get("LoadState", ""), about.get("Id", name)
        if state == "not-found":
            what = "systemd knows no such unit; while it does not run, this host is sick"
            cure = "correct the name (systemctl list-unit-files shows all), or install it"
        elif state == "masked":
            what = "it is masked, so that nothing can start it; this host stays sick"
            cure = f"systemctl unmask {name}, or remove it from TRACK_UNIT"
        elif called != name:
            what = f"this is another name of {called}, and vipd looks for it by that one only"
            cure = f"write {called}"
        else:
            continue
        found[name] = f"TRACK_UNIT {name}: {shown(what, 300)}", shown(cure, 300)
    return found


def _shown_by_systemctl(units: list[str]) -> list[dict[str, str]]:
    """Some properties of each unit; nothing if it cannot be asked."""
    if not units:
        return []
    # Only here: it would make every other call slower.
    import subprocess

    command = ["systemctl", "show", "--property=Id,LoadState", "--", *units]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    blocks = done.stdout.strip().split("\n\n")
    if len(blocks) != len(units):
        return []
    return [dict(line.split("=", 1) for line in b.splitlines() if "=" in line) for b in blocks]
