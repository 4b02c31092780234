"""What a host that does not belong to any group sends: nothing of it may be believed."""

import random
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from helpers import forging
from helpers.configured import PASSWORD

from chaos.groups import CROWD, GROUPS, HOSTS, HOSTS_IPV6, Group
from vipd.carp.digest import Digest
from vipd.carp.packet import Advertisement, encode
from vipd.linux.announce import announcement
from vipd.linux.family import multicast_mac

_STRANGER = "198.51.100.66"
_CARP_IPV6 = IPv6Address("ff02::12")
#: Where a packet of IPv6 has its hop limit, the version of CARP, and the checksum.
_SPOILT_IPV6 = (7, 40, 46)
#: The advbase and advskew of who would be better than everybody, and of who says that he leaves.
_TEMPTING = ((0, 1), (1, 0), (255, 255))


def advertisements(seed: int) -> list[bytes]:
    """Frames for every VHID, in no order: with a wrong digest, from a host of the group and from a
    stranger; and with the right one, but with what a router, VRRP or damage leaves behind."""
    dice = random.Random(seed)
    known = {group.vhid: [place.address for place in group.shared] for group in GROUPS}
    frames = []
    for vhid in range(1, 255):
        base, skew = dice.choice(_TEMPTING)
        right = forging.signed(
            source=dice.choice([*HOSTS.values()]),
            vhid=vhid,
            advbase=base,
            advskew=skew,
            counter=dice.getrandbits(64),
            addresses=known.get(vhid, [f"192.0.2.{vhid}"]),
        )
        frames += [
            right.but(digest=dice.randbytes(20)),
            right.but(digest=dice.randbytes(20), source=IPv4Address(_STRANGER)),
            right.but(ttl=dice.randrange(255)),
            right.but(carp_version=dice.choice((0, 1, 3, 4))),
            right.but(carp_type=dice.randrange(2, 16)),
            right.but(authlen=dice.randrange(7)),
            right.but(carp_flipped=1 << dice.randrange(16)),
        ]
    everything = [forging.frame(packet.build()) for packet in frames]
    everything += [frame for group in GROUPS for frame in advertisements_ipv6(dice, group)]
    dice.shuffle(everything)
    return everything


def advertisements_ipv6(dice: random.Random, group: Group) -> list[bytes]:
    """The same by IPv6, for one group: with a wrong digest; and with the right one, but with a
    wrong hop limit, version or checksum."""
    base, skew = dice.choice(_TEMPTING)
    counter = dice.getrandbits(64)
    addresses = [ip_address(place.address) for place in group.shared]
    digest = Digest(PASSWORD.encode(), group.vhid, addresses).sign(counter)
    source = IPv6Address(dice.choice([*HOSTS_IPV6.values()]))
    right = Advertisement(source, _CARP_IPV6, group.vhid, base, skew, 0, counter, digest)
    packets = [bytearray(encode(right._replace(digest=dice.randbytes(20))))]
    for at in _SPOILT_IPV6:
        packet = bytearray(encode(right))
        packet[at] ^= dice.randrange(1, 256)
        packets.append(packet)
    to = multicast_mac(_CARP_IPV6)
    return [forging.frame(bytes(packet), ethertype=0x86DD, to=to) for packet in packets]


def claims(seed: int) -> list[bytes]:
    """ARP and neighbour advertisements by which a stranger claims every address there is."""
    frames = [frame for address in _addresses() for frame in claim(ip_address(address))]
    random.Random(seed).shuffle(frames)
    return frames


def _addresses() -> Iterator[str]:
    yield from HOSTS.values()
    yield from HOSTS_IPV6.values()
    yield from (address for group in GROUPS for address in group.addresses)
    yield from (f"192.0.2.{vhid}" for vhid in CROWD)


def claim(address: IPv4Address | IPv6Address) -> list[bytes]:
    """Frames by which a stranger claims an address."""
    replies = (False, True) if address.version == 4 else (False,)
    return [announcement(address, forging.FORGER_MAC, reply=reply) for reply in replies]
