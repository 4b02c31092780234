"""ANNOUNCE_TO reaches hosts that hear no broadcast: firewalls and virtual switches drop them."""

from pathlib import Path

import pytest
from helpers.configured import VIP, WEB01, WEB02, write_vip
from helpers.hosts import ip, until

from owner.group import PATIENCE, SECOND
from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

VIP_IPV6 = "2001:db8::154"
CLIENT, CLIENT_IPV6 = "198.51.100.10", "2001:db8::10"
#: Neither gratuitous ARP nor neighbour advertisements to all nodes arrive.
DEAF = """
table netdev deaf {
    chain in {
        type filter hook ingress device eth1 priority 0;
        ether daddr ff:ff:ff:ff:ff:ff arp operation request arp saddr ip 198.51.100.154 drop
        ether daddr ff:ff:ff:ff:ff:ff arp operation reply drop
        ether daddr 33:33:00:00:00:01 icmpv6 type nd-neighbor-advert drop
    }
}
"""


class Segment:
    def __init__(self, lab: Lab, files: Path) -> None:
        self.lab, self.files = lab, files
        self.client = lab.host("client", f"{CLIENT}/24", f"{CLIENT_IPV6}/64")
        done = self.client.run(["nft", "-f", "-"], text=DEAF)
        assert done.returncode == 0, done.stderr
        for name, own, number in (("web01", WEB01, 1), ("web02", WEB02, 2)):
            host = lab.host(name, f"{own}/24", f"2001:db8::{number}/64")
            ip(host, f"route add default via {CLIENT}", f"route add default via {CLIENT_IPV6}")

    def host(self, name: str) -> Host:
        return self.lab.hosts[name]

    def vipd(self, name: str, options: str, announce_to: str) -> Process:
        directory = self.files / name
        write_vip(
            directory,
            VIP_ADDRESS=f"{VIP} {VIP_IPV6}",
            OPTIONS=options,
            ANNOUNCE_TO=announce_to,
        )
        daemon = self.host(name).vipd(directory)
        daemon.wait_for("state: BACKUP", timeout=PATIENCE)
        return daemon

    def believed(self, address: str) -> str:
        """Which host the client would send to."""
        shown = self.client.run(["ip", "neigh", "show", address]).stdout
        for name in ("web01", "web02"):
            mac = self.host(name).run(["cat", "/sys/class/net/eth1/address"]).stdout.strip()
            if mac in shown:
                return name
        return ""


@pytest.mark.parametrize("announce_to", ["gateway", f"{CLIENT} {CLIENT_IPV6}"])
def test_a_host_that_hears_no_broadcast_is_told_of_a_take_over(
    lab: Lab, tmp_path: Path, announce_to: str
) -> None:
    segment = Segment(lab, tmp_path)
    first = segment.vipd("web01", "", announce_to)
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    segment.vipd("web02", SECOND, announce_to)
    for address in (VIP, VIP_IPV6):
        segment.client.run(["ping", "-c1", "-W1", address])
        assert segment.believed(address) == "web01"
    assert first.stop() == 0
    lab.wait_owner(VIP, "web02", timeout=PATIENCE)
    # The client sends nothing meanwhile, so it asks for nothing.
    until(lambda: {segment.believed(each) for each in (VIP, VIP_IPV6)} == {"web02"}, lab.tails)


def test_without_it_such_a_host_goes_on_sending_to_the_old_one(lab: Lab, tmp_path: Path) -> None:
    """The test above can fail."""
    segment = Segment(lab, tmp_path)
    first = segment.vipd("web01", "", "198.51.100.99")
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    segment.vipd("web02", SECOND, "198.51.100.99")
    segment.client.run(["ping", "-c1", "-W1", VIP])
    assert first.stop() == 0
    lab.wait_owner(VIP, "web02", timeout=PATIENCE, stable=2)
    assert segment.believed(VIP) == "web01"
