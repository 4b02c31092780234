"""What a sick master sends, and what the real ucarp and vipd make of it. The master is a program
that does nothing but send: as a healthy one of advskew 0, and then as a sick one."""

from pathlib import Path

import pytest
from carp.handmade import GROUP
from helpers.configured import VIP, WEB01, WEB02, write_vip
from helpers.forging import advertise, frame, send, signed

from vipd.carp.packet import Advertisement, decode
from vipd.carp.rank import SICK_ADVBASE, SICK_DEMOTION, slower_than
from vipd.lab import Host, Lab

pytestmark = pytest.mark.lab

WELL = signed(source=WEB01, advskew=0)
SICK = WELL.but(advbase=SICK_ADVBASE, demotion=SICK_DEMOTION)
OPTIONS = [
    pytest.param([], id="without_preempt"),
    pytest.param(["--preempt"], id="with_preempt"),
]


@pytest.fixture
def web01(lab: Lab) -> Host:
    """The master's host."""
    return lab.host("web01", f"{WEB01}/24")


@pytest.fixture
def web02(lab: Lab) -> Host:
    """The backup's host."""
    return lab.host("web02", f"{WEB02}/24")


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("advbase", [1, 2])
def test_ucarp_takes_over_from_a_sick_master_and_keeps_the_address(
    lab: Lab, web01: Host, web02: Host, options: list[str], advbase: int
) -> None:
    well = advertise(web01, WELL)
    ucarp = web02.ucarp(
        vhid=1, address=VIP, options=["--advskew=100", f"--advbase={advbase}", *options]
    )
    ucarp.wait_for("Switching to state: BACKUP")
    assert lab.owners(VIP) == []

    well.stop()
    advertise(web01, SICK)

    ucarp.wait_for("preemption" if options else "going to time out")
    lab.wait_owner(VIP, "web02")
    for _ in range(2):  # the sick master goes on until it has heard that
        ucarp.wait_for("reasserting control", since=ucarp.mark())
    assert lab.owners(VIP) == ["web02"]


def test_the_last_word_of_a_sick_master_makes_no_ucarp_yield(
    lab: Lab, web01: Host, web02: Host
) -> None:
    ucarp = web02.ucarp(vhid=1, address=VIP, options=["--advskew=100", "--deadratio=1"])
    lab.wait_owner(VIP, "web02")
    winner = decode(signed(source=WEB02, advskew=100).build(), {1: GROUP})
    assert isinstance(winner, Advertisement)
    advbase, advskew = slower_than(winner)
    before = ucarp.mark()

    send(web01, frame(SICK.but(advbase=advbase, advskew=advskew).build()))

    ucarp.wait_for("reasserting control", since=before)
    assert "Switching to state: BACKUP" not in ucarp.log(since=before)


@pytest.mark.parametrize("options", OPTIONS)
def test_vipd_takes_over_from_a_sick_master(
    lab: Lab, web01: Host, web02: Host, options: list[str], tmp_path: Path
) -> None:
    write_vip(tmp_path, OPTIONS=" ".join(["--advskew=100", *options]))
    well = advertise(web01, WELL)
    daemon = web02.vipd(tmp_path)
    daemon.wait_for("Switching to state: BACKUP")

    well.stop()
    advertise(web01, SICK)

    daemon.wait_for("Switching to state: MASTER .the master is sick")
    lab.wait_owner(VIP, "web02", stable=2.0)
