"""A network that falls apart and heals."""

import time
from pathlib import Path

import pytest
from helpers.captured import announcements, capture
from helpers.configured import VIP, write_vip
from helpers.hosts import transitions, until
from helpers.machine import Delay

from vipd.lab import Host, Lab

pytestmark = pytest.mark.lab

#: Seconds after a partition has healed that two hosts may own the address: an advertisement
#: interval, and what a busy machine adds.
ONE_OWNER_WITHIN = 1.0 + 1.0


@pytest.mark.parametrize("preferred", ["web01", "web02"])
def test_a_healed_partition_has_one_owner_who_announces_again(
    lab: Lab, web01: Host, web02: Host, files: Path, preferred: str
) -> None:
    watcher = lab.host("watcher", "198.51.100.9/24")
    dump = capture(watcher, "arp")
    survivor, loser = (web01, web02) if preferred == "web01" else (web02, web01)
    daemons = {}
    for host, skew in ((survivor, 0), (loser, 100)):
        directory = files.parent / host.name
        write_vip(directory, OPTIONS=f"--advskew={skew}")
        daemons[host.name] = host.vipd(directory)
        daemons[host.name].wait_for("state: BACKUP")  # the first to listen is the first master
    lab.wait_owner(VIP, preferred)
    web01.isolate()
    until(lambda: lab.owners(VIP) == ["web01", "web02"], lab.tails)
    # the announcements of the take-over are over
    daemons[loser.name].wait_for("state: MASTER")
    until(lambda: len(announcements(dump, VIP)) >= 2, dump.tail)
    delays = [Delay(daemon) for daemon in daemons.values()]
    began = time.time()
    web01.rejoin()
    lab.wait_owner(VIP, preferred, stable=1)
    healed = lab.ownership(VIP).changes[-1]
    assert (healed.host, healed.added) == (loser.name, False)
    print(f"one owner {healed.time - began:.2f} s after the network was whole again")
    late = sum(delay.between(began, healed.time) for delay in delays)
    assert healed.time - began - late < ONE_OWNER_WITHIN
    assert transitions(daemons[survivor.name]) == ["BACKUP", "MASTER"]
    assert transitions(daemons[loser.name]) == ["BACKUP", "MASTER", "BACKUP"]
    macs = {
        host.name: host.run(["cat", "/sys/class/net/eth1/address"]).stdout.strip()
        for host in (web01, web02)
    }
    until(
        lambda: (
            macs[preferred]
            in {arp.target_mac.lower() for arp in announcements(dump, VIP, healed.time - 1)}
        ),
        dump.tail,
    )
    # the last word is the survivor's
    until(lambda: announcements(dump, VIP)[-1].from_mac == macs[preferred], dump.tail)
