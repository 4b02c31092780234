"""One host with one vipd on it, in a lab where nobody else speaks CARP."""

from pathlib import Path

import pytest
from helpers.configured import WEB01, WEB02

from vipd.lab import Host, Lab


@pytest.fixture
def web01(lab: Lab) -> Host:
    """The host that vipd runs on."""
    return lab.host("web01", f"{WEB01}/24")


@pytest.fixture
def web02(lab: Lab) -> Host:
    """Another host on the same network: looks, or sends."""
    return lab.host("web02", f"{WEB02}/24")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """An empty configuration directory."""
    directory = tmp_path / "ucarp"
    directory.mkdir()
    return directory
