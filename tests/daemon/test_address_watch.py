"""Losses of addresses at moments that no test can choose from outside."""

import asyncio
from collections.abc import Callable, Collection
from ipaddress import IPv4Address, ip_interface
from types import SimpleNamespace
from typing import Any, cast

import pytest

from vipd.carp.states import State
from vipd.daemon.vips.address_watch import AddressWatch
from vipd.linux.links import Cause, Loss

VIP = ip_interface("198.51.100.154/32")
INDEX = 7


class World:
    """A master whose lease runs until ``lease_until``; its clock says 100."""

    def __init__(self, lease_until: float) -> None:
        self.done: list[str] = []
        self.config = SimpleNamespace(manages_address=True, manage_address="auto", upscript=None)
        self.machine = SimpleNamespace(state=State.MASTER)
        self.scripts = SimpleNamespace(running=None)
        self.log = None
        self.complaints = SimpleNamespace(say=lambda _kind, words: self.done.append(words()))
        self.lease_until = lease_until
        interface = SimpleNamespace(index=INDEX, name="eth1")
        self.watch = AddressWatch(
            cast(Any, self), cast(Any, self), cast(Any, interface), lambda: 100.0
        )

    def guard(self, act: Callable[[], None]) -> None:
        act()

    def lapse(self, now: float) -> None:
        self.done.append(f"lapse at {now:g}")

    def acquire(self) -> None:
        self.done.append("acquire")

    def announce(self, only: Collection[IPv4Address] | None = None) -> None:
        self.done.append(f"announce {sorted(map(str, only)) if only else 'all'}")

    # As Ownership

    def lapsed(self, now: float) -> bool:
        return now >= self.lease_until

    def held(self) -> set[tuple[int, IPv4Address]]:
        return {(INDEX, cast(IPv4Address, VIP.ip))}

    def restore(self, addresses: Collection[IPv4Address] | None = None) -> list[Any]:
        self.done.append("restore")
        return [VIP] if addresses is None or VIP.ip in addresses else []


def lose(world: World, cause: Cause, index: int = INDEX) -> None:
    async def story() -> None:
        world.watch.lost([Loss(index, "eth1", VIP, cause)])
        await asyncio.sleep(0.05)  # longer than what another program took off waits

    asyncio.run(story())


@pytest.mark.parametrize("cause", list(Cause))
def test_an_address_that_went_with_its_lease_is_not_put_back(cause: Cause) -> None:
    """Others may own it by now: the election says who does."""
    world = World(lease_until=100.0)
    lose(world, cause)
    assert world.done == ["lapse at 100"]


def test_one_that_the_kernel_took_before_is_put_back_at_once() -> None:
    world = World(lease_until=100.1)
    lose(world, Cause.KERNEL)
    assert world.done[0] == "restore"
    assert world.done[-1] == "announce ['198.51.100.154']"


def test_one_that_another_program_took_is_put_back_a_moment_later() -> None:
    world = World(lease_until=100.1)
    lose(world, Cause.OTHERS)
    assert world.done == [
        "198.51.100.154 was taken off eth1 by somebody; put back",
        "acquire",
        "announce all",
    ]


def test_one_that_we_do_not_hold_is_no_loss() -> None:
    world = World(lease_until=100.1)
    lose(world, Cause.OTHERS, index=INDEX + 1)
    assert world.done == []
