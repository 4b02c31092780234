"""Two hosts, each with vipd; web01 is preferred, and web02 its peer."""

from pathlib import Path
from typing import NamedTuple

import pytest
from helpers.asking import vip_of
from helpers.configured import write_vip
from helpers.hosts import files, until, web01, web02

from vipd.lab import Host, Process

__all__ = ["files", "web01", "web02"]


class Pair(NamedTuple):
    """The daemons; `first` is the preferred one's."""

    first: Process
    second: Process


@pytest.fixture
def pair(web01: Host, web02: Host, files: Path, tmp_path: Path) -> Pair:
    """VIP 001 on both hosts, master on web01."""
    write_vip(files, OPTIONS="--preempt --shutdown")
    write_vip(tmp_path / "ucarp2", OPTIONS="--preempt --shutdown --advskew=100")
    pair = Pair(web01.vipd(files), web02.vipd(tmp_path / "ucarp2"))
    until(
        lambda: (
            vip_of(pair.first)["state"] == "MASTER" and vip_of(pair.second)["heard"] is not None
        ),
        lambda: f"{pair.first.tail()}{pair.second.tail()}",
        timeout=60,
    )
    return pair
