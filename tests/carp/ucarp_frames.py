"""What the real ucarp 1.5.2 (Debian's binary) puts on the wire: the oracle for packet and digest.

Captured once in a private network namespace, so that nothing here rests on our own reading of the
protocol. To make them again, type in the shell that ``unshare --net --mount`` gives to root::

    ip link add cap0 type veth peer name cap1
    ip addr add 192.0.2.179/24 dev cap0; ip addr add 192.0.2.180/24 dev cap0
    ip link set cap0 up; ip link set cap1 up
    tcpdump -xx -lni cap1 -c 2 ip proto 112 &
    timeout 10 ucarp -i cap0 -u /bin/true -d /bin/true -r 1 COMMAND

with the ``command`` of each capture below. The bytes are whole Ethernet frames as they arrived on
the other end of the cable, the first two advertisements of each run.
"""

from ipaddress import IPv4Address
from typing import NamedTuple

ETHERNET = 14


class Capture(NamedTuple):
    """One run of ucarp, what it was told, and two frames it sent."""

    name: str
    command: str
    vhid: int
    password: bytes
    source: IPv4Address
    group: IPv4Address
    address: IPv4Address
    advbase: int
    advskew: int
    frames: tuple[str, str]

    @property
    def packets(self) -> list[bytes]:
        """The IPv4 packets inside the frames."""
        return [bytes.fromhex(frame)[ETHERNET:] for frame in self.frames]


CAPTURES = (
    Capture(
        name="plain",
        command="-v 1 -p love -s 192.0.2.179 -a 198.51.100.154",
        vhid=1,
        password=b"love",
        source=IPv4Address("192.0.2.179"),
        group=IPv4Address("224.0.0.18"),
        address=IPv4Address("198.51.100.154"),
        advbase=1,
        advskew=0,
        frames=(
            "01005e00001200005e0000010800"
            "45100038c8174000ff701068c00002b3e0000012"
            "210100070001ad9429b97f4ba56f73ba"
            "26b9f6f8ce94ae4de1d7f831a6064af0576ab233",
            "01005e00001200005e0000010800"
            "4510003886bc4000ff7051c3c00002b3e0000012"
            "2101000700010a68dcf8ac6752250e0a"
            "6e84296084f096b24e34af78cf2c91e80c30cc84",
        ),
    ),
    Capture(
        name="a 19-byte password",
        command="-v 2 -p nineteen-bytes-pass -s 192.0.2.179 -a 198.51.100.155",
        vhid=2,
        password=b"nineteen-bytes-pass",
        source=IPv4Address("192.0.2.179"),
        group=IPv4Address("224.0.0.18"),
        address=IPv4Address("198.51.100.155"),
        advbase=1,
        advskew=0,
        frames=(
            "01005e00001200005e0000020800"
            "4510003868e24000ff706f9dc00002b3e0000012"
            "210200070001ecad1b11c9b0872f6bbf"
            "e9361544462019f5da462cc29d200f96aefa594c",
            "01005e00001200005e0000020800"
            "451000381fca4000ff70b8b5c00002b3e0000012"
            "210200070001cb9c43455465e28b824a"
            "012258c0f918cef645a1f456e48e74f4cf029267",
        ),
    ),
    Capture(
        name="VHID 010, which is 8",
        command="-v 010 -p love -s 192.0.2.179 -a 198.51.100.154",
        vhid=8,
        password=b"love",
        source=IPv4Address("192.0.2.179"),
        group=IPv4Address("224.0.0.18"),
        address=IPv4Address("198.51.100.154"),
        advbase=1,
        advskew=0,
        frames=(
            "01005e00001200005e0000080800"
            "45100038a1894000ff7036f6c00002b3e0000012"
            "210800070001682ab5dec16b43d2e4a2"
            "32dd39fd21024eed48e1064e07dd9be968539ef2",
            "01005e00001200005e0000080800"
            "451000383c4e4000ff709c31c00002b3e0000012"
            "21080007000104bffad65dd7227d815c"
            "a532501e3681e6a459b02b0dd7de703211f9ec69",
        ),
    ),
    Capture(
        name="another multicast group",
        command="-v 1 -p love -s 192.0.2.179 -a 198.51.100.154 --mcast=239.192.0.5",
        vhid=1,
        password=b"love",
        source=IPv4Address("192.0.2.179"),
        group=IPv4Address("239.192.0.5"),
        address=IPv4Address("198.51.100.154"),
        advbase=1,
        advskew=0,
        frames=(
            "01005e40000500005e0000010800"
            "4510003882524000ff70467ac00002b3efc00005"
            "2101000700017ae4f9ba5a679df51517"
            "36a66fa4a81fe607c8d5051d891590e62ec611bc",
            "01005e40000500005e0000010800"
            "45100038794a4000ff704f82c00002b3efc00005"
            "210100070001049150f69babf9c30839"
            "2e0293e5708b0c042a930ca58904777709a96bf2",
        ),
    ),
    Capture(
        name="broadcast (nomcast)",
        command="-v 1 -p love -s 192.0.2.179 -a 198.51.100.154 -M",
        vhid=1,
        password=b"love",
        source=IPv4Address("192.0.2.179"),
        group=IPv4Address("224.0.0.18"),
        address=IPv4Address("198.51.100.154"),
        advbase=1,
        advskew=0,
        frames=(
            "ffffffffffff00005e0000010800"
            "45100038410f4000ff709770c00002b3e0000012"
            "210100070001ff0b392fc96d1a2495a4"
            "478de11fb42403f697aefa2ab969b05c4b940589",
            "ffffffffffff00005e0000010800"
            "45100038ccd64000ff700ba9c00002b3e0000012"
            "21010007000160d456f3fa469d8caba7"
            "4635ed71850d4215524313cf9cfaf2b7e4e00e44",
        ),
    ),
    Capture(
        name="advbase 2 and advskew 100",
        command="-v 255 -p 'pa$$w0rd' -s 192.0.2.180 -a 203.0.113.255 -b 2 -k 100",
        vhid=255,
        password=b"pa$$w0rd",
        source=IPv4Address("192.0.2.180"),
        group=IPv4Address("224.0.0.18"),
        address=IPv4Address("203.0.113.255"),
        advbase=2,
        advskew=100,
        frames=(
            "01005e00001200005e0000ff0800"
            "45100038fad94000ff70dda4c00002b4e0000012"
            "21ff640700021a9af2e7354d9e0d31fc"
            "1e326800379b4bb54c4df0b259b50bfcdf80db68",
            "01005e00001200005e0000ff0800"
            "45100038e3104000ff70f56dc00002b4e0000012"
            "21ff64070002b260e2e73bce913a557d"
            "930cb378c3130988d746359287f2667734c77efd",
        ),
    ),
)
