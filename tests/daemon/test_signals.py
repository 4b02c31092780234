"""Signals by the thousand are a few: each kind is answered four times a second at most."""

from pathlib import Path
from signal import SIGHUP, SIGUSR1
from time import monotonic, sleep

import pytest
from helpers.configured import QUICK, VIP, write_vip
from helpers.hosts import until

from vipd.lab import Host, Lab

pytestmark = pytest.mark.lab

ANSWER = "001: MASTER on eth1 id 1"


def test_a_storm_of_signals_costs_a_few_answers_and_the_last_one_counts(
    lab: Lab, web01: Host, files: Path
) -> None:
    write_vip(files, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01", timeout=60)
    began, mark = monotonic(), daemon.mark()
    for _ in range(1000):
        daemon.signal(SIGUSR1)
        daemon.signal(SIGHUP)
        sleep(0.001)
    daemon.wait_for(ANSWER, since=mark)
    log = daemon.log(mark)
    seconds = monotonic() - began  # after the log: what it may hold takes no longer
    assert log.count(ANSWER) <= 4 * seconds + 2
    assert log.count("files read") <= 4 * seconds + 2
    mark = daemon.mark()
    daemon.signal(SIGUSR1)
    daemon.wait_for(ANSWER, since=mark)
    until(lambda: len(lab.ownership(VIP).changes) == 1, daemon.tail)
