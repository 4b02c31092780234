"""Somebody in the network who records advertisements, alters them where no digest covers them, and
sends them."""

import sys
from ipaddress import IPv4Address

from carp.handmade import checksum

from vipd.lab import Host, Process
from vipd.lab.waiting import wait_until

_RECORD = """
import socket, sys
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
sock.bind((sys.argv[1], 3))
print("recording", flush=True)
while True:
    frame, (_, _, kind, _, _) = sock.recvfrom(2048)
    if kind != socket.PACKET_OUTGOING and frame[12:14] == b"\\x08\\x00" and frame[23] == 112:
        print("frame", frame.hex(), flush=True)
"""
_IP, _CARP = 14, 34


def record(host: Host) -> Process:
    """Let a host write down every IPv4 advertisement that it sees."""
    command = [sys.executable, "-I", "-S", "-c", _RECORD, host.cable().interface]
    process = host.start(command, name="recorder")
    process.wait_for("recording")
    return process


def tape(recorder: Process, source: str, at_least: int = 1) -> list[bytes]:
    """The frames that it has of a host, waiting for so many."""
    packed = IPv4Address(source).packed

    def look() -> list[bytes] | None:
        words = [line.split() for line in recorder.log().splitlines()]
        frames = [bytes.fromhex(each[1]) for each in words if each[:1] == ["frame"]]
        found = [each for each in frames if each[26:30] == packed]
        return found if len(found) >= at_least else None

    return wait_until(look, timeout=60, complaint=recorder.tail)


def altered(frame: bytes, advbase: int, advskew: int, demotion: int = 0, source: str = "") -> bytes:
    """The same with other words, and perhaps another source; its digest and checksums are right."""
    data = bytearray(frame)
    data[_CARP + 2], data[_CARP + 4], data[_CARP + 5] = advskew, demotion, advbase
    data[_CARP + 6 : _CARP + 8] = bytes(2)
    data[_CARP + 6 : _CARP + 8] = checksum(bytes(data[_CARP : _CARP + 36])).to_bytes(2, "big")
    if source:
        data[26:30] = IPv4Address(source).packed
    data[_IP + 10 : _IP + 12] = bytes(2)
    data[_IP + 10 : _IP + 12] = checksum(bytes(data[_IP:_CARP])).to_bytes(2, "big")
    return bytes(data)
