"""The master changes on purpose: no client should see it."""

import re
from time import sleep

import pytest
from helpers.configured import VIP

from owner.group import GAP, OVERLAP, SECOND, THIRD, Group, Report

pytestmark = pytest.mark.lab

#: What a master says of a host that answers for its address; not of its successor, though.
SURPRISE = "find that host"


def test_a_stopped_master_answers_until_its_vipd_peer_has_taken_over(
    group: Group, report: Report
) -> None:
    first, _ = group.pair()
    with group.seen() as seen:
        sleep(4)  # until an ARP packet of another host would be a surprise
        assert first.stop() == 0
        group.belongs_to("web02", lasting=1)
    report(gap=seen.gap, noise=seen.noise, overlap=seen.overlap, none=seen.none)
    assert seen.changes == [("web01", True), ("web01", False), ("web02", True)]
    assert seen.gap < GAP + seen.noise
    assert seen.overlap < OVERLAP
    assert SURPRISE not in first.log()


def test_a_stopped_master_answers_until_its_ucarp_peer_has_taken_over(
    group: Group, report: Report
) -> None:
    first = group.vipd("web01")
    group.ucarp("web02", SECOND)
    group.belongs_to("web01")
    with group.seen() as seen:
        assert first.stop() == 0
        group.belongs_to("web02", lasting=1)
    report(gap=seen.gap, noise=seen.noise, overlap=seen.overlap, none=seen.none)
    assert seen.changes == [("web01", True), ("web01", False), ("web02", True)]
    assert seen.gap < GAP + seen.noise
    assert seen.overlap < 2.5  # vipd waits for 2 s at most; the rest is the machine's


@pytest.mark.parametrize("third", [THIRD, SECOND], ids=["a_better_one", "equals"])
def test_of_three_hosts_one_backup_takes_over_and_the_other_stays(
    group: Group, report: Report, third: str
) -> None:
    first, _ = group.pair()
    group.vipd("web03", third)
    masters = group.transitions("MASTER")
    with group.seen() as seen:
        assert first.stop() == 0
        successor = group.owner()
        group.belongs_to(successor, lasting=4)  # longer than master-down
    report(gap=seen.gap, noise=seen.noise, overlap=seen.overlap, none=seen.none)
    assert successor == "web02" or third == SECOND
    assert group.transitions("MASTER") - masters <= 2
    assert seen.gap < GAP + seen.noise


def test_of_three_hosts_the_best_takes_over_from_one_that_vanishes(group: Group) -> None:
    group.pair()
    group.vipd("web03", THIRD)
    masters = group.transitions("MASTER")
    group.host("web01").crash()
    group.belongs_to("web02", lasting=4)
    assert group.transitions("MASTER") - masters <= 2


def test_a_preferred_host_takes_the_address_without_a_gap(group: Group, report: Report) -> None:
    second = group.vipd("web02", SECOND)
    group.belongs_to("web02")
    with group.seen() as seen:
        sleep(3)  # until an ARP packet of another host would be a surprise
        group.vipd("web01", "--preempt")
        group.belongs_to("web01", lasting=1)
    report(gap=seen.gap, noise=seen.noise, overlap=seen.overlap, none=seen.none)
    assert seen.changes == [("web01", True), ("web02", True), ("web02", False)]
    assert seen.gap < GAP + seen.noise
    assert seen.overlap < OVERLAP
    assert SURPRISE not in second.log()


def test_a_repaired_cable_gives_the_address_back_without_a_gap(
    group: Group, report: Report
) -> None:
    group.pair("--preempt")
    group.host("web01").cut()
    group.belongs_to("web02", lasting=0.5)
    with group.seen() as seen:
        group.host("web01").join()
        group.belongs_to("web01", lasting=1)
    report(gap=seen.gap, noise=seen.noise, overlap=seen.overlap, none=seen.none)
    assert seen.gap < GAP + seen.noise
    assert seen.overlap < OVERLAP


@pytest.mark.parametrize("common", [(), ("--preempt",)], ids=["and_stays_there", "and_back"])
def test_a_restart_moves_the_address_without_a_gap(
    group: Group, report: Report, common: tuple[str, ...]
) -> None:
    first, _ = group.pair(*common)
    with group.seen() as seen:
        assert first.stop() == 0
        group.vipd("web01", *common)
        group.belongs_to("web01" if common else "web02", lasting=4)
    report(total_gap=seen.total_gap, total_noise=seen.total_noise, gap=seen.gap, none=seen.none)
    assert seen.total_gap < GAP + seen.total_noise
    assert seen.overlap < OVERLAP


def test_a_restarted_backup_changes_nothing(group: Group) -> None:
    _, second = group.pair()
    assert second.stop() == 0
    group.vipd("web02", SECOND)
    sleep(3.5)  # longer than master-down
    assert len(group.lab.ownership(VIP).changes) == 1


def test_a_lone_master_lets_go_when_it_is_stopped(group: Group) -> None:
    first = group.vipd("web01", "--deadratio=1")
    group.belongs_to("web01")
    assert first.stop() == 0
    assert group.lab.owners(VIP) == []
    assert re.search(r"state: INIT \(stopped on request\)$", first.log(), re.MULTILINE)
