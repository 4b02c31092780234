"""Every scenario beside ucarp is played twice: vipd on the preferred host, and on the other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interop.pair import Pair
from vipd.lab import Lab

MakePair = Callable[..., Pair]


@pytest.fixture(params=["web01", "web02"], ids=["vipd_preferred", "ucarp_preferred"])
def make_pair(request: pytest.FixtureRequest, lab: Lab, tmp_path: Path) -> MakePair:
    """Make the pair with what differs from the usual (see Pair)."""

    def make(**differences: Any) -> Pair:
        return Pair(lab, tmp_path / "ucarp", request.param, **differences)

    return make


@pytest.fixture
def pair(make_pair: MakePair) -> Pair:
    """The usual pair, not started yet."""
    return make_pair()
