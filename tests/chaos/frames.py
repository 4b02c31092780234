"""What a host that does not belong to any group sends: nothing of it may be believed."""

import random
from collections.abc import Iterator
from ipaddress import IPv4Address

from helpers import forging

from chaos.groups import CROWD, GROUPS, HOSTS
from vipd.linux.announce import announcement

_STRANGER = "198.51.100.66"
#: The advbase and advskew of who would be better than everybody, and of who says that he leaves.
_TEMPTING = ((0, 1), (1, 0), (255, 255))
_ARP_REPLY = (2).to_bytes(2, "big")
_AT_OPERATION = slice(20, 22)  # in an Ethernet frame


def advertisements(seed: int) -> list[bytes]:
    """Frames for every VHID, in no order: with a wrong digest, from a host of the group and from a
    stranger; and with the right one, but with what a router, VRRP or damage leaves behind."""
    dice = random.Random(seed)
    known = {group.vhid: group.address for group in GROUPS}
    frames = []
    for vhid in range(1, 255):
        base, skew = dice.choice(_TEMPTING)
        right = forging.signed(
            source=dice.choice([*HOSTS.values()]),
            vhid=vhid,
            advbase=base,
            advskew=skew,
            counter=dice.getrandbits(64),
            addresses=[known.get(vhid, f"192.0.2.{vhid}")],
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
    dice.shuffle(frames)
    return [forging.frame(packet.build()) for packet in frames]


def claims(seed: int) -> list[bytes]:
    """ARP by which a stranger claims every address there is: requests and answers."""
    frames = [
        frame
        for address in _addresses()
        for request in (announcement(IPv4Address(address), forging.FORGER_MAC),)
        for frame in (request, _answer(request))
    ]
    random.Random(seed).shuffle(frames)
    return frames


def _addresses() -> Iterator[str]:
    yield from HOSTS.values()
    yield from (group.address for group in GROUPS)
    yield from (f"192.0.2.{vhid}" for vhid in CROWD)


def _answer(request: bytes) -> bytes:
    answer = bytearray(request)
    answer[_AT_OPERATION] = _ARP_REPLY
    return bytes(answer)
