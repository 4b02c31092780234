"""ANNOUNCE_EVERY: a master announces its addresses again, for who did not hear or believe it."""

import re
import sys
from pathlib import Path

import pytest
from helpers.configured import QUICK, VIP, WEB01, write_vip
from helpers.hosts import until

from vipd.daemon.vips.pace import PER_SECOND, Pace
from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

SAID = re.compile(rf"(Request who-has {VIP} .* tell {VIP}|Reply {VIP} is-at \S+), length")


def announced(dump: Process) -> list[str]:
    """The announcements that were heard, "request" or "reply" for each."""
    return ["request" if "who-has" in said else "reply" for said in SAID.findall(dump.log())]


def follow(lab: Lab, host: Host, files: Path, **keys: str) -> tuple[Process, Process]:
    """A master, and what another host hears of it."""
    listener = lab.host("web02", "198.51.100.180/24")
    dump = listener.capture("arp", options=("-e", "-tt", "-vvv"))
    write_vip(files, SOURCE_ADDRESS=WEB01, OPTIONS=QUICK, **keys)
    daemon = host.vipd(files)
    lab.wait_owner(VIP, host.name, timeout=60)
    return daemon, dump


def test_a_master_announces_by_request_and_reply_in_turn_until_it_is_backup(
    lab: Lab, web01: Host, files: Path
) -> None:
    _, dump = follow(lab, web01, files, ANNOUNCE_EVERY="1")
    until(lambda: announced(dump).count("reply") >= 3, dump.tail)
    heard = announced(dump)
    first = heard.index("reply")
    assert heard[first : first + 4] == ["reply", "request", "reply", "request"]
    demote = [sys.executable, "-m", "vipd.cli.main", "demote", "001", "--hold=60"]
    assert web01.run(demote, timeout=60).returncode in (0, 1)  # 1: nobody else takes it
    lab.wait_owner(VIP, None, stable=1.2)  # what was on its way has been heard
    after = len(announced(dump))
    lab.wait_owner(VIP, None, stable=2.5)
    assert len(announced(dump)) == after


def test_it_may_be_switched_on_and_off_while_it_is_master(
    lab: Lab, web01: Host, files: Path
) -> None:
    daemon, dump = follow(lab, web01, files)
    write_vip(files, SOURCE_ADDRESS=WEB01, OPTIONS=QUICK, ANNOUNCE_EVERY="1")
    daemon.wait_for("001: changed in place: announce_every")
    until(lambda: "reply" in announced(dump), dump.tail)
    mark = daemon.mark()
    write_vip(files, SOURCE_ADDRESS=WEB01, OPTIONS=QUICK, ANNOUNCE_EVERY="0")
    daemon.wait_for("001: changed in place: announce_every", since=mark)
    lab.wait_owner(VIP, web01.name, stable=1.2)  # what was on its way has been heard
    after = len(announced(dump))
    lab.wait_owner(VIP, web01.name, stable=2.5)
    assert len(announced(dump)) == after


def test_hundreds_of_vips_announce_at_most_50_times_a_second() -> None:
    now = 1000.0
    pace = Pace(lambda: now)
    sent: list[float] = []
    for _ in range(20):  # each second all of 255 VIPs want to, and each waits for its turn
        at = pace.reserve(1)
        while at <= now + 1:
            sent.append(at)
            at = pace.reserve(1)
        now += 1
    assert len(sent) <= 20 * PER_SECOND + 1
    now += 100
    assert pace.reserve(4) == now  # nothing is left of it
