"""Forged frames for hundreds of groups at once: nothing changes hands, and the log is readable."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from time import monotonic

import pytest
from helpers import forging
from helpers.asking import Client, ask
from helpers.configured import WEB01, WEB02, write_vip
from helpers.hosts import complaints, until
from helpers.machine import Delay

from owner import flood
from vipd.lab import Host, Lab, Process
from vipd.lab.waiting import wait_until
from vipd.linux.announce import announcement

pytestmark = [pytest.mark.lab, pytest.mark.alone]

VHIDS = range(1, 255)
RATE = 20_000  # forged frames a second
FLOODED = float(os.environ.get("VIPD_LOAD_SECONDS", "10"))
#: For a machine that has other things to do: setting up hundreds of VIPs, or hearing of them.
PATIENCE = 60.0
LINES_A_MINUTE = 100
#: The longest time for which a daemon may not have run, seconds, but for what it waited for a
#: processor. These tests are about 1.7 and 2.7.
LATE = 1.3


def address(vhid: int) -> str:
    return f"203.0.113.{vhid}"


def write_all(directory: Path, password: str = "love", **keys: str) -> Path:
    for vhid in VHIDS:
        write_vip(directory, str(vhid), VIP_ADDRESS=address(vhid), PASSWORD=password, **keys)
    return directory


def wait_known(
    daemon: Process, code: str, ends: str = "", again: Callable[[], None] = lambda: None
) -> None:
    """Wait until `vipctl doctor` knows a problem of this code for each VHID. ``again``: sends what
    causes it, because in a flood only a sample is looked at."""

    def known() -> bool | None:
        again()
        with Client(daemon, PATIENCE) as client:
            found = [each for each in client.problems() if each["code"] == code]
        return sum(each["text"].endswith(ends) for each in found) == len(VHIDS) or None

    wait_until(known, timeout=PATIENCE, interval=2, complaint=daemon.tail)


def late(daemon: Process, delay: Delay) -> float:
    worst = float(ask(daemon, "Describe")["late_worst"])
    return worst - delay.worst(worst)


def states(daemon: Process) -> list[str]:
    return re.findall(r"Switching to state: (\w+)", daemon.log())


def owned(host: Host) -> int:
    return sum(each.startswith("203.0.113.") for each in host.addresses())


@pytest.fixture
def pair(lab: Lab, tmp_path: Path) -> tuple[Host, Process, Process]:
    """A master of 254 addresses, and its backup: a master-down time is 3 s, and so is a lease."""
    web01 = lab.host("web01", f"{WEB01}/24")
    web02 = lab.host("web02", f"{WEB02}/24")
    master = web01.vipd(write_all(tmp_path / "web01"))
    until(lambda: owned(web01) == len(VHIDS), master.tail, PATIENCE)
    backup = web02.vipd(write_all(tmp_path / "web02", OPTIONS="--advskew=100"))
    until(lambda: states(backup).count("BACKUP") == len(VHIDS), backup.tail, PATIENCE)
    return web01, master, backup


def forged(kinds: str = "digest ttl version arp") -> list[str]:
    """One frame of each kind for each VHID, in hex."""
    made = {
        "digest": lambda ad: ad.but(digest=bytes(20)),
        "ttl": lambda ad: ad.but(ttl=64),
        "version": lambda ad: ad.but(carp_version=4),
    }
    frames = []
    for vhid in VHIDS:
        ad = forging.signed(vhid=vhid, addresses=[address(vhid)])
        frames += [forging.frame(made[kind](ad).build()) for kind in kinds.split() if kind in made]
        if "arp" in kinds:
            frames.append(announcement(IPv4Address(address(vhid)), forging.FORGER_MAC))
    return [each.hex() for each in frames]


@contextmanager
def flooded(lab: Lab, directory: Path, frames: list[str]) -> Iterator[Process]:
    file = directory / "frames"
    file.write_text("\n".join(frames))
    python = ("nice", "-n", "-15", sys.executable, "-I", "-S")  # it has to keep its rate
    load = ("eth1", str(file), str(RATE), str(FLOODED))
    yield lab.host("forger", "198.51.100.66/24").start(
        [*python, flood.__file__, *load], name="flood"
    )


def test_a_flood_of_forged_frames_over_all_groups_changes_nothing(
    lab: Lab, tmp_path: Path, pair: tuple[Host, Process, Process]
) -> None:
    web01, *daemons = pair
    marks = [daemon.mark() for daemon in daemons]
    began = monotonic()
    hexes = forged()
    with flooded(lab, tmp_path, hexes) as flood:
        assert flood.wait(FLOODED + PATIENCE) == 0, flood.tail()
    assert int(flood.log().split()[0]) > RATE / 2
    forger, frames = lab.hosts["forger"], [bytes.fromhex(each) for each in hexes]
    for daemon, mark in zip(daemons, marks, strict=True):
        assert "Switching" not in daemon.log(mark), daemon.tail()
        lines = daemon.log(mark).count("\n")
        assert lines < LINES_A_MINUTE * max(1, (monotonic() - began) / 60), daemon.tail()
        daemon.wait_for(r"\d+ more problems were not logged.*run `vipctl doctor`", since=mark)
        for code in ("DIGEST", "TTL", "VERSION"):
            wait_known(daemon, code, again=lambda: forging.send(forger, *frames))
    assert owned(web01) == len(VHIDS)


def test_a_burst_of_wrong_digests_stops_nobody(
    lab: Lab, pair: tuple[Host, Process, Process]
) -> None:
    """254 frames, 18 kB: enough for three master-down times without an advertisement."""
    web01, master, backup = pair
    marks = master.mark(), backup.mark()
    delays = Delay(master), Delay(backup)
    forger = lab.host("forger", "198.51.100.66/24")
    forging.send(forger, *map(bytes.fromhex, forged("digest")))
    for daemon, delay, mark in zip((master, backup), delays, marks, strict=True):
        daemon.wait_for("bad digest", since=mark)
        wait_known(daemon, "DIGEST")
        assert "Switching" not in daemon.log(mark), daemon.tail()
        assert late(daemon, delay) < LATE, daemon.tail()
    assert owned(web01) == len(VHIDS)


def test_a_new_password_on_one_of_two_hosts_is_told_with_its_cure(
    tmp_path: Path, pair: tuple[Host, Process, Process]
) -> None:
    """Each hears 254 wrong digests a second, and VIP 255 has the password that makes them."""
    _, master, backup = pair
    mark = backup.mark()
    delays = Delay(master), Delay(backup)
    write_vip(tmp_path / "web02", "255", VIP_ADDRESS="203.0.113.255", PASSWORD="hope")
    backup.wait_for("^<4>255: Switching to state: BACKUP", since=mark, timeout=PATIENCE)
    write_all(tmp_path / "web01", password="hope")
    backup.wait_for("bad digest", since=mark, timeout=PATIENCE)
    cure = "It has the PASSWORD of our VIP 255: correct it on one of the hosts"
    (line, *_) = complaints(backup, "bad digest", mark)
    assert cure in line
    wait_known(backup, "DIGEST", cure)
    for daemon, delay in zip((master, backup), delays, strict=True):
        assert late(daemon, delay) < LATE, daemon.tail()
