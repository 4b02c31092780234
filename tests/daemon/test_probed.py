"""An owner asks about each of its addresses, also about one that it gets later."""

import asyncio
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any

import pytest

from vipd.daemon.diagnosis.neighbourhood import Neighbourhood
from vipd.linux.addresses import AnyAddress

FIRST, SECOND = IPv4Address("198.51.100.1"), IPv4Address("198.51.100.2")


class Alone:
    """An owner that nobody competes with."""

    owns = owns_alone = True

    def claimed(self, address: AnyAddress, mac: bytes) -> None:
        raise AssertionError(address, mac)


def test_an_address_that_an_owner_gets_later_is_asked_about_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Neighbourhood, "_LOOK", 0.01)
    monkeypatch.setattr(Neighbourhood, "_PROBES", 1000)
    asked: list[IPv4Address] = []

    async def run() -> None:
        changed = asyncio.Event()

        def send_frame(frame: bytes) -> None:
            asked.append(IPv4Address(frame[38:42]))
            changed.set()

        async def see(expected: list[IPv4Address]) -> None:
            while asked != expected:
                changed.clear()
                await asyncio.wait_for(changed.wait(), timeout=60)

        wire: Any = SimpleNamespace(mac=bytes(6), send_frame=send_frame)
        loop = asyncio.get_running_loop()
        one = Neighbourhood(loop, lambda: (), lambda: (), lambda: None)
        owner = Alone()
        one.watch({FIRST: owner})  # nothing is opened before there is a wire
        one.open(wire)
        one.look_after()
        await see([FIRST])
        one.close()
        one.watch({FIRST: owner, SECOND: owner})
        one.open(wire)
        one.look_after()
        await see([FIRST, SECOND])
        one.close()

    asyncio.run(run())
