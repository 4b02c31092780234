"""The kernel takes an interface away unseen, or refuses to say how things are."""

import os
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest
from helpers.configured import QUICK, VIP, write_vip
from helpers.faults import NO_DUMP, faulty
from helpers.hosts import address_of, ip, until

from vipd.lab import Host, Lab

pytestmark = pytest.mark.lab

ETH9 = (
    "link add eth9 index 77 type veth peer name eth9peer",
    "link set eth9 up",
    "link set eth9peer up",
    "addr add 192.0.2.9/24 dev eth9",
)
CARP_GROUP = "01:00:5e:00:00:12"


def sockets(host: Host) -> list[str]:
    """The packet sockets that are bound to eth9."""
    table = host.run(["cat", "/proc/net/packet"]).stdout.splitlines()
    return [line for line in table if line.split()[4] == "77"]


def test_an_interface_that_is_made_again_with_the_same_number_is_opened_again(
    lab: Lab, web01: Host, files: Path
) -> None:
    ip(web01, *ETH9)
    write_vip(files, BIND_INTERFACE="eth9", OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    os.kill(daemon.pid, SIGSTOP)
    ip(web01, "link del eth9", *ETH9)
    os.kill(daemon.pid, SIGCONT)
    # Two sockets for CARP and one for ARP, and the group that its card has to pass up.
    until(lambda: len(sockets(web01)) == 3, lambda: f"{sockets(web01)}{daemon.tail()}")
    assert CARP_GROUP in web01.run(["ip", "maddr", "show", "dev", "eth9"]).stdout
    lab.wait_owner(VIP, "web01")


def test_what_the_kernel_refuses_to_tell_is_asked_again(
    lab: Lab, web01: Host, files: Path, tmp_path: Path
) -> None:
    refused = tmp_path / "refused"
    write_vip(files, OPTIONS=QUICK, LEASE="off")
    env = faulty(tmp_path / "python", NO_DUMP.format(file=str(refused)))
    daemon = web01.vipd(files, env=env)
    lab.wait_owner(VIP, "web01")
    refused.touch()
    ip(web01, f"addr del {VIP}/32 dev eth1")
    daemon.wait_for("cannot read the state of the interfaces: .*No buffer space available; all")
    assert address_of(web01, VIP) is None
    refused.unlink()
    daemon.wait_for(f"001: {VIP} was not on eth1 any more; put back")
    assert address_of(web01, VIP) is not None
    assert "mistake in vipd" not in daemon.log()
