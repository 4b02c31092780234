"""VIPs that name the same thing share one look at it, whatever else differs."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from helpers.configured import write_vip
from helpers.hosts import ip

from vipd.config.load import load
from vipd.config.model import VipConfig
from vipd.daemon.health.pool import Pool
from vipd.daemon.health.settings import same_question, settings
from vipd.daemon.health.track_gateway import Place
from vipd.daemon.health.tracking import Tracking
from vipd.daemon.health.verdict import Source
from vipd.lab import Host
from vipd.linux.links import Links
from vipd.linux.netlink import Netlink

pytestmark = pytest.mark.lab

ALL = {
    "TRACK_INTERFACE": "eth1 eth2",
    "TRACK_FILE": "/run/vipd-test-drain",
    "TRACK_UNIT": "vipd-test-a vipd-test-b.slice",
    "TRACK_GATEWAY": "198.51.100.180",
}
NAMES = {
    "track:eth1",
    "track:eth2",
    "track:/run/vipd-test-drain",
    "track:vipd-test-a.service",
    "track:vipd-test-b.slice",
    "track:198.51.100.180",
}


class Vip:
    """Notes the verdicts of its sources whenever it is told of a change."""

    def __init__(self) -> None:
        self.sources: dict[str, Source] = {}
        self.told = 0

    def environment(self) -> Mapping[str, str]:
        return {}

    def verdict_changed(self) -> None:
        assert set(self.sources) == NAMES, "told before all of them were there"
        self.told += 1


@pytest.fixture
def links(web01: Host) -> Iterator[Links]:
    ip(web01, "link add eth2 type veth peer name peer2")
    netlink = Netlink()
    opened = Links(netlink)
    yield opened
    opened.close()
    netlink.close()


def configured(directory: Path, number: int, **keys: str) -> dict[str, VipConfig]:
    for each in range(101, 101 + number):
        write_vip(directory, str(each), VIP_ADDRESS=f"192.0.2.{each}", **keys)
    snapshot = load(directory)
    assert snapshot.problems == ()
    return {vip.id: vip for vip in snapshot.vips}


def test_equal_things_are_looked_at_once(tmp_path: Path, links: Links) -> None:
    configs = configured(tmp_path, 100, **ALL)

    async def story() -> None:
        tracking = Tracking(asyncio.get_running_loop(), links)
        link = links.get("eth1")
        assert link
        tracking.place = lambda name: Place(name, link.mac, links.addresses(link))
        pool = Pool(tracking.makers)
        vips = [(Vip(), config) for config in configs.values()]
        for vip, config in vips:
            joined = {name: pool.join(each, vip) for name, each in settings(config).items()}
            vip.sources = joined
            assert joined["track:eth1"].verdict.well
            assert joined["track:eth2"].verdict.well is None
        assert len({id(each) for vip, _ in vips for each in vip.sources.values()}) == len(NAMES)
        first, _ = vips[0]
        async with asyncio.timeout(30):
            while first.sources["track:eth2"].verdict.well is None:
                await asyncio.sleep(0.01)
        assert len({vip.told for vip, _ in vips}) == 1
        for vip, config in vips:
            for each in settings(config).values():
                pool.leave(each, vip)
        await tracking.gone()

    asyncio.run(story())


def test_other_times_are_another_look_but_the_same_question(tmp_path: Path) -> None:
    (before,) = configured(tmp_path / "before", 1, **ALL).values()
    (after,) = configured(
        tmp_path / "after", 1, **ALL, TRACK_DOWN="2", TRACK_UP="3", CHECK_INTERVAL="1"
    ).values()
    old, new = settings(before), settings(after)
    assert set(old) == set(new) == NAMES
    assert {name for name in NAMES if old[name] == new[name]} == {"track:/run/vipd-test-drain"}
    assert all(same_question(old[name], new[name]) for name in NAMES)
    assert not same_question(old["track:eth1"], new["track:eth2"])
