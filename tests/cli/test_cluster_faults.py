"""`vipctl cluster` over a real sshd on each host, when a host is cut off or dies."""

import re
from pathlib import Path

import pytest
from helpers.configured import VIP
from helpers.hosts import until
from helpers.managed import SECOND, Group, table

from vipd.lab import Lab

pytestmark = pytest.mark.lab


@pytest.fixture
def group(lab: Lab, tmp_path: Path) -> Group:
    """A group that nothing is wrong with yet."""
    return Group(lab, tmp_path)


def test_two_owners_of_an_address_are_status_2(group: Group) -> None:
    group.web02.isolate("eth1")

    def both() -> bool:
        return all({VIP, SECOND} <= host.addresses() for host in (group.web01, group.web02))

    until(both, lambda: group.lab.tails(), timeout=60)
    done = group.cluster()
    assert done.returncode == 2
    assert done.stdout.startswith(f"CRITICAL ({VIP}, {SECOND}")
    assert f"\n! {VIP}: two hosts own it: web01, web02\n" in done.stdout


def test_what_needs_attention_is_told_with_its_host(group: Group) -> None:
    group.web02.cut("eth1")
    until(lambda: "INIT" in group.cluster().stdout, lambda: group.cluster().stdout)
    group.lab.wait_owner(SECOND, "web01", timeout=60)
    done = group.cluster()
    assert done.returncode == 1
    assert re.match(r"ATTENTION \(.*web02\): 2 hosts, 2 VIPs\n", done.stdout)
    assert table(done)[1] == ["001", VIP, "MASTER", "INIT !"]
    assert re.search(r"^! web02: 001: .*eth1", done.stdout, re.MULTILINE)


def test_nothing_is_shown_of_a_host_that_died_but_what_the_others_hear(group: Group) -> None:
    assert group.cluster().returncode == 0
    group.web02.crash()
    group.lab.wait_owner(SECOND, "web01", timeout=60, stable=0.5)
    done = group.cluster(silent="web02")
    assert done.returncode == 2
    assert [row[3] for row in table(done)[1:]] == ["?", "?"]
    assert [row[2].split()[0] for row in table(done)[1:]] == ["MASTER", "MASTER"]
    assert "! web02: no answer in 3 s\n" in done.stdout
