"""A host that sends whatever a test makes up: flawless advertisements, broken ones, and noise."""

import sys
from collections.abc import Iterable
from ipaddress import IPv4Address, ip_address

from carp.handmade import FLAWLESS, Packet

from helpers.configured import PASSWORD, VIP, WEB02
from vipd.carp.digest import Digest
from vipd.lab import Host, Process

FORGER_MAC = bytes.fromhex("02000000000f")
CARP_MAC = bytes.fromhex("01005e000012")

_SEND = """
import socket, sys
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sock.bind((sys.argv[1], 0))
for line in sys.stdin:
    sock.send(bytes.fromhex(line))
"""

_ADVERTISE = """
import socket, sys, time
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sock.bind((sys.argv[1], 0))
while True:
    sock.send(bytes.fromhex(sys.argv[2]))
    print("sent", flush=True)
    time.sleep(1)
"""

_MIRROR = """
import socket, sys
ETH_P_ALL = 3
PROTOCOL = {0x0800: 23, 0x86DD: 20}  # where a frame has the number of what is in its IP packet
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
sock.bind((sys.argv[1], ETH_P_ALL))
print("mirroring", flush=True)
sent = 0
while sent < 1000:
    frame, (_, ethertype, kind, _, _) = sock.recvfrom(2048)
    at = PROTOCOL.get(ethertype)
    if kind != socket.PACKET_OUTGOING and at and frame[at] == 112:
        sock.send(frame)
        sent += 1
"""


def signed(
    *,
    source: str = WEB02,
    vhid: int = 1,
    advbase: int = 1,
    advskew: int = 0,
    counter: int = 1 << 62,
    password: str = PASSWORD,
    addresses: Iterable[str] = (VIP,),
) -> Packet:
    """An advertisement that a host with these settings believes."""
    digest = Digest(password.encode(), vhid, [ip_address(address) for address in addresses])
    return FLAWLESS.but(
        source=IPv4Address(source),
        vhid=vhid,
        advbase=advbase,
        advskew=advskew,
        counter=counter,
        digest=digest.sign(counter),
    )


def frame(packet: bytes, *, ethertype: int = 0x0800, to: bytes = CARP_MAC) -> bytes:
    """The Ethernet frame that carries an IPv4 packet."""
    return to + FORGER_MAC + ethertype.to_bytes(2, "big") + packet


def send(host: Host, *frames: bytes, interface: str | None = None) -> None:
    """Send whole frames from an interface of a host (its first); returns when they have left."""
    device = interface or host.cable().interface
    command = [sys.executable, "-I", "-S", "-c", _SEND, device]
    done = host.run(command, text="\n".join(f.hex() for f in frames))
    assert done.returncode == 0, done.stderr


def advertise(host: Host, packet: Packet) -> Process:
    """Let a host send this at once and then every second, until it is stopped."""
    words = [host.cable().interface, frame(packet.build()).hex()]
    process = host.start([sys.executable, "-I", "-S", "-c", _ADVERTISE, *words], name="advertiser")
    process.wait_for("sent")
    return process


def mirror(host: Host) -> Process:
    """Let a host send back every CARP packet that it hears, as a loop in the network does."""
    command = [sys.executable, "-I", "-S", "-c", _MIRROR, host.cable().interface]
    process = host.start(command, name="mirror")
    process.wait_for("mirroring")
    return process
