"""The consequences of a new configuration for the VIPs that run."""

import asyncio
from collections.abc import Iterable, Iterator

from vipd.config.model import VipConfig


def moves(old: VipConfig, new: VipConfig) -> bool:
    """Whether the VIP has to be restarted for a change."""
    return _identity(old) != _identity(new)


def _identity(config: VipConfig) -> tuple[object, ...]:
    sources = config.source, config.source_ipv6
    addresses = frozenset(config.addresses), frozenset(config.extra_addresses)
    return config.interface, config.vhid, sources, addresses, config.families, config.peers is None


class InTheWay:
    """The VIPs that are ending, each with its task, by the resources that only one VIP can have."""

    def __init__(self, ending: Iterable[tuple[VipConfig, asyncio.Task[None]]]) -> None:
        self._tasks: dict[object, set[asyncio.Task[None]]] = {}
        for config, task in ending:
            for claim in (config.id, *_claims(config)):
                self._tasks.setdefault(claim, set()).add(task)

    def of(self, config: VipConfig) -> set[asyncio.Task[None]]:
        """The tasks of VIPs that have to end before this one starts."""
        claims = (config.id, *_claims(config))
        return set().union(*(self._tasks.get(claim, ()) for claim in claims))


def _claims(config: VipConfig) -> Iterator[object]:
    """The resources that only one running VIP can have: a group and each address, per interface."""
    yield config.device, config.vhid
    yield from ((config.device, address.ip) for address in config.moving)


def clash(one: VipConfig, other: VipConfig) -> bool:
    """Whether two VIPs cannot run at the same time."""
    return not set(_claims(one)).isdisjoint(_claims(other))
