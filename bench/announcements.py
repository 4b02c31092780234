"""Gratuitous ARP and neighbour advertisements that a host sends, on all its interfaces."""

import struct
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from vipd.lab import Host, Process
from vipd.lab.errors import require

_FILTER = "arp or icmp6[icmp6type] == 136"
_FILE_HEADER, _RECORD = struct.Struct("=IHHiIII"), struct.Struct("=IIII")
#: Link types of captures of all interfaces: length of their header, and where in it the type is.
_COOKED = {113: (16, 14), 276: (20, 0)}
_ARP, _IPV6 = 0x0806, 0x86DD
#: In an ARP packet, and in an IPv6 packet with a neighbour advertisement: (from, to).
_SENDER, _TARGET = slice(14, 18), slice(48, 64)


class Announcements:
    """Captures what ``host`` sends from now on, until `stop`."""

    def __init__(self, host: Host, file: Path) -> None:
        require("tcpdump")
        self._file = file
        # Each packet takes as much of the buffer as the longest could.
        room = ["-s", "128", "-B", "16384"]
        options = ["-i", "any", "-Q", "out", *room, "-U", "-n", "-Z", "root", "-w", str(file)]
        self._process: Process = host.start(["tcpdump", "--immediate-mode", *options, _FILTER])
        self._process.wait_for("listening on")

    def stop(self) -> dict[str, float]:
        """When each address was first announced, seconds since the epoch."""
        self._process.stop()
        first: dict[str, float] = {}
        for at, address in read(self._file.read_bytes()):
            first.setdefault(address, at)
        return first


def read(data: bytes) -> Iterator[tuple[float, str]]:
    """Time and address of each, of a file that tcpdump wrote."""
    *_, link = _FILE_HEADER.unpack_from(data)
    length, where = _COOKED[link & 0xFFFF]
    at = _FILE_HEADER.size
    while at + _RECORD.size <= len(data):
        seconds, micro, size, _ = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        frame = data[at : at + size]
        at += size
        (kind,) = struct.unpack_from("!H", frame, where)
        packet = frame[length:]
        if kind in (_ARP, _IPV6):
            address = packet[_SENDER if kind == _ARP else _TARGET]
            yield seconds + micro / 1e6, str(ip_address(address))
