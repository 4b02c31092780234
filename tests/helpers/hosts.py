"""Fixtures that most tests of a running daemon begin with, and what they do to a host by hand.

A conftest.py takes the fixtures by importing them.
"""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from helpers.asking import Client, RefusedError
from helpers.configured import WEB01, WEB02
from vipd.lab import Host, Lab, Process
from vipd.lab.waiting import wait_until


@pytest.fixture
def web01(lab: Lab) -> Host:
    """The host that the vipd under test runs on."""
    return lab.host("web01", f"{WEB01}/24")


@pytest.fixture
def web02(lab: Lab) -> Host:
    """Another host on the same network: a peer, or somebody who looks on, or sends."""
    return lab.host("web02", f"{WEB02}/24")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """An empty configuration directory, web01's."""
    directory = tmp_path / "ucarp"
    directory.mkdir()
    return directory


def ip(host: Host, *commands: str) -> None:
    """Run `ip` commands on a host, all in one process; each must succeed."""
    done = host.run(["ip", "-batch", "-"], text="\n".join(commands))
    assert done.returncode == 0, done.stderr


def until(condition: Callable[[], bool], complaint: Callable[[], str], timeout: float = 30) -> None:
    """Wait until `condition()` holds; TimeoutError(complaint()) after `timeout` seconds."""
    wait_until(lambda: condition() or None, timeout=timeout, complaint=complaint)


def address_of(host: Host, address: str, interface: str = "eth1") -> dict[str, Any] | None:
    """What the kernel says about an address on an interface; None when it is not there."""
    shown = host.run(["ip", "-j", "addr", "show", "dev", interface])
    found = json.loads(shown.stdout or "[]")
    infos = [info for link in found for info in link.get("addr_info", ())]
    return next((info for info in infos if info["local"] == address), None)


def transitions(daemon: Process, vip: str = "001", since: int = 0) -> list[str]:
    """The states that a VIP switched to, in order, as the log has them.

    An address is seen before the line about it: that comes last in a transition. So the daemon has
    to answer something first; and the log has to be quiet for a moment, for one that cannot.
    """
    _answers(daemon)
    size = -1
    for _ in range(20):
        if not daemon.alive or daemon.mark() == size:
            break
        size = daemon.mark()
        sleep(0.15)
    lines = re.findall(rf"^<4>{vip}: Switching to state: (\w+)", daemon.log(since), re.MULTILINE)
    return list(lines)


def _answers(daemon: Process) -> None:
    """Wait until it has done what it was at. One that is stopped, or listens elsewhere, is not
    waited for."""
    with suppress(OSError, EOFError, RefusedError):
        state = Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state not in "TZX":
            with Client(daemon, patience=0) as client:
                client.vips()


def complaints(daemon: Process, about: str, since: int = 0) -> list[str]:
    """The warnings whose text matches a regex."""
    return [
        line
        for line in daemon.log(since).splitlines()
        if line.startswith("<4>") and re.search(about, line)
    ]
