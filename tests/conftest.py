"""What every room's tests may use: a lab of their own, and real peers that have to be there."""

import shutil
from collections.abc import Iterator

import pytest

from vipd.lab import Lab
from vipd.lab.errors import missing, search_path

PEERS = ("ucarp", "keepalived", "tcpdump", "ping", "nft")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A lab test without its peers fails: skipped, it would look as if all were well."""
    if item.get_closest_marker("lab") is None:
        return
    for program in PEERS:
        if shutil.which(program, path=search_path()) is None:
            pytest.fail(f"{missing(program)}\n(make test installs it where it may)", pytrace=False)


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A fresh, empty lab; everything in it is gone when the test ends."""
    with Lab() as fresh:
        yield fresh
