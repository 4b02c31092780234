"""What the words on the command line of `vipctl plan` mean."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface

import click

from vipd.config.health_fields import MAX_NAME

AnyInterface = IPv4Interface | IPv6Interface

MOST_HOSTS = 32
MOST_VHID = 255
"""Also the most addresses: one VHID each."""

MOST_WEIGHT = 100
_GROUP = re.compile(r"[A-Za-z0-9._-]+")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class HostWord:
    """NAME=SOURCE. `sources`: an IPv4 address, an IPv6 address, or one of each."""

    name: str
    sources: tuple[str, ...]


def hosts(words: Iterable[str]) -> list[HostWord]:
    """Of all --host. Raises click.UsageError, as all of these."""
    found: dict[str, HostWord] = {}
    for word in words:
        name, sources = _pair(word, "--host", "NAME=SOURCE")
        if not _NAME.fullmatch(name):
            raise click.UsageError(f"--host {word}: {name!r} cannot be the name of a directory")
        if name in found:
            raise click.UsageError(f"two --host are named {name}: give each host one name")
        found[name] = HostWord(name, _sources(word, re.split(r"[ ,]+", sources)))
    every = [source for host in found.values() for source in host.sources]
    for source in every:
        if every.count(source) > 1:
            raise click.UsageError(f"two --host have the address {source}: each needs its own")
    return list(found.values())


def _sources(word: str, texts: Sequence[str]) -> tuple[str, ...]:
    try:
        found = [ip_address(text) for text in texts]
    except ValueError as error:
        raise click.UsageError(
            f"--host {word}: {error}; write the host's own address, and for both families two with "
            "a comma between them"
        ) from None
    if len({each.version for each in found}) < len(found):
        raise click.UsageError(f"--host {word}: one IPv4 and one IPv6 address at most")
    return tuple(map(str, found))


def addresses(words: Iterable[str]) -> list[AnyInterface]:
    """Of all ADDRESS and FIRST-LAST, in this order."""
    found: dict[object, AnyInterface] = {}
    for word in words:
        for address in _addresses(word):
            if address.ip in found:
                raise click.UsageError(f"{address.ip} is there twice: give each address once")
            found[address.ip] = address
            if len(found) > MOST_VHID:
                raise click.UsageError(
                    f"more than {MOST_VHID} addresses: there are no more VHIDs on a network"
                )
    return list(found.values())


def _addresses(word: str) -> list[AnyInterface]:
    first, dash, rest = word.partition("-")
    last, slash, length = rest.partition("/") if dash else ("", "", "")
    try:
        if not dash:
            return [ip_interface(first)]
        low, high = ip_address(first), ip_address(last)
        if low.version != high.version or int(low) > int(high):
            raise click.UsageError(f"{word}: the last address is below the first one")
        number = min(int(high) - int(low), MOST_VHID) + 1
        return [ip_interface(f"{low + each}{slash}{length}") for each in range(number)]
    except ValueError as error:
        raise click.UsageError(
            f"{word}: {error}; write ADDRESS, ADDRESS/LENGTH, or two whole addresses as FIRST-LAST"
        ) from None


def groups(words: Iterable[str]) -> dict[object, str]:
    """Of all --group: address → name of its GROUP."""
    found: dict[object, str] = {}
    for word in words:
        name, texts = _pair(word, "--group", "NAME=ADDRESS,ADDRESS")
        if not _GROUP.fullmatch(name) or len(name) > MAX_NAME:
            raise click.UsageError(f"--group {word}: {name!r} is not letters, digits, - _ and .")
        for address in addresses(texts.split(",")):
            if found.setdefault(address.ip, name) != name:
                other = found[address.ip]
                raise click.UsageError(f"--group {word}: {address.ip} is in {other} already")
    return found


def pins(words: Iterable[str], names: Sequence[str]) -> dict[object, str]:
    """Of all --pin: address → name of its first host."""
    found: dict[object, str] = {}
    for word in words:
        text, name = _pair(word, "--pin", "ADDRESS=HOST")
        try:
            address = ip_address(text)
        except ValueError as error:
            raise click.UsageError(f"--pin {word}: {error}") from None
        _known(f"--pin {word}", name, names)
        if found.setdefault(address, name) != name:
            raise click.UsageError(f"--pin {address}: to {found[address]}, or to {name}?")
    return found


def weights(words: Iterable[str], names: Sequence[str]) -> tuple[int, ...]:
    """Of all --weight: the weight of each host of `names`; 1 unless it is given."""
    found = dict.fromkeys(names, 1)
    for word in words:
        name, text = _pair(word, "--weight", "HOST=N")
        _known(f"--weight {word}", name, names)
        if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= MOST_WEIGHT:
            raise click.UsageError(f"--weight {word}: write a number from 1 to {MOST_WEIGHT}")
        found[name] = int(text)
    return tuple(found.values())


def _known(option: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise click.UsageError(f"{option}: there is no host {name!r}, only {', '.join(names)}")


def _pair(word: str, option: str, usage: str) -> tuple[str, str]:
    left, equals, right = word.partition("=")
    if not (left and equals and right):
        raise click.UsageError(f"{option} {word}: write {option} {usage}")
    return left, right
