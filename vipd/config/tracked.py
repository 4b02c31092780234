"""TRACK_…: the names of interfaces, files, units and gateways."""

import re
from ipaddress import IPv4Address, IPv6Address

from vipd.config import values
from vipd.config.health_fields import Gateway
from vipd.config.problem import cited, error, shown
from vipd.config.shell import Value
from vipd.config.values import Report

_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]+")
_UNIT_MAX = 255
#: Kinds of units that have processes of their own for as long as they are active.
_RUNNING = ("service", "scope", "slice")
_OTHERS = ("automount", "device", "mount", "path", "socket", "swap", "target", "timer")


def interfaces(key: str, value: Value, report: Report) -> tuple[str, ...] | None:
    """The words of our own key `key`: names of interfaces."""
    found: dict[str, None] = {}
    for word in value.words():
        device, label, _ = word.text.partition(":")
        if label and device:
            what = f"{key} “{cited(word.text)}” is a label, which has no carrier of its own"
            report(error(word.place, what, f"write {cited(device)}"))
            return None
        name = values.interface(word, report)
        if name is None:
            return None
        found[name] = None
    return tuple(found)


def files(key: str, value: Value, report: Report) -> tuple[str, ...] | None:
    """The words of our own key `key`: whole paths."""
    found: dict[str, None] = {}
    for word in value.words():
        path = word.text
        if not path.startswith("/") or path.endswith("/") or shown(path, len(path)) != path:
            what = f"{key} “{cited(path)}” is not the whole path of a file"
            report(error(word.place, what, f"write it from / on, like {key}=/run/drain"))
            return None
        found[path] = None
    return tuple(found)


def units(key: str, value: Value, report: Report) -> tuple[str, ...] | None:
    """The words of our own key `key`: names of systemd units, without .service, too."""
    found: dict[str, None] = {}
    for word in value.words():
        name, _, kind = word.text.rpartition(".")
        unit = word.text if kind in (*_RUNNING, *_OTHERS) else f"{word.text}.service"
        if wrong := _wrong_unit(unit, name if kind in _RUNNING else word.text, kind):
            hint = f"write the name of a service, like {key}=nginx.service"
            report(error(word.place, f"{key} “{cited(word.text)}” {wrong}", hint))
            return None
        found[unit] = None
    return tuple(found)


def _wrong_unit(unit: str, name: str, kind: str) -> str:
    if not _UNIT.fullmatch(unit) or len(unit) > _UNIT_MAX or name.strip(".-") == "":
        return "cannot be the name of a systemd unit"
    if kind in _OTHERS:
        return f"has no process of its own: a {kind} never counts as running"
    if name.endswith("@"):
        return f"is a template, of which instances run, like {cited(name)}1.service"
    return ""


def gateways(key: str, value: Value, report: Report) -> tuple[Gateway, ...] | None:
    """The words of our own key `key`: addresses of hosts."""
    hint = f"write the address of a router on BIND_INTERFACE, like {key}=192.0.2.254"
    found: tuple[IPv4Address | IPv6Address, ...] | None = values.hosts(key, value, report, hint)
    return None if found is None else tuple(map(Gateway, found))
