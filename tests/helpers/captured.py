"""What tcpdump saw, as records. Its text is an opinion about our packets that is not our own."""

import re
from typing import NamedTuple

from vipd.lab import Host, Process

_ETHERNET = r"^(\d+\.\d+) (\S+) > (\S+), ethertype "
_CARP = re.compile(
    _ETHERNET + r"IPv4 [^\n]*?(?:\n\s+)?(\d[\d.]+) > (\d[\d.]+): CARPv2-advertise 36: "
    r"vhid=(\d+) advbase=(\d+) advskew=(\d+) authlen=7 counter=(\d+)",
    re.MULTILINE,
)
_ARP = re.compile(
    _ETHERNET + r"ARP [^\n]*Request who-has ([\d.]+) \((\S+)\) tell ([\d.]+),", re.MULTILINE
)


class Carp(NamedTuple):
    """One advertisement; `time` in seconds since the epoch."""

    time: float
    from_mac: str
    to_mac: str
    source: str
    group: str
    vhid: int
    advbase: int
    advskew: int
    counter: int


class Arp(NamedTuple):
    """One ARP request with a target MAC address filled in, as in an announcement."""

    time: float
    from_mac: str
    to_mac: str
    target: str
    target_mac: str
    sender: str


def capture(host: Host, *filter_words: str, interface: str | None = None) -> Process:
    """Start tcpdump with everything it can say and check, for advertisements() and the like."""
    options = ("-e", "-tt", "-vvv", "-T", "carp")
    return host.capture(*filter_words, interface=interface, options=options)


def advertisements(dump: Process, since: float = 0.0) -> list[Carp]:
    """All CARP advertisements so far, or those later than `since`."""
    found = []
    for time, from_mac, to_mac, source, group, *numbers in _CARP.findall(dump.log()):
        vhid, advbase, advskew, counter = map(int, numbers)
        found.append(
            Carp(float(time), from_mac, to_mac, source, group, vhid, advbase, advskew, counter)
        )
    return [carp for carp in found if carp.time > since]


def announcements(dump: Process, address: str, since: float = 0.0) -> list[Arp]:
    """All gratuitous ARP requests for an address so far, or those later than `since`."""
    found = [Arp(float(time), *rest) for time, *rest in _ARP.findall(dump.log())]
    return [arp for arp in found if arp.target == arp.sender == address and arp.time > since]
