"""Scripts of a vipd that may not open anything for a while."""

import resource
from pathlib import Path
from signal import SIGUSR2

import pytest
from helpers.configured import QUICK, VIP, write_script, write_vip
from helpers.hosts import until

from vipd.lab import Host, Lab

pytestmark = pytest.mark.lab


def test_an_address_without_a_lease_goes_when_downscript_can_be_started_again(
    lab: Lab, web01: Host, files: Path
) -> None:
    write_vip(
        files,
        OPTIONS=QUICK,
        UPSCRIPT=str(write_script(files.parent / "up", f"ip addr add {VIP}/32 dev eth1")),
        DOWNSCRIPT=str(write_script(files.parent / "down", f"ip addr del {VIP}/32 dev eth1")),
        MANAGE_ADDRESS="no",
    )
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    daemon.wait_for("upscript ended")
    soft, hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (3, hard))
    daemon.signal(SIGUSR2)
    daemon.wait_for("cannot run downscript now: Too many open files", timeout=60)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (soft, hard))
    daemon.wait_for("downscript ended", timeout=60)
    until(lambda: len(lab.ownership(VIP).changes) > 1, daemon.tail)
    assert not lab.ownership(VIP).changes[1].added
