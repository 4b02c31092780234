"""Packets: read as a second reader, written without cleverness, reads them, and written back."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_interface

from carp.handmade import checksum

from vipd.carp.digest import Digest
from vipd.carp.host import Address, by_address
from vipd.carp.packet import MULTICAST_IPV6, Advertisement, Drop, decode, encode
from vipd.config.model import VipConfig
from vipd.config.secret import SecretBytes
from vipd.daemon.diagnosis.digest_proof import Kept
from vipd.daemon.diagnosis.explanation import explain, search, vhid_of

GROUP, OTHER_GROUP = IPv4Address("224.0.0.18"), IPv4Address("239.192.0.5")
AT_HOME = {1: GROUP, 8: OTHER_GROUP}
AT_HOME_IPV6 = {1: MULTICAST_IPV6, 8: MULTICAST_IPV6}
#: VHID 8 is unicast: it hears this host only, at any distance.
PEERS = {8: (IPv4Address("192.0.2.179").packed, IPv6Address("fe80::5054:ff:fe12:3456").packed)}
ADDRESS = ip_interface("198.51.100.154")
DIGEST = Digest(b"love", 1, [ADDRESS.ip])


def check(data: bytes) -> None:
    for packet in (data, repaired(data)):
        read = decode(packet, AT_HOME_IPV6 if is_ipv6(packet) else AT_HOME, PEERS)
        assert read == second_reader(packet)
        if isinstance(read, Drop):
            told(read, packet)
        else:
            written_back(read)
    if len(data) >= 40:
        written_back(any_advertisement(data, 4))
    if len(data) >= 64:
        written_back(any_advertisement(data, 16))


def is_ipv6(packet: bytes) -> bool:
    return packet[:1] != b"" and packet[0] >> 4 == 6


def repaired(data: bytes) -> bytes:
    """The same with right checksums, which no fuzzer guesses."""
    packet = bytearray(data)
    header = 40 if is_ipv6(data) else (packet[0] & 0xF) * 4 if packet else 0
    ip = () if is_ipv6(data) else ((0, header, 10),)
    for begin, end, at in (*ip, (header, header + 36, header + 6)):
        if at + 2 <= end <= len(packet):
            packet[at : at + 2] = bytes(2)
            packet[at : at + 2] = checksum(bytes(packet[begin:end])).to_bytes(2, "big")
    return bytes(packet)


def second_reader(packet: bytes) -> Advertisement | Drop:
    """`decode` as the protocol's description has it, word by word."""
    if is_ipv6(packet):
        return second_reader_of_ipv6(packet)
    if len(packet) < 56:
        return Drop.SHORT
    header = (packet[0] & 0xF) * 4
    carp = packet[header : header + 36]
    fragmented = packet[6] & 0x20 or packet[6] & 0x1F or packet[7]
    if packet[0] >> 4 != 4 or packet[9] != 112 or fragmented:
        return Drop.NOT_CARP
    if header < 20 or len(carp) < 36 or packet[2] * 256 + packet[3] < header + 36:
        return Drop.SHORT
    if packet[8] != 255 and carp[1] != 8:
        return Drop.TTL
    flaw = carp_flaw(carp, packet[12:16], packet[16:20], AT_HOME)
    if flaw:
        return flaw
    if checksum(packet[:header]):
        return Drop.CHECKSUM
    source, destination = IPv4Address(packet[12:16]), IPv4Address(packet[16:20])
    return advertisement(source, destination, carp, packet[12:16][::-1])


def second_reader_of_ipv6(packet: bytes) -> Advertisement | Drop:
    if len(packet) < 40:
        return Drop.SHORT
    if packet[6] != 112:
        return Drop.NOT_CARP
    if len(packet) < 76 or packet[4] * 256 + packet[5] < 36:
        return Drop.SHORT
    if packet[7] != 255 and packet[41] != 8:
        return Drop.TTL
    flaw = carp_flaw(packet[40:76], packet[8:24], packet[24:40], AT_HOME_IPV6)
    if flaw:
        return flaw
    label = bytes((packet[1] & 0xF, packet[2], packet[3]))
    source, destination = IPv6Address(packet[8:24]), IPv6Address(packet[24:40])
    host = label if any(label) else packet[8:24]
    return advertisement(source, destination, packet[40:76], host)


def carp_flaw(
    carp: bytes, source: bytes, destination: bytes, groups: Mapping[int, Address]
) -> Drop | None:
    if carp[0] >> 4 != 2:
        return Drop.VERSION
    if carp[0] != 0x21 or carp[3] != 7:
        return Drop.TYPE
    if carp[1] not in groups:
        return Drop.VHID
    if destination != groups[carp[1]].packed:
        return Drop.DESTINATION
    if carp[1] == 8 and source not in PEERS[8]:
        return Drop.PEER
    return Drop.CHECKSUM if checksum(carp) else None


def advertisement(source: Address, destination: Address, carp: bytes, host: bytes) -> Advertisement:
    return Advertisement(
        source=source,
        destination=destination,
        vhid=carp[1],
        advbase=carp[5],
        advskew=carp[2],
        demotion=carp[4],
        counter=int.from_bytes(carp[8:16], "big"),
        digest=carp[16:36],
        host=host,
    )


def any_advertisement(data: bytes, length: int) -> Advertisement:
    """One from and to addresses of this length. Of IPv6, one in two has a flow label."""
    kind: type[Address] = IPv4Address if length == 4 else IPv6Address
    source, rest = kind(data[0:length]), data[2 * length :]
    label = data[:3] if length == 16 and rest[0] & 1 and 0 < data[0] < 16 else b""
    return Advertisement(
        source=source,
        destination=kind(data[length : 2 * length]),
        vhid=rest[0],
        advbase=rest[1],
        advskew=rest[2],
        demotion=rest[3],
        counter=int.from_bytes(rest[4:12], "big"),
        digest=rest[12:32],
        host=label or by_address(source),
    )


def written_back(ad: Advertisement) -> None:
    """What is written is read as it was meant, and its digest believed only if it is right."""
    packet, header = encode(ad), 20 if ad.source.version == 4 else 40
    assert len(packet) == header + 36
    assert header == 40 or checksum(packet[:20]) == 0
    assert checksum(packet[header:]) == 0
    assert decode(packet, {ad.vhid: ad.destination}) == ad
    right = DIGEST.sign(ad.counter)
    assert DIGEST.verify(ad.counter, right)
    assert DIGEST.verify(ad.counter, ad.digest) == (ad.digest == right)


OURS = [
    VipConfig(
        id="001",
        source=None,
        file="vip-001.conf",
        vhid=1,
        other_vhid=9,
        addresses=(ADDRESS, ip_interface("198.51.100.155")),
        interface="eth1",
        password=SecretBytes(b"L0ve&Peace"),
    ),
    VipConfig(
        id="008",
        source=None,
        file="vip-008.conf",
        vhid=8,
        mcast=OTHER_GROUP,
        addresses=(ADDRESS,),
        interface="eth1",
        password=SecretBytes(b"War&Peace"),
    ),
]


def told(drop: Drop, packet: bytes) -> None:
    """Every drop can be told in one line that can be printed and has no password in it."""
    vhid = vhid_of(packet)
    for why in (drop, Drop.DIGEST, Drop.OWN_SOURCE):
        line = explain(why, packet, vhid, found(packet, vhid))
        assert line.isprintable()
        assert "Peace" not in line


def found(packet: bytes, vhid: int) -> str:
    """What a search for the digest's settings comes to."""
    begin = search(packet, vhid, OURS)
    if begin is None:
        return ""
    steps = begin(Kept())
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return str(end.value)
