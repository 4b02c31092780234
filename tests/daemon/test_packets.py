"""Packets that nobody should believe: each is told once, and changes nothing."""

import random
import re
from ipaddress import IPv4Address
from pathlib import Path
from signal import SIGUSR1

import pytest
from helpers.configured import QUICK, VIP, WEB01, write_vip
from helpers.forging import frame, mirror, send, signed

from vipd.carp.packet import Drop
from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

BETTER = signed()  # would make us backup at once, if it were believed
OUR_OPTIONS = f"{QUICK} --advskew=100"

#: kind → the packet and what is said of it; None: it does not get as far as the daemon.
MALFORMED: dict[str, tuple[bytes, Drop | None]] = {
    "cut off in the IP header": (BETTER.build()[:19], None),
    "cut off in the CARP header": (BETTER.build()[:30], Drop.SHORT),
    "one byte short": (BETTER.build()[:55], Drop.SHORT),
    "said to be short": (BETTER.but(total_length=40).build(), Drop.SHORT),
    "IP header too short": (BETTER.but(header_words=4).build(), None),
    "IP header beyond the end": (BETTER.but(header_words=15).build(), None),
    "not IPv4": (BETTER.but(ip_version=6).build(), Drop.NOT_CARP),
    "a fragment": (BETTER.but(fragment=0x2000).build(), None),
    "a later fragment": (BETTER.but(fragment=7).build(), None),
    "from beyond a router": (BETTER.but(ttl=254).build(), Drop.TTL),
    "VRRP 3": (BETTER.but(carp_version=3).build(), Drop.VERSION),
    "of no known type": (BETTER.but(carp_type=2).build(), Drop.TYPE),
    "of another authentication length": (BETTER.but(authlen=3).build(), Drop.TYPE),
    "for another VHID": (signed(vhid=2).build(), None),
    "for VHID 0": (BETTER.but(vhid=0).build(), None),
    "bad IP checksum": (BETTER.but(ip_flipped=0x100).build(), Drop.CHECKSUM),
    "bad CARP checksum": (BETTER.but(carp_flipped=0x100).build(), Drop.CHECKSUM),
    "another password": (signed(password="hate").build(), Drop.DIGEST),
    "another address": (signed(addresses=["198.51.100.1"]).build(), Drop.DIGEST),
    "advskew altered in flight": (BETTER.but(digest=bytes(20)).build(), Drop.DIGEST),
    "our own source address": (signed(source=WEB01).build(), Drop.OWN_SOURCE),
}


@pytest.fixture
def forger(web01: Host) -> Host:
    """The other end of a cable without a bridge, which would drop some of what we send."""
    commands = (
        "link add eth9 type veth peer name forge9",
        "addr add 192.0.2.9/24 dev eth9",
        "link set forge9 up",
        "link set eth9 up",
    )
    done = web01.run(["ip", "-batch", "-"], text="\n".join(commands))
    assert done.returncode == 0, done.stderr
    return web01


@pytest.fixture
def master(lab: Lab, web01: Host, forger: Host, files: Path) -> Process:
    """A vipd that owns its address."""
    write_vip(files, BIND_INTERFACE="eth9", SOURCE_ADDRESS=WEB01, OPTIONS=OUR_OPTIONS)
    daemon = forger.vipd(files)
    lab.wait_owner(VIP, web01.name)
    return daemon


def finish_reading(daemon: Process) -> None:
    """Wait until a daemon has read all that was sent before: it answers the signal after it."""
    mark = daemon.mark()
    daemon.signal(SIGUSR1)
    daemon.wait_for("001: (MASTER|BACKUP) on eth9 id 1", since=mark)


def complaints(daemon: Process, since: int) -> list[str]:
    return re.findall(r"^<4>(?:001: )?eth9: packet from .* dropped: (.*)$", daemon.log(since), re.M)


def test_malformed_packets_are_told_once_a_kind_and_change_nothing(
    lab: Lab, forger: Host, master: Process
) -> None:
    told: list[Drop] = []
    for kind, (packet, drop) in MALFORMED.items():
        mark = master.mark()
        send(forger, *[frame(packet)] * 5, interface="forge9")
        finish_reading(master)
        new = drop is not None and drop not in told
        seen = complaints(master, mark)
        assert len(seen) == new, (kind, seen)
        if drop is not None and new:
            assert seen[0].startswith(drop.value), kind
            told.append(drop)
    assert master.log().count("Switching to state") == 2
    assert len(lab.ownership(VIP).changes) == 1
    # and what is flawless is believed
    send(forger, frame(BETTER.build()), interface="forge9")
    master.wait_for("Preferred master advertised: going back to BACKUP state")


@pytest.mark.parametrize(
    ("packet", "cure"),
    [
        (MALFORMED["another password"][0], "Compare ID, PASSWORD and VIP_ADDRESS"),
        (MALFORMED["our own source address"][0], "Two hosts have the same SOURCE_ADDRESS"),
        (BETTER.but(destination=IPv4Address("239.1.2.3")).build(), "Use the same --mcast"),
    ],
    ids=["password", "source", "group"],
)
def test_a_complaint_says_what_to_do(
    forger: Host, master: Process, packet: bytes, cure: str
) -> None:
    send(forger, frame(packet), interface="forge9")
    master.wait_for(rf"packet from .* for VHID 1 dropped: .*\. {cure}")


def test_noise_makes_a_few_lines_and_no_difference(lab: Lab, forger: Host, master: Process) -> None:
    dice = random.Random(1)
    whole = signed(password="hate").build()  # no bit that flips makes it believable
    frames = []
    for _ in range(2000):
        noisy = bytearray(whole[: dice.randrange(20, 57)] + dice.randbytes(dice.randrange(40)))
        for _ in range(dice.randrange(1, 4)):
            noisy[dice.randrange(len(noisy))] ^= 1 << dice.randrange(8)
        frames.append(frame(bytes(noisy)))
    frames.append(frame(dice.randbytes(1400)))
    mark = master.mark()
    send(forger, *frames, interface="forge9")
    for _ in range(5):  # a daemon reads no more than some hundred packets in one go
        finish_reading(master)
    # once for each reason and each VHID that passes the filter (0 when it is cut off)
    assert len(complaints(master, mark)) <= 2 * len(Drop)
    assert "Traceback" not in master.log()
    assert master.log().count("Switching to state") == 2
    assert len(lab.ownership(VIP).changes) == 1


def test_a_loop_in_the_network_is_told_and_not_taken_for_a_rival(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    mirror(web02)
    write_vip(files, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    daemon.wait_for(r"dropped: our own advertisement came back to us\. Look for a loop")
    lab.wait_owner(VIP, "web01", stable=2.5)
    assert daemon.log().count("came back to us") == 1
    assert daemon.log().count("Switching to state") == 2
    assert len(lab.ownership(VIP).changes) == 1


def test_two_hosts_with_the_same_source_address_are_told_so(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    write_vip(files, SOURCE_ADDRESS=WEB01, OPTIONS=QUICK)
    daemons = [host.vipd(files) for host in (web01, web02)]
    for daemon in daemons:
        daemon.wait_for(r"another host sends with our own source address\. Two hosts have")
    assert lab.owners(VIP) == ["web01", "web02"]  # as it must be: nobody can tell them apart


def test_hosts_with_different_passwords_are_both_told_so(
    web01: Host, web02: Host, files: Path, tmp_path: Path
) -> None:
    write_vip(files, OPTIONS=QUICK)
    write_vip(tmp_path / "other", PASSWORD="hate", OPTIONS=QUICK)
    daemons = web01.vipd(files), web02.vipd(tmp_path / "other")
    for daemon, peer in zip(daemons, ("198.51.100.180", "198.51.100.179"), strict=True):
        daemon.wait_for(rf"^<4>001: eth1: packet from {peer} for VHID 1 dropped: bad digest")
