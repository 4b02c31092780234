"""The packet socket: what it lets through, and what it sends."""

import select
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, ip_address

import pytest
from carp.handmade import FLAWLESS, Packet
from helpers.forging import FORGER_MAC, frame, send

from vipd.lab import Host
from vipd.linux.announce import announcement
from vipd.linux.family import IPV4, multicast_mac
from vipd.linux.wire import BROADCAST, Wire, sender_of

pytestmark = pytest.mark.lab

OUR_MAC = bytes.fromhex("02000000aaaa")
END = FLAWLESS.but(vhid=200, source=IPv4Address("192.0.2.222")).build()


@pytest.fixture
def wire(web01: Host) -> Iterator[Wire]:
    opened = Wire(web01.cable().interface, OUR_MAC)
    yield opened
    opened.close()


def frames(wire: Wire, *, known: bool = False) -> list[bytes]:
    return [frame for some in wire.receive(known=known) for frame, _ in some]


def received(wire: Wire, sender: Host, *sent: bytes) -> list[bytes]:
    """What comes out of the socket when these are sent; END marks the end and must pass."""
    send(sender, *sent, frame(END))
    packets: list[bytes] = []
    while END not in packets:
        assert select.select([wire], [], [], 5)[0], "the last packet did not arrive"
        packets += (each[14:] for each in frames(wire))
    return packets[:-1]


def vhids(packets: list[bytes]) -> list[int]:
    return [packet[(packet[0] & 15) * 4 + 1] for packet in packets]


@pytest.mark.parametrize(
    "wanted",
    [(), (1,), (255,), (31, 32, 33), (63, 64, 128, 254), tuple(range(1, 256))],
    ids=lambda wanted: f"{len(wanted)} VHIDs",
)
def test_the_kernel_passes_the_wanted_vhids_and_no_others(
    wire: Wire, web02: Host, wanted: tuple[int, ...]
) -> None:
    wire.listen({IPV4: {*wanted, 200}})
    everything = [frame(FLAWLESS.but(vhid=vhid).build()) for vhid in range(256)]
    assert vhids(received(wire, web02, *everything)) == sorted({*wanted} | {200})


def test_ip_options_do_not_hide_the_vhid(wire: Wire, web02: Host) -> None:
    wire.listen({IPV4: {7, 200}})
    options = [bytes([1] * 4 * words) for words in range(11)]
    packets = [FLAWLESS.but(vhid=7, options=some) for some in options]
    others = [packet.but(vhid=8) for packet in packets]
    frames = [frame(packet.build()) for packet in (*others, *packets)]
    assert vhids(received(wire, web02, *frames)) == [7] * len(options)


@pytest.mark.parametrize(
    "foreign",
    [
        frame(FLAWLESS.but(protocol=17).build()),
        frame(FLAWLESS.but(fragment=0x2000).build()),
        frame(FLAWLESS.but(fragment=0x0001).build()),
        frame(FLAWLESS.build()[:20]),
        frame(FLAWLESS.build(), ethertype=0x88B5),
    ],
    ids=["protocol", "first fragment", "last fragment", "no payload", "ethertype"],
)
def test_what_is_not_carp_stays_outside(wire: Wire, web02: Host, foreign: bytes) -> None:
    wire.listen({IPV4: {1, 200}})
    assert received(wire, web02, foreign) == []


def tagged(untagged: bytes, vlan: int, protocol: int = 0x8100) -> bytes:
    """The same frame in a VLAN, priority 5; VLAN 0 is no VLAN but the priority alone."""
    tag = protocol.to_bytes(2, "big") + (5 << 13 | vlan).to_bytes(2, "big")
    return untagged[:12] + tag + untagged[12:]


IN_A_VLAN = {
    "802.1Q": lambda each: tagged(each, 20),
    "802.1ad": lambda each: tagged(each, 20, 0x88A8),
    "a priority tag, then a VLAN": lambda each: tagged(tagged(each, 20), 0),
    "a VLAN in a VLAN": lambda each: tagged(tagged(each, 0), 20, 0x88A8),
}


@pytest.mark.parametrize("vlan", IN_A_VLAN.values(), ids=IN_A_VLAN.keys())
def test_another_vlan_is_another_segment(
    wire: Wire, web02: Host, vlan: Callable[[bytes], bytes]
) -> None:
    """A trunk's untagged parent: the kernel shows us what is in its VLANs, with the tag off."""
    wire.listen({IPV4: {1, 200}})
    assert received(wire, web02, vlan(frame(FLAWLESS.build()))) == []


def test_a_priority_tag_is_no_vlan(wire: Wire, web02: Host) -> None:
    wire.listen({IPV4: {1, 200}})
    packet = FLAWLESS.build()
    assert received(wire, web02, tagged(frame(packet), 0)) == [packet]


def test_frames_for_other_hosts_are_not_heard_by_a_card_that_shows_them(
    wire: Wire, web01: Host, web02: Host
) -> None:
    web01.must(["ip", "link", "set", "eth1", "promisc", "on"])
    wire.listen({IPV4: {1, 200}})
    stranger = bytes.fromhex("02000000bbbb")
    assert received(wire, web02, frame(FLAWLESS.build(), to=stranger)) == []


def test_known_hosts_have_a_socket_of_their_own(wire: Wire, web02: Host) -> None:
    wire.listen({IPV4: {1, 200}})
    stranger = FLAWLESS.but(source=IPv4Address("192.0.2.66"))
    virtual = [bytes.fromhex(f"00005e000{kind}07") for kind in "01"]
    known = [FORGER_MAC, bytes.fromhex("02000000000e"), *virtual]
    wire.trust({sender_of(bytes(6) + mac) for mac in known})
    end, flawless = frame(END), frame(FLAWLESS.build())
    other = flawless[:6] + bytes.fromhex("02000000000d") + frame(stranger.build())[12:]
    ours = [flawless[:6] + mac + flawless[12:] for mac in known]
    last = end[:6] + bytes.fromhex("02000000000d") + end[12:]
    send(web02, *ours, other, last)
    others: list[bytes] = []
    while last not in others:
        assert select.select([wire], [], [], 5)[0]
        others += frames(wire)
    assert others == [other, last]
    assert frames(wire, known=True) == ours
    wire.trust(())
    assert received(wire, web02, flawless) == [FLAWLESS.build()]
    assert frames(wire, known=True) == []


EXPECTED = FLAWLESS.but(advbase=1, advskew=100, demotion=0)


@pytest.mark.parametrize(
    ("packet", "urgent"),
    [
        (EXPECTED, False),
        (EXPECTED.but(counter=1), False),
        (EXPECTED.but(vhid=255, advskew=0), False),
        (EXPECTED.but(advskew=0), True),
        (EXPECTED.but(advskew=101), True),
        (EXPECTED.but(advbase=2), True),
        (EXPECTED.but(advbase=255, advskew=255), True),
        (EXPECTED.but(demotion=1), True),
        (EXPECTED.but(vhid=255), True),
        (EXPECTED.but(vhid=200), True),
        (EXPECTED.but(options=bytes([1] * 8)), False),
        (EXPECTED.but(options=bytes([1] * 8), advskew=99), True),
    ],
    ids=str,
)
def test_a_known_host_that_says_something_new_is_urgent(
    wire: Wire, web02: Host, packet: Packet, urgent: bool
) -> None:
    wire.listen({IPV4: {1, 200, 255}})
    wire.trust([FORGER_MAC])
    many = {(2, number): {7} for number in range(6)}
    assert wire.expect({(1, 100): {1, 3, 31, 32, 200}, (1, 0): {255}, (1, 7): {200}, **many})
    if packet.vhid == 200:
        wire.expect({(1, 0): {200}})
    send(web02, frame(packet.build()))
    until_known = wire.known_filenos()
    assert select.select(until_known, [], [], 5)[0]
    assert bool(select.select(wire.urgent_filenos(), [], [], 0)[0]) == urgent
    wire.hush()
    assert not select.select(wire.urgent_filenos(), [], [], 0)[0]
    assert frames(wire, known=True) == [frame(packet.build())]
    assert wire.expect({}) is False
    assert wire.urgent_filenos() == ()


def test_what_strangers_say_is_not_urgent(wire: Wire, web02: Host) -> None:
    wire.listen({IPV4: {1, 200}})
    assert wire.expect({(1, 0): {1}})
    assert received(wire, web02, frame(EXPECTED.build())) == [EXPECTED.build()]
    assert not select.select(wire.urgent_filenos(), [], [], 0)[0]


@pytest.mark.parametrize("spoilt", [{"ttl": 64}, {"carp_version": 4}, {"authlen": 6}], ids=str)
def test_malformed_packets_are_sampled_and_others_are_not(
    wire: Wire, web02: Host, spoilt: dict[str, int]
) -> None:
    wire.listen({IPV4: {1, 200}}, 4)
    genuine = [FLAWLESS.but(counter=number) for number in range(100)]
    frames = [frame(FLAWLESS.but(**spoilt).build())] * 400 + [frame(g.build()) for g in genuine]
    packets = received(wire, web02, *frames)
    assert packets[-100:] == [each.build() for each in genuine]
    assert 30 < len(packets) - 100 < 200


def test_nothing_is_heard_before_something_is_listened_for(wire: Wire, web02: Host) -> None:
    send(web02, frame(FLAWLESS.build()))
    wire.listen({IPV4: {1, 200}})
    assert received(wire, web02) == []


def test_what_we_send_does_not_come_back(wire: Wire, web02: Host) -> None:
    wire.listen({IPV4: {1, 200}})
    wire.send(wire.header(BROADCAST, IPV4) + FLAWLESS.build())
    assert received(wire, web02) == []


def test_a_flood_is_handed_out_in_pieces(wire: Wire, web02: Host) -> None:
    wire.listen({IPV4: {1, 200}})
    send(web02, *[frame(FLAWLESS.build())] * 1000, frame(END))
    pieces: list[int] = []
    while sum(pieces) < 1001:
        assert select.select([wire], [], [], 5)[0]
        pieces.append(len(frames(wire)))
    assert max(pieces) <= 512


def test_packets_leave_with_the_addresses_they_were_given(wire: Wire, web02: Host) -> None:
    dump = web02.capture("proto", "112", options=["-e", "-vvv", "-T", "carp"])
    group = IPv4Address("239.192.0.5")
    header = wire.header(multicast_mac(group), IPV4)
    wire.send(header + Packet(destination=group).build())
    dump.wait_for(
        r"02:00:00:00:aa:aa > 01:00:5e:40:00:05, ethertype IPv4(.*\n)+?.*> 239\.192\.0\.5: CARPv2"
    )
    assert "bad" not in dump.log()


@pytest.mark.parametrize(
    ("group", "mac"),
    [
        ("224.0.0.18", "01005e000012"),
        ("239.192.0.5", "01005e400005"),
        ("239.255.255.255", "01005e7fffff"),
    ],
)
def test_a_group_has_its_ethernet_address(group: str, mac: str) -> None:
    assert multicast_mac(IPv4Address(group)).hex() == mac


@pytest.mark.parametrize(
    ("address", "decoded"),
    [
        (
            "198.51.100.154",
            r"02:00:00:00:aa:aa > ff:ff:ff:ff:ff:ff, ethertype ARP .* Request who-has "
            r"198\.51\.100\.154 \(02:00:00:00:aa:aa\) tell 198\.51\.100\.154, length 28",
        ),
        (
            "2001:db8::154",
            r"02:00:00:00:aa:aa > 33:33:00:00:00:01, .*hlim 255.*2001:db8::154 > ff02::1: "
            r"\[icmp6 sum ok\] ICMP6, neighbor advertisement, length 32, tgt is 2001:db8::154, "
            r"Flags \[override\]\s+destination link-address option \(2\), "
            r"length 8 \(1\): 02:00:00:00:aa:aa",
        ),
    ],
)
def test_announcements_are_what_tcpdump_calls_so(
    wire: Wire, web02: Host, address: str, decoded: str
) -> None:
    dump = web02.capture("arp", "or", "icmp6", options=["-e", "-vvv"])
    wire.send_frame(announcement(ip_address(address), OUR_MAC))
    dump.wait_for(decoded)


def test_announcements_fill_the_neighbours_tables(wire: Wire, web01: Host, web02: Host) -> None:
    web01.must(["ip", "addr", "add", "2001:db8::1/64", "dev", "eth1"])
    web02.must(["ip", "addr", "add", "2001:db8::2/64", "dev", "eth1"])
    wrong = "lladdr 02:00:00:00:bb:bb dev eth1 nud stale"
    for address in ("198.51.100.154", "2001:db8::154"):
        web02.must(["sh", "-c", f"ip neigh add {address} {wrong}"])
        wire.send_frame(announcement(ip_address(address), OUR_MAC))
        for _ in range(100):
            table = web02.run(["ip", "neigh", "show", address]).stdout
            if "02:00:00:00:aa:aa" in table:
                break
        assert "02:00:00:00:aa:aa" in table


def test_membership_is_exactly_what_was_asked_for(wire: Wire, web01: Host) -> None:
    def members() -> set[str]:
        return {
            word
            for word in web01.run(["ip", "maddress", "show", "dev", "eth1"]).stdout.split()
            if word.startswith(("224.0.0.18", "239."))
        }

    first, second = IPv4Address("224.0.0.18"), IPv4Address("239.192.0.5")
    many = [IPv4Address("239.1.0.0") + number for number in range(50)]  # a socket takes 20
    for groups in ([first], [first, second], [second], many, []):
        wire.join(groups)
        assert members() == set(map(str, groups))
    wire.join([first])
    wire.close()
    assert members() == set()


def test_an_interface_that_is_not_there_is_an_error(web01: Host) -> None:
    assert web01.alive
    with pytest.raises(OSError, match="No such device"):
        Wire("eth7", OUR_MAC)


def test_sending_on_an_interface_that_is_down_is_an_error(wire: Wire, web01: Host) -> None:
    web01.must(["ip", "link", "set", "eth1", "down"])
    with pytest.raises(OSError, match="Network is down"):
        wire.send(wire.header(BROADCAST, IPV4) + FLAWLESS.build())
    assert frames(wire) == []  # the socket is told of it once, which is no packet
    web01.must(["ip", "link", "set", "eth1", "up"])
    wire.send(wire.header(BROADCAST, IPV4) + FLAWLESS.build())
