"""Packets: read as a second reader, written without cleverness, reads them, and written back."""

from ipaddress import IPv4Address, ip_interface

from carp.handmade import checksum
from pydantic import SecretBytes

from vipd.carp.digest import Digest
from vipd.carp.packet import Advertisement, Drop, decode, encode
from vipd.config.model import VipConfig
from vipd.daemon.diagnosis.digest_proof import Kept
from vipd.daemon.diagnosis.explanation import explain, search, vhid_of

GROUP, OTHER_GROUP = IPv4Address("224.0.0.18"), IPv4Address("239.192.0.5")
AT_HOME = {1: GROUP, 8: OTHER_GROUP}
ADDRESS = ip_interface("198.51.100.154")
DIGEST = Digest(b"love", 1, [ADDRESS.ip])


def check(data: bytes) -> None:
    for packet in (data, repaired(data)):
        read = decode(packet, AT_HOME)
        assert read == second_reader(packet)
        if isinstance(read, Drop):
            told(read, packet)
        else:
            written_back(read)
    if len(data) >= 40:
        written_back(any_advertisement(data))


def repaired(data: bytes) -> bytes:
    """The same with right checksums, which no fuzzer guesses."""
    packet = bytearray(data)
    header = (packet[0] & 0xF) * 4 if packet else 0
    for begin, end, at in ((0, header, 10), (header, header + 36, header + 6)):
        if at + 2 <= end <= len(packet):
            packet[at : at + 2] = bytes(2)
            packet[at : at + 2] = checksum(bytes(packet[begin:end])).to_bytes(2, "big")
    return bytes(packet)


def second_reader(packet: bytes) -> Advertisement | Drop:
    """`decode` as the protocol's description has it, word by word."""
    if len(packet) < 56:
        return Drop.SHORT
    header = (packet[0] & 0xF) * 4
    carp = packet[header : header + 36]
    fragmented = packet[6] & 0x20 or packet[6] & 0x1F or packet[7]
    if packet[0] >> 4 != 4 or packet[9] != 112 or fragmented:
        return Drop.NOT_CARP
    if header < 20 or len(carp) < 36 or packet[2] * 256 + packet[3] < header + 36:
        return Drop.SHORT
    if packet[8] != 255:
        return Drop.TTL
    if carp[0] >> 4 != 2:
        return Drop.VERSION
    if carp[0] != 0x21 or carp[3] != 7:
        return Drop.TYPE
    if carp[1] not in AT_HOME:
        return Drop.VHID
    if packet[16:20] != AT_HOME[carp[1]].packed:
        return Drop.DESTINATION
    if checksum(packet[:header]) or checksum(carp):
        return Drop.CHECKSUM
    return Advertisement(
        source=IPv4Address(packet[12:16]),
        destination=IPv4Address(packet[16:20]),
        vhid=carp[1],
        advbase=carp[5],
        advskew=carp[2],
        demotion=carp[4],
        counter=int.from_bytes(carp[8:16], "big"),
        digest=carp[16:36],
        host=packet[12:16][::-1],
    )


def any_advertisement(data: bytes) -> Advertisement:
    return Advertisement(
        source=IPv4Address(data[0:4]),
        destination=IPv4Address(data[4:8]),
        vhid=data[8],
        advbase=data[9],
        advskew=data[10],
        demotion=data[11],
        counter=int.from_bytes(data[12:20], "big"),
        digest=data[20:40],
        host=data[0:4][::-1],
    )


def written_back(ad: Advertisement) -> None:
    """What is written is read as it was meant, and its digest believed only if it is right."""
    packet = encode(ad)
    assert len(packet) == 56
    assert checksum(packet[:20]) == checksum(packet[20:]) == 0
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
