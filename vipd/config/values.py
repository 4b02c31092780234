"""From texts in files to checked values; what is wrong is reported at its own column."""

import re
from collections.abc import Callable
from contextlib import suppress
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
)
from typing import Literal

from vipd.config.fields import Extra
from vipd.config.model import MAX_SOCKET_PATH, Tcp, Unix
from vipd.config.numbers import decimal, looks_decimal, strtoul
from vipd.config.problem import FileLocation, Problem, cited, error, shown, warning
from vipd.config.shell import Value

Report = Callable[[Problem], None]

_INTERFACE = re.compile(r"(?P<device>[^\s/:]{1,15})(?P<label>:\S*)?")
_TCP = re.compile(r"(\[(?P<v6>[^\]%]+)\]|(?P<v4>[^\s:]+)):(?P<port>[0-9]{1,5})")
_BROADCAST = IPv4Address("255.255.255.255")
_OCTAL_HINT = "a leading 0 means octal, as in C"


def interface(value: Value, report: Report) -> str | None:
    """A name that the kernel takes for a network interface: 1 to 15 bytes, with or without a label
    (eth1:100), which the kernel cuts off for ucarp, too."""
    name = value.text
    match = _INTERFACE.fullmatch(name)
    if (
        match is None
        or match["device"] in (".", "..")
        or not name.isprintable()
        or len(name.encode("utf-8", "surrogateescape")) > 15
    ):
        hint = "write its name as in /sys/class/net"
        report(error(value.place, f"“{cited(name)}” cannot be the name of an interface", hint))
        return None
    if match["label"]:
        device = cited(match["device"])
        report(
            warning(
                value.place,
                f"“{cited(name)}” is a label; the VIP runs on {device}, and scripts get "
                f"“{cited(name)}”, as with ucarp",
                f"write {device}, unless a script needs the label",
            )
        )
    return name


def sources(value: Value, report: Report) -> dict[int, IPv4Address | IPv6Address] | None:
    """The addresses of this host that advertisements come from, by their IP version: one of each
    at most."""
    found: dict[int, IPv4Address | IPv6Address] = {}
    for word in value.words():
        address = _source(word, report)
        if address is None:
            return None
        if address.version in found:
            report(
                error(
                    word.place,
                    f"SOURCE_ADDRESS has two IPv{address.version} addresses",
                    "write one, or an IPv4 and an IPv6 address",
                )
            )
            return None
        found[address.version] = address
    return found


def _source(value: Value, report: Report) -> IPv4Address | IPv6Address | None:
    try:
        if "%" in value.text:
            raise ValueError("a zone")
        address = ip_address(value.text)
    except ValueError:
        report(
            error(
                value.place,
                f"SOURCE_ADDRESS “{cited(value.text)}” is not an IP address",
                "write an address that this host has on the interface, like 192.0.2.1, no /prefix",
            )
        )
        return None
    if not _is_unicast(address):
        report(
            error(
                value.place,
                f"SOURCE_ADDRESS {address} cannot be the address of a host",
                "write an address that this host has on the interface",
            )
        )
        return None
    return address


def group(value: Value, report: Report) -> IPv4Address | None:
    """The multicast group of --mcast."""
    try:
        address = IPv4Address(value.text)
    except ValueError:
        address = None
    if address is None or not address.is_multicast:
        report(
            error(
                value.place,
                f"--mcast: “{cited(value.text)}” is not an IPv4 multicast group",
                "write one of 224.0.0.0 to 239.255.255.255, the same on every host",
            )
        )
        return None
    return address


def addresses(value: Value, report: Report) -> tuple[IPv4Interface | IPv6Interface, ...] | None:
    """The floating addresses of VIP_ADDRESS, separated by blanks."""
    result: dict[IPv4Address | IPv6Address, IPv4Interface | IPv6Interface] = {}
    good = True
    for word in value.words():
        address = _floating(word, report)
        if address is None:
            good = False
        elif address.ip in result:
            report(
                warning(
                    word.place, f"{address.ip} stands here a second time", "remove one of the two"
                )
            )
        else:
            result[address.ip] = address
    return tuple(result.values()) if good else None


def targets(
    key: str, value: Value, report: Report
) -> tuple[Literal["gateway"] | IPv4Address | IPv6Address, ...] | None:
    """The words of our own key `key`: addresses of hosts, and “gateway”."""
    found: dict[Literal["gateway"] | IPv4Address | IPv6Address, None] = {}
    for word in value.words():
        if word.text.lower() == "gateway":
            found["gateway"] = None
        elif address := _host(word):
            found[address] = None
        else:
            wrong = f"{key} “{cited(word.text)}” is neither the address of a host nor gateway"
            report(error(word.place, wrong, f"write {key}=gateway, or addresses"))
            return None
    return tuple(found)


def hosts(
    key: str, value: Value, report: Report, hint: str
) -> tuple[IPv4Address | IPv6Address, ...] | None:
    """The words of our own key `key`: addresses of hosts. `hint`: what to write instead of what is
    none."""
    found: dict[IPv4Address | IPv6Address, None] = {}
    for word in value.words():
        if (address := _host(word)) is None:
            wrong = f"{key} “{cited(word.text)}” is not the address of a host"
            report(error(word.place, wrong, hint))
            return None
        if address in found:
            again = f"{address} stands here a second time"
            report(warning(word.place, again, "remove one of the two"))
        found[address] = None
    return tuple(found)


def _host(word: Value) -> IPv4Address | IPv6Address | None:
    """The address of a host; the zone of a link-local one does not count, because there is
    BIND_INTERFACE."""
    try:
        address = ip_address(word.text.partition("%")[0])
    except ValueError:
        return None
    return address if _is_unicast(address) else None


def extras(key: str, value: Value, report: Report) -> tuple[Extra, ...] | None:
    """The words of our own key `key`: ADDRESS[/LENGTH][@INTERFACE]."""
    result: dict[IPv4Address | IPv6Address, Extra] = {}
    good = True
    for word in value.words():
        text, at, _ = word.text.partition("@")
        address = _floating(word.cut(0, len(text)), report, key)
        device = interface(word.cut(len(text) + 1), report) if at else None
        if address is None or (at and device is None):
            good = False
        elif address.ip in result:
            here = f"{address.ip} stands here a second time"
            report(warning(word.place, here, "remove one of the two"))
        else:
            result[address.ip] = Extra(address, device.partition(":")[0] if device else None)
    return tuple(result.values()) if good else None


def _floating(
    word: Value, report: Report, key: str = "VIP_ADDRESS"
) -> IPv4Interface | IPv6Interface | None:
    host, slash, length = word.text.partition("/")
    address: IPv4Interface | IPv6Interface | None = None
    if "%" not in host and (not slash or (looks_decimal(length) and len(length) <= 3)):
        for kind in (IPv4Interface, IPv6Interface):
            try:
                address = kind(word.text)
                break
            except ValueError:
                continue
    if address is None:
        report(
            error(
                word.place,
                f"{key} “{cited(word.text)}” is not an IP address",
                "write it like 192.0.2.10 or 192.0.2.10/24; several are separated by blanks",
            )
        )
        return None
    if not _is_unicast(address.ip):
        report(
            error(
                word.place,
                f"VIP_ADDRESS {address.ip} cannot be the address of a host",
                "write an address that clients can reach",
            )
        )
        return None
    if slash and (what := special(address.ip, address.network)):
        report(
            warning(
                word.place,
                f"{key} {address} is the {what} address of its own network; clients may not "
                "reach it",
                "write the address of a host, or the network's real prefix length",
            )
        )
    return address


def special(address: IPv4Address | IPv6Address, network: IPv4Network | IPv6Network) -> str:
    """The kind of an address that is not a host's: the network, broadcast or (IPv6) subnet-router
    anycast address; "" for a host's. Links of two addresses have none (RFC 3021, 6164)."""
    if network.max_prefixlen - network.prefixlen < 2 or address not in network:
        return ""
    if address == network.network_address:
        return "network" if address.version == 4 else "subnet-router anycast"
    return "broadcast" if address.version == 4 and address == network.broadcast_address else ""


def _is_unicast(address: IPv4Address | IPv6Address) -> bool:
    return not (
        address.is_multicast
        or address.is_unspecified
        or address.is_loopback
        or address == _BROADCAST
    )


def number(
    value: Value, name: str, low: int, high: int, ucarp_keeps: int, report: Report
) -> int | None:
    """A number of OPTIONS, read with strtoul(…, 0) as ucarp does: what follows the number does not
    count. No number, and one out of range (`low` to `high`), is refused. ucarp keeps `ucarp_keeps`
    bits of whatever it read."""
    text = value.text
    reading = strtoul(text)
    taken = reading.value & ((1 << ucarp_keeps) - 1)
    if not reading.found:
        report(
            error(
                value.place,
                f"--{name}: “{cited(text)}” is not a number; ucarp would have used {taken}",
                f"write a number from {low} to {high}, without leading zeros",
            )
        )
        return None
    if not low <= reading.value <= high:
        report(
            error(
                value.place,
                f"--{name}: {cited(text)} is not from {low} to {high}; "
                f"ucarp would have used {taken}",
                f"write a number from {low} to {high}",
            )
        )
        return None
    if not reading.clean and not looks_decimal(text):
        report(
            warning(
                value.place,
                f"--{name}: “{cited(text)}” is {reading.value}, as for ucarp, which ignores what "
                "follows the number",
                f"write --{name}={reading.value}, and a blank before the next option",
            )
        )
    elif looks_decimal(text) and decimal(text) != reading.value:
        report(
            warning(
                value.place,
                f"--{name}: {cited(text)} is {reading.value}, as for ucarp: {_OCTAL_HINT}",
                f"write {reading.value} to say the same, or {decimal(text)} if that was meant",
            )
        )
    return reading.value


def listen(value: Value, report: Report) -> Tcp | Unix | None:
    """Where METRICS_LISTEN says that metrics are served; None: nowhere."""
    text = value.text.strip()
    if text.lower() in ("", "off"):
        return None
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        size = len(path.encode("utf-8", "surrogateescape"))
        if path.startswith("/") and size <= MAX_SOCKET_PATH and shown(path, size) == path:
            return Unix(path)
    elif match := _TCP.fullmatch(text):
        port = decimal(match["port"])
        kind = IPv6Address if match["v6"] else IPv4Address
        with suppress(ValueError):
            address = kind(match["v6"] or match["v4"])
            if 1 <= port <= 65535 and not address.is_multicast:
                return Tcp(address, port)
    report(
        error(
            value.place,
            f"METRICS_LISTEN “{cited(text)}” is neither off, nor ADDRESS:PORT, nor unix:/PATH",
            "write METRICS_LISTEN=127.0.0.1:9112 (0.0.0.0:9112 for every address of this host), "
            "METRICS_LISTEN=unix:/run/vipd/metrics, or METRICS_LISTEN=off",
        )
    )
    return None


def plain_vhid(value: Value, report: Report) -> int | None:
    """The VHID of our own key VHID: a decimal number, leading zeros allowed."""
    text = value.text
    if looks_decimal(text) and 1 <= decimal(text) <= 255:
        return decimal(text)
    report(
        error(
            value.place,
            f"VHID “{cited(text)}” is not a number from 1 to 255",
            "write a decimal number from 1 to 255",
        )
    )
    return None


def ucarp_vhid(text: str, place: FileLocation, name: str, report: Report) -> int | None:
    """The VHID that a ucarp peer would use for this text of `name` (ID=, --vhid, …).

    strtoul(…, 0) decides, so 010 is 8 and 018 is 1 (its 8 is no octal digit and ends the number).
    Where ucarp refuses to start (008 is 0), the decimal number is used. Both are reported.
    """
    reading = strtoul(text)
    accepted = 1 <= reading.value <= 255
    meant = decimal(text) if looks_decimal(text) else None
    if meant is not None and not accepted and 1 <= meant <= 255:
        report(
            warning(
                place,
                f"{name} “{cited(text)}” is VHID {meant} here, but ucarp refuses it: {_OCTAL_HINT}",
                f'write VHID="{meant}" in this file; a ucarp host beside this one needs '
                f"--vhid={meant}",
            )
        )
        return meant
    if not accepted:
        report(
            error(
                place,
                f"{name} “{cited(text)}” is not a number from 1 to 255",
                'write one, like ID="1"',
            )
        )
        return None
    if meant is None and not reading.clean:
        report(
            warning(
                place,
                f"{name} “{cited(text)}” is VHID {reading.value}, as for ucarp, which ignores what "
                "follows the number",
                f'write VHID="{reading.value}" to say so outright',
            )
        )
    if meant is not None and meant != reading.value:
        also = f', or VHID="{meant}" on every host if {meant} was meant' if meant <= 255 else ""
        report(
            warning(
                place,
                f"{name} “{cited(text)}” is VHID {reading.value} on the wire, as with ucarp: "
                f"{_OCTAL_HINT}",
                f'write VHID="{reading.value}" to say so outright{also}',
            )
        )
    return reading.value


def other_vhid(text: str, vhid: int) -> int | None:
    """A different VHID that a peer may read from this text, ucarp's reading first: 10 for 010."""
    readings = [strtoul(text).value, decimal(text) if looks_decimal(text) else 0]
    return next((each for each in readings if 1 <= each <= 255 and each != vhid), None)
