"""This thread as a host of the lab: what it opens, it opens in that host's network."""

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.configured import WEB01, WEB02

from vipd.lab import Host, Lab

CLONE_NEWNET = 0x40000000  # linux/sched.h

_libc = ctypes.CDLL(None, use_errno=True)


def _enter(namespace: int) -> None:
    # os.setns is there from Python 3.12
    if _libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "cannot enter a lab host's network: run as root")


@pytest.fixture
def web02(lab: Lab) -> Host:
    """Another host on the same network."""
    return lab.host("web02", f"{WEB02}/24")


@pytest.fixture
def web01(lab: Lab) -> Iterator[Host]:
    """The host that the test runs on, as far as the network is concerned."""
    host = lab.host("web01", f"{WEB01}/24")
    resident = host.start(["sleep", "1000"])
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(Path(f"/proc/{resident.pid}/ns/net"), os.O_RDONLY)
    try:
        _enter(there)
        yield host
    finally:
        _enter(home)
        os.close(there)
        os.close(home)
