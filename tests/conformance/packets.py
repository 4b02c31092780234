"""Recorded frames: hex with a comment on each line, for people."""

from ipaddress import IPv4Address
from pathlib import Path

ETHERNET = 14


def read_frame(path: Path) -> bytes:
    """The bytes of a file of hex digits; what follows a # on a line is for people."""
    lines = path.read_text().splitlines()
    return bytes.fromhex("".join(line.partition("#")[0] for line in lines))


def written(frame: bytes, *about: str) -> str:
    """The text of such a file: lines ``about`` the frame, then its fields, one or a few a line."""
    packet = frame[ETHERNET:] + bytes(96)  # so that one that is cut off can be described
    options = max(0, packet[0] % 16 * 4 - 20)
    carp = packet[20 + options :]
    source, destination = (IPv4Address(packet[at : at + 4]) for at in (12, 16))
    mac, virtual = (frame[at : at + 6].hex(":") for at in (0, 6))
    fields = [
        (6, f"to MAC address {mac}"),
        (6, f"from MAC address {virtual}"),
        (2, "IPv4"),
        (4, f"header of {packet[0] % 16 * 4} bytes, TOS, length {packet[2] * 256 + packet[3]}"),
        (4, f"identification, fragment offset {(packet[6] & 0x1F) * 256 + packet[7]}"),
        (4, f"TTL {packet[8]}, protocol {packet[9]}, checksum"),
        (4, f"from {source}"),
        (4, f"to {destination}"),
        (options, "IPv4 options"),
        (
            4,
            f"CARP version {carp[0] >> 4}, type {carp[0] & 0xF}, VHID {carp[1]}, "
            f"advskew {carp[2]}, {carp[3]} words follow",
        ),
        (4, f"demotion {carp[4]}, advbase {carp[5]}, checksum"),
        (8, "counter"),
        (10, "HMAC-SHA1"),
        (10, ""),
        (len(frame), "what follows"),
    ]
    lines = [f"# {line}" for line in about]
    at = 0
    for length, meaning in fields:
        part = frame[at : at + length]
        at += length
        if part:
            lines.append(f"{part.hex(' '):31}# {meaning}".rstrip("# "))
    return "\n".join(lines) + "\n"
