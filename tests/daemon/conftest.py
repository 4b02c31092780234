"""One host with one vipd on it, in a lab where nobody else speaks CARP."""

import logging

import pytest
from helpers.hosts import files, web01, web02

__all__ = ["files", "web01", "web02"]


@pytest.fixture
def log_propagates(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What vipd logs is in `caplog`."""
    monkeypatch.setattr(logging.getLogger("vipd"), "propagate", True)
    caplog.set_level(logging.DEBUG, "vipd")
