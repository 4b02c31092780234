"""What leaves the host, as tcpdump, ucarp and the kernel see it."""

import re
import time
from pathlib import Path

import pytest
from carp.handmade import FLAWLESS
from helpers.captured import Arp, advertisements, announcements, capture
from helpers.configured import VIP, WEB01, WEB02, write_vip
from helpers.forging import frame, send, signed

from vipd.lab import Host, Lab, Process
from vipd.lab.waiting import wait_until

pytestmark = pytest.mark.lab

MULTICAST = "01:00:5e:00:00:12"
BROADCAST = "ff:ff:ff:ff:ff:ff"
GROUP = "224.0.0.18"
VIP6 = "2001:db8::154"


@pytest.fixture
def web01(lab: Lab) -> Host:
    """The host whose packets are looked at."""
    return lab.host("web01", f"{WEB01}/24", "2001:db8::179/64")


@pytest.fixture
def web02(lab: Lab) -> Host:
    """The host that looks."""
    return lab.host("web02", f"{WEB02}/24", "2001:db8::180/64")


def master(host: Host, directory: Path, options: str = "") -> Process:
    """Start a vipd that is alone and becomes master after one second."""
    write_vip(directory, OPTIONS=f"--deadratio=1 {options}")
    return host.vipd(directory)


def mac(host: Host) -> str:
    return host.run(["cat", "/sys/class/net/eth1/address"]).stdout.strip()


def wait_for_advertisements(dump: Process, number: int) -> None:
    wait_until(
        lambda: len(advertisements(dump)) >= number or None,
        timeout=60,
        complaint=lambda: f"fewer than {number} advertisements{dump.tail()}",
    )


def wait_for_two_announcements(dump: Process, since: float) -> list[Arp]:
    def both() -> list[Arp] | None:
        seen = announcements(dump, VIP, since)
        return seen if len(seen) == 2 else None

    return wait_until(
        both, timeout=60, complaint=lambda: f"{VIP} was not announced twice{dump.tail()}"
    )


def test_tcpdump_decodes_carp_version_2_with_good_checksums(
    web01: Host, web02: Host, tmp_path: Path
) -> None:
    dump = capture(web02, "proto", "112")
    master(web01, tmp_path / "ucarp", "--advskew=3")
    wait_for_advertisements(dump, 3)
    seen = advertisements(dump)
    text = dump.log()  # with all of them: another may have come
    assert "bad" not in text
    header = r"\(tos 0x10, ttl 255, id \d+, offset 0, flags \[DF\], proto \S+ \(112\), length 56\)"
    assert len(re.findall(header, text)) >= len(seen)
    for ad in seen:
        assert (ad.from_mac, ad.to_mac) == (mac(web01), MULTICAST)
        assert (ad.source, ad.group) == (WEB01, GROUP)
        assert (ad.vhid, ad.advbase, ad.advskew) == (1, 1, 3)
    counters = [ad.counter for ad in seen]
    assert counters == sorted(set(counters))
    # and tcpdump does look at the checksums (on the way out: a bridge may drop bad IP headers)
    send(web02, frame(FLAWLESS.but(carp_flipped=1).build()))
    dump.wait_for("bad carp cksum")
    send(web02, frame(FLAWLESS.but(ip_flipped=1).build()))
    dump.wait_for("bad cksum")


@pytest.mark.parametrize(
    ("option", "to_mac", "group"),
    [
        ("--nomcast", BROADCAST, GROUP),
        ("--mcast=239.192.0.5", "01:00:5e:40:00:05", "239.192.0.5"),
        ("--mcast=239.255.0.5", "01:00:5e:7f:00:05", "239.255.0.5"),
    ],
)
def test_advertisements_go_where_the_options_say(
    web01: Host, web02: Host, tmp_path: Path, option: str, to_mac: str, group: str
) -> None:
    dump = capture(web02, "proto", "112")
    master(web01, tmp_path / "ucarp", option)
    wait_for_advertisements(dump, 2)
    assert {(ad.to_mac, ad.group) for ad in advertisements(dump)} == {(to_mac, group)}
    assert "bad" not in dump.log()


#: Options as people write them. Each alone, with nothing but what ucarp needs beside it.
SPELLINGS = (
    "-k10",
    "-k 10",
    "--advskew=10",
    "--advskew 10",
    "--advskew=0x0a",
    "--advskew=012",
    "--advs=11",
    "-zPk10",
    "-b2",
    "-b 2 -k 255",
    "--advbase=2 --advskew=5",
    "-nzPMk7",
    "--nomcast -k3",
    "--mcast=239.192.0.5",
    "--mcast 239.192.0.6",
    "--preempt --neutral --shutdown",
    "--preem --neut --shut",
    "-k10 -k20",
    "-SPb1 -k5",
    "-S --xparam=x -k 8",
    "--advskew=10s",
    "--advskew=10,--preempt",
    "-k08",
    "-b1s -k 5%",
)


def test_every_spelling_of_the_options_puts_the_same_on_the_wire_as_ucarp(
    lab: Lab, tmp_path: Path
) -> None:
    ours = lab.host("ours", f"{WEB01}/24", bridge="one")
    theirs = lab.host("theirs", f"{WEB01}/24", bridge="another")
    dumps = [capture(host, "proto", "112") for host in (ours, theirs)]
    for number, spelling in enumerate(SPELLINGS, 1):
        address = f"203.0.113.{number}"
        write_vip(
            tmp_path / "ucarp", f"{number:03}", ID=None, VHID=str(number), VIP_ADDRESS=address,
            OPTIONS=f"-r1 {spelling}",
        )  # fmt: skip
        theirs.ucarp(vhid=number, address=address, options=["-r1", *spelling.split()])
    ours.vipd(tmp_path / "ucarp")

    def said(dump: Process) -> dict[str, tuple[object, ...]]:
        return {
            SPELLINGS[ad.vhid - 1]: (ad.source, ad.advbase, ad.advskew, ad.to_mac, ad.group)
            for ad in advertisements(dump)
        }

    wait_until(
        lambda: all(len(said(dump)) == len(SPELLINGS) for dump in dumps) or None,
        timeout=60,
        complaint=lambda: f"silent: {[set(SPELLINGS) - said(dump).keys() for dump in dumps]}",
    )
    mine, yours = map(said, dumps)
    assert mine == yours


def test_the_address_is_announced_at_take_over_and_a_second_later(
    web01: Host, web02: Host, tmp_path: Path
) -> None:
    dump = capture(web02, "arp", "or", "proto", "112")
    master(web01, tmp_path / "ucarp")
    wait_for_advertisements(dump, 4)
    first, second = announcements(dump, VIP)
    assert (first.from_mac, first.to_mac, first.target_mac) == (mac(web01), BROADCAST, mac(web01))
    assert 0.9 < second.time - first.time < 3
    assert first.time < advertisements(dump)[0].time  # who answers us knows where to


def test_the_address_is_announced_after_every_challenge(
    web01: Host, web02: Host, tmp_path: Path
) -> None:
    dump = capture(web02, "arp", "or", "proto", "112")
    daemon = master(web01, tmp_path / "ucarp")
    wait_for_two_announcements(dump, since=0)
    for counter in (1 << 61, 1 << 62):
        send(web02, frame(signed(advskew=100, counter=counter).build()))
        dump.wait_for(f"counter={counter}")
        (challenge,) = (ad.time for ad in advertisements(dump) if ad.counter == counter)
        at_once, again = wait_for_two_announcements(dump, since=challenge)
        assert at_once.time - challenge < 0.8
        assert 0.9 < again.time - at_once.time < 3
    assert daemon.log().count("Switching to state") == 2  # BACKUP, MASTER and nothing since


def test_the_host_is_a_member_of_its_groups_as_long_as_it_needs_them(
    web01: Host, web02: Host, tmp_path: Path
) -> None:
    dump = capture(web02, "igmp")
    write_vip(tmp_path / "ucarp")
    write_vip(tmp_path / "ucarp", "002", VIP_ADDRESS="198.51.100.155", OPTIONS="--mcast=239.9.9.9")
    write_vip(tmp_path / "ucarp", "003", VIP_ADDRESS="198.51.100.156", OPTIONS="--nomcast")
    daemon = web01.vipd(tmp_path / "ucarp")
    dump.wait_for(r"gaddr 224\.0\.0\.18 to_ex")
    dump.wait_for(r"gaddr 239\.9\.9\.9 to_ex")
    members = web01.run(["ip", "maddress", "show", "dev", "eth1"]).stdout
    assert {"224.0.0.18", "239.9.9.9"} <= set(members.split())
    assert daemon.stop() == 0
    left = web01.run(["ip", "maddress", "show", "dev", "eth1"]).stdout
    assert not {"224.0.0.18", "239.9.9.9"} & set(left.split())


def test_a_group_may_have_several_addresses_of_both_families(
    lab: Lab, web01: Host, web02: Host, tmp_path: Path
) -> None:
    looking = lab.host("looking", "198.51.100.200/24", "2001:db8::200/64")
    dump = looking.capture("icmp6", options=["-e", "-v"])
    # in whatever order the files have them: the digest sorts them
    for host, addresses, skew in (
        (web01, f"198.51.100.9 {VIP6} {VIP} 2001:db8::9", 0),
        (web02, f"2001:db8::9 {VIP} {VIP6} 198.51.100.9", 100),
    ):
        directory = tmp_path / host.name
        write_vip(directory, VIP_ADDRESS=addresses, OPTIONS=f"--preempt --advskew={skew}")
        host.vipd(directory)
    everything = {VIP, "198.51.100.9", VIP6, "2001:db8::9"}
    for address in everything:
        lab.wait_owner(address, "web01", timeout=60, stable=0.5)
    assert "dropped:" not in lab.tails()
    assert everything.isdisjoint(web02.addresses())
    for address in (VIP6, "2001:db8::9"):
        dump.wait_for(
            rf"{mac(web01)} > 33:33:00:00:00:01, .*hlim 255.* {address} > ff02::1: "
            rf"\[icmp6 sum ok\] ICMP6, neighbor advertisement.*tgt is {address}, "
            r"Flags \[override\]"
        )
    ping = looking.run(["ping", "-6", "-c", "1", "-W", "2", VIP6])
    assert ping.returncode == 0, ping.stdout  # usable at once: no duplicate address detection
    web01.crash()
    for address in everything:
        lab.wait_owner(address, "web02", timeout=60)


def test_the_kernel_keeps_other_peoples_groups_from_the_daemon(
    web01: Host, web02: Host, tmp_path: Path
) -> None:
    daemon = master(web01, tmp_path / "ucarp", "--advbase=200")
    daemon.wait_for("state: BACKUP")
    wait_until_asleep(daemon)

    def woken_by(*frames: bytes) -> int:
        before = switches(daemon)
        send(web02, *frames)
        wait_until_asleep(daemon)
        return switches(daemon) - before

    foreign = [frame(signed(vhid=vhid).build()) for vhid in range(2, 256)]
    other_protocols = [
        frame(signed().but(protocol=17).build()),
        frame(signed().but(fragment=0x2000).build()),
        frame(signed().but(fragment=1).build()),
        frame(signed().build(), ethertype=0x86DD),
    ]
    assert woken_by(*foreign, *other_protocols) == 0
    assert woken_by(frame(signed().build())) > 0  # ours do


def switches(process: Process) -> int:
    """How often a process went to sleep, and so how often it was woken."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (number,) = re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)
    return int(number)


def wait_until_asleep(process: Process, seconds: float = 1.5) -> None:
    """Wait until a process has not been woken for a while."""
    seen, since = -1, time.monotonic()

    def look() -> bool | None:
        nonlocal seen, since
        if (now := switches(process)) != seen:
            seen, since = now, time.monotonic()
        return time.monotonic() - since > seconds or None

    wait_until(look, timeout=60, complaint=lambda: f"never sleeps{process.tail()}")


def test_a_demoted_openbsd_master_is_relieved_without_preempt(
    lab: Lab, web01: Host, web02: Host, tmp_path: Path
) -> None:
    """Byte 4 of its advertisements says so. It is as fast as a host can be, and lives."""
    write_vip(tmp_path, OPTIONS="--advbase=20 --advskew=100")
    daemon = web01.vipd(tmp_path)
    daemon.wait_for("Switching to state: BACKUP")
    openbsd = signed(advbase=20)

    send(web02, frame(openbsd.build()), frame(openbsd.but(demotion=1).build()))

    daemon.wait_for("Switching to state: MASTER .the master is demoted further than we are")
    lab.wait_owner(VIP, "web01")
