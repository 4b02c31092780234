"""Why a packet was not taken, in words that name the other host and the cure."""

from collections.abc import Callable, Sequence
from functools import partial

from vipd.carp.packet import Advertisement, Drop, carp_at, decode, destination_of, source_of
from vipd.carp.vrrp import Vrrp, read
from vipd.config.model import VipConfig
from vipd.daemon.diagnosis.digest_proof import Kept, Search, other_settings, same_settings

#: Where in the CARP header the counter is.
_COUNTER = 8
_CURES = {
    Drop.SHORT: "It is no CARP packet, or damaged",
    Drop.NOT_CARP: "It is no CARP packet, or damaged",
    Drop.TTL: "CARP hosts have to be in one network segment",
    Drop.VERSION: "Run CARP version 2 on all hosts",
    Drop.TYPE: "It is no CARP advertisement",
    Drop.DESTINATION: "Use the same --mcast on both hosts, or PEERS on both",
    Drop.PEER: "If it is a host of this group, add that address to PEERS",
    Drop.CHECKSUM: "Something on the way damages packets",
    Drop.OWN_SOURCE: "Two hosts have the same SOURCE_ADDRESS, so that both become master: "
    "give each its own",
    Drop.FORGED: "Nothing changes because of it. Somebody in the network has recorded an "
    "advertisement, changed its first bytes or its source, and sends it: find out who with "
    "`tcpdump -e proto 112`. If a router on the way to PEERS translates addresses, set "
    "AUTHENTICATE=off",
    Drop.REPEATED: "Nothing changes because of it. Somebody in the network sends a recorded one, "
    "or packets are held up for seconds; or that host has lost its numbers, and goes on behind "
    "those of others as soon as it hears one",
    Drop.UNTAGGED: "It runs no vipd, or an older one, and AUTHENTICATE=strict is set here; or it "
    "has just sent advertisements with a tag, and somebody else sends in its name",
    Drop.ECHO: "Look for a loop or a mirrored port in the network",
}
_VRRP = (
    "It is VRRP, which has the same protocol number and group: give it another virtual router ID, "
    "or the CARP hosts another --mcast or VHID"
)
_MISREAD = (
    "{ad.source} runs our VIP {config.id} as VHID {ad.vhid}, we run it as {config.vhid}, so that "
    "both own it. ucarp reads an ID that begins with 0 as octal: write ID without zeros, or VHID=, "
    "on both hosts"
)
#: Its sender has sent the same advertisement with our password, too.
SECOND_PASSWORD = (
    "That host sends each advertisement with our password, too, and with a second one "
    "(PASSWORD_ALSO) that we do not have. While passwords change, that is harmless: see "
    "docs/passwords.md for the next step"
)
_UNPROVEN = "Compare ID, PASSWORD and VIP_ADDRESS on both hosts"


def vhid_of(packet: bytes) -> int:
    """The VHID in a packet of whatever kind; 0 if it is too short to have one."""
    at = carp_at(packet) + 1
    return packet[at] if at < len(packet) else 0


def counter_of(packet: bytes) -> int:
    """The counter in an advertisement, whether it is intact or not."""
    at = carp_at(packet) + _COUNTER
    return int.from_bytes(packet[at : at + 8], "big")


def explain(drop: Drop, packet: bytes, vhid: int, found: str = "") -> str:
    """One line about a dropped packet. ``found``: what `search` found out about its digest; that
    is all there is to say about a VHID that is nobody's here."""
    if drop is Drop.VHID:
        return found
    source = source_of(packet) or "an unknown host"
    cure = _CURES.get(drop, _UNPROVEN)
    if isinstance(read(packet), Vrrp):
        cure = _VRRP
    elif drop is Drop.DIGEST:
        cure = found or _UNPROVEN
    return f"packet from {source} for VHID {vhid} dropped: {drop.value}. {cure}"


def search(packet: bytes, vhid: int, ours: Sequence[VipConfig]) -> Callable[[Kept], Search] | None:
    """How to find out which settings made the digest of a packet. None: nothing can be found out.

    ``ours``: all VIPs on the interface it came in at. The VHID is that of one of them, or the other
    reading of the ID of one: "" is found then if it is only somebody else's group.
    """
    if isinstance(read(packet), Vrrp):
        return None
    named = [config for config in ours if config.vhid == vhid]
    misread = [config for config in ours if config.other_vhid == vhid]
    for config in named or misread:
        ad = _advertisement(packet, vhid)
        if ad is None:
            continue
        if named:
            return partial(other_settings, ad, config, ours)
        return partial(same_settings, ad, misread, _MISREAD)
    return None


def _advertisement(packet: bytes, vhid: int) -> Advertisement | None:
    """What is in a packet, whoever sent it to whomever."""
    source, destination = source_of(packet), destination_of(packet)
    if not (source and destination):
        return None
    ad = decode(packet, {vhid: destination}, {vhid: (source.packed,)})
    return ad if isinstance(ad, Advertisement) else None
