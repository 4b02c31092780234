"""Why a packet was not taken, in words that name the other host and the cure."""

from collections.abc import Sequence
from ipaddress import IPv4Address

from vipd.carp.digest import Digest
from vipd.carp.packet import Advertisement, Drop, decode
from vipd.config.model import Vip as Config

_CURES = {
    Drop.SHORT: "It is no CARP packet, or damaged",
    Drop.NOT_CARP: "It is no CARP packet, or damaged",
    Drop.TTL: "CARP hosts have to be in one network segment",
    Drop.VERSION: "Run CARP version 2 on all hosts",
    Drop.TYPE: "It is no CARP advertisement",
    Drop.DESTINATION: "Use the same --mcast on both hosts",
    Drop.CHECKSUM: "Something on the way damages packets",
    Drop.OWN_SOURCE: "Two hosts have the same SOURCE_ADDRESS, so that both become master: "
    "give each its own",
    Drop.ECHO: "Look for a loop or a mirrored port in the network",
}
_VRRP = (
    "It is VRRP, which has the same protocol number and group: give it another virtual router ID, "
    "or the CARP hosts another --mcast or VHID"
)
_UNPROVEN = "Compare ID, PASSWORD and VIP_ADDRESS on both hosts"


def vhid_of(packet: bytes) -> int:
    """The VHID in a packet of whatever kind; 0 if it is too short to have one."""
    at = (packet[0] & 0xF) * 4 + 1 if packet else 0
    return packet[at] if 0 < at < len(packet) else 0


def explain(drop: Drop, packet: bytes, vhid: int, ours: Sequence[Config]) -> str:
    """One line about a dropped packet. ``ours``: all VIPs on the interface it came in at."""
    source = str(IPv4Address(packet[12:16])) if len(packet) >= 20 else "an unknown host"
    if drop is Drop.VHID:
        return _another_reading(packet, source, vhid, ours)
    cure = _CURES.get(drop, _UNPROVEN)
    if _is_vrrp(packet):
        cure = _VRRP
    elif drop is Drop.DIGEST:
        cure = _proof(packet, vhid, ours) or _UNPROVEN
    return f"packet from {source} for VHID {vhid} dropped: {drop.value}. {cure}"


def _is_vrrp(packet: bytes) -> bool:
    """Whether it is a VRRP advertisement, version 2 (RFC 3768) or 3 (RFC 5798). Version 2 has
    CARP's version and type; but a length that goes with its number of addresses, the fourth byte,
    where CARP's 36 bytes have a 7."""
    header = (packet[0] & 0xF) * 4 if packet else 0
    if len(packet) < header + 4:
        return False
    length = int.from_bytes(packet[2:4], "big") - header
    version_type, addresses = packet[header], packet[header + 3]
    overhead = {0x21: 16, 0x31: 8}.get(version_type)
    return overhead is not None and length == overhead + 4 * addresses


def _another_reading(packet: bytes, source: str, vhid: int, ours: Sequence[Config]) -> str:
    """A VHID that is nobody's here, but the other reading of one of our IDs; "" if it is only
    somebody else's group."""
    for config in ours:
        ad = _read(packet, vhid, config) if config.other_vhid == vhid else None
        if ad and _made_by(ad, config.password.get_secret_value(), vhid, config):
            return (
                f"{source} runs our VIP {config.id} as VHID {vhid}, we run it as {config.vhid}, so "
                "that both own it. ucarp reads an ID that begins with 0 as octal: write ID without "
                "zeros, or VHID=, on both hosts"
            )
    return ""


def _proof(packet: bytes, vhid: int, ours: Sequence[Config]) -> str:
    """Which of our own settings makes this digest after all, if one does."""
    config = next((config for config in ours if config.vhid == vhid), None)
    ad = _read(packet, vhid, config) if config else None
    if config is None or ad is None:
        return ""
    password = config.password.get_secret_value()
    for other in ours:
        if other is config:
            continue
        if _made_by(ad, other.password.get_secret_value(), vhid, config):
            return f"It has the PASSWORD of our VIP {other.id}: correct it on one of the hosts"
        if _made_by(ad, password, vhid, other):
            return f"It has the VIP_ADDRESS of our VIP {other.id}: correct it on one of the hosts"
    for address in config.addresses if len(config.addresses) > 1 else ():
        if Digest(password, vhid, [address.ip]).verify(ad.counter, ad.digest):
            return f"It has {address.ip} alone as VIP_ADDRESS, we have more: make them the same"
    return ""


def _read(packet: bytes, vhid: int, config: Config) -> Advertisement | None:
    ad = decode(packet, {vhid: config.mcast})
    return ad if isinstance(ad, Advertisement) else None


def _made_by(ad: Advertisement, password: bytes, vhid: int, config: Config) -> bool:
    digest = Digest(password, vhid, [a.ip for a in config.addresses])
    return digest.verify(ad.counter, ad.digest)
