"""The files of a plan: made from nothing, written, and read back by vipd's own reader."""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vipd.cli.planning.orders import Order
from vipd.config.load import load
from vipd.config.model import VipConfig
from vipd.config.problem import is_error

COMMON = "vip-common.conf"
Files = dict[str, bytes]
"""Name → contents, of the files of one host."""


class PlanError(Exception):
    """What keeps a plan from being made, for the person who asked for it."""


@dataclass(frozen=True, slots=True)
class Item:
    """One VIP of the plan. `addresses`: as in VIP_ADDRESS. `advskew`: host → advskew. `group`:
    GROUP, or ""."""

    id: str
    vhid: int
    addresses: tuple[str, ...]
    advskew: Mapping[str, int]
    group: str = ""

    @property
    def file(self) -> str:
        return f"vip-{self.id}.conf"


def common_file(interface: str, sources: Sequence[str], password: str) -> bytes:
    """vip-common.conf of a host: what all its VIPs share."""
    return _lines(
        "# Made by vipctl plan. Only SOURCE_ADDRESS differs between the hosts.",
        f"BIND_INTERFACE={shlex.quote(interface)}",
        f"SOURCE_ADDRESS={_quoted(sources)}",
        f"PASSWORD={shlex.quote(password)}",
    )


def vip_file(item: Item, host: str, more: Mapping[str, str]) -> bytes:
    """vip-NNN.conf. `more`: keys that vip-common.conf does not have."""
    return _lines(
        f"ID={item.vhid}",  # not 010, which ucarp reads as octal
        f"VIP_ADDRESS={_quoted(item.addresses)}",
        *(f"{key}={shlex.quote(value)}" for key, value in more.items()),
        *([f"GROUP={item.group}"] if item.group else []),
        f'OPTIONS="--shutdown --preempt --advskew={item.advskew[host]}"',
    )


def _quoted(words: Sequence[str]) -> str:
    return f'"{" ".join(words)}"'


def _lines(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def write(directory: Path, files: Mapping[str, Files]) -> None:
    """A directory for each host, mode 0700, with its files, mode 0600. Raises OSError."""
    for name, contents in files.items():
        place = directory / name
        place.mkdir(mode=0o700)
        for file, content in contents.items():
            descriptor = os.open(place / file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)


def read_back(directory: Path, hosts: Sequence[str], items: Sequence[Item]) -> list[Order]:
    """The orders that these files amount to. PlanError where they are other than planned."""
    found: list[dict[int, VipConfig]] = [{} for _ in items]
    numbers = {item.id: number for number, item in enumerate(items)}
    for host, name in enumerate(hosts):
        snapshot = load(directory / name)
        for problem in filter(is_error, snapshot.problems):
            if not problem.runs:
                where = f"{name}/{Path(problem.file).name}:{problem.line}"
                raise PlanError(f"{where}: {problem.message}; {problem.hint}")
        if {vip.id for vip in snapshot.vips} != set(numbers):
            raise PlanError(f"the files of {name} are not those of the plan")
        for vip in snapshot.vips:
            number = numbers[vip.id]
            found[number][host] = vip
            _check(vip, items[number], name)
    for item, vips in zip(items, found, strict=True):
        _same(item, vips, hosts)
    return [tuple(sorted(each, key=lambda host: each[host].advskew)) for each in found]


def _check(vip: VipConfig, item: Item, name: str) -> None:
    """That a host's file says what it should."""
    if vip.advskew != item.advskew[name]:
        raise PlanError(
            f"{item.file} of {name}: its advskew is {vip.advskew} and should become "
            f"{item.advskew[name]}; write --advskew in its OPTIONS and nowhere else"
        )
    if not vip.preempt:
        raise PlanError(f"{item.file} of {name}: add --preempt to its OPTIONS")


def _same(item: Item, vips: Mapping[int, VipConfig], hosts: Sequence[str]) -> None:
    """That the hosts are one group, in which the advskew alone decides."""
    first = vips[0]
    for host, vip in vips.items():
        different = [
            what
            for what, one, two in (
                ("VHID", first.vhid, vip.vhid),
                ("VIP_ADDRESS", set(first.addresses), set(vip.addresses)),
                ("password", first.password, vip.password),
                ("advbase", first.advbase, vip.advbase),
                ("GROUP", first.group, vip.group),
            )
            if one != two
        ]
        if different:
            raise PlanError(
                f"{item.file} of {hosts[0]} and {hosts[host]} have a different {different[0]}: "
                "make it the same on all hosts first"
            )
    _peers(item, vips, hosts)
    for own in ("source", "source_ipv6"):
        sources = [address for vip in vips.values() if (address := getattr(vip, own))]
        if len(set(sources)) < len(sources):
            raise PlanError(
                f"{item.file}: two hosts have the same SOURCE_ADDRESS; give each its own with "
                "--host NAME=SOURCE"
            )


def _peers(item: Item, vips: Mapping[int, VipConfig], hosts: Sequence[str]) -> None:
    """That hosts with PEERS list each other host: they hear no others."""
    for host, vip in vips.items():
        for other, peer in vips.items():
            sources = [source for source in (peer.source, peer.source_ipv6) if source]
            if vip.peers is None or other == host or any(each in vip.peers for each in sources):
                continue
            raise PlanError(
                f"{item.file} of {hosts[host]}: PEERS lacks {hosts[other]}; list every other host, "
                "on each, before this is planned"
            )
