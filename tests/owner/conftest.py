"""Every test here starts with hosts, and may print what it measured (`pytest -s`)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from owner.group import Group, Report
from vipd.lab import Lab


@pytest.fixture
def group(lab: Lab, tmp_path: Path) -> Group:
    """Hosts that share an address, nothing started yet."""
    return Group(lab, tmp_path)


@pytest.fixture
def report(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Report:
    """Print figures, in seconds, as milliseconds; they go to the JUnit file, too."""

    def say(**seconds: float) -> None:
        for name, value in seconds.items():
            record_property(name, value)
        text = ", ".join(f"{name} {value * 1000:.0f} ms" for name, value in seconds.items())
        print(f"\n{request.node.name}: {text}")

    return say
