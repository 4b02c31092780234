"""One packet socket per interface, shared by all groups there.

AF_PACKET stands beside the IP stack, below the host's packet filter: a firewall that drops
protocol 112 (firewalld's default zone does) must not make two masters. A classic BPF program in
the kernel passes only incoming, unfragmented IPv4 packets of protocol 112 for our VHIDs, so other
people's groups cost nothing here.
"""

import errno
import socket
import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from vipd.linux import bpf
from vipd.linux.buffers import make_room

ETHERNET_HEADER = 14
BROADCAST = b"\xff" * 6
_ETH_P_IP = 0x0800
_IP_ADD_MEMBERSHIP = 35
#: An Ethernet header, the longest IP header and CARP; what is longer is not read to its end.
_MAX_PACKET = ETHERNET_HEADER + 60 + 36
#: Packets handed out in one go; then timers get their turn, whatever arrives.
_BATCH = 512
#: Room for several seconds of 255 groups while the daemon does not get the processor.
_RECEIVE_BUFFER = 4 << 20
_PRIORITY_CONTROL = 7  # TC_PRIO_CONTROL: ahead of bulk traffic in the interface's queue
_SO_PRIORITY = 12


def multicast_mac(group: IPv4Address) -> bytes:
    """The Ethernet address of an IPv4 group: 01:00:5e and the low 23 bits (RFC 1112)."""
    return b"\x01\x00\x5e" + (int(group) & 0x7FFFFF).to_bytes(3, "big")


class Wire:
    """The socket of one interface. Raises OSError when the interface is not there (ENODEV) or we
    may not (EPERM: CAP_NET_RAW)."""

    def __init__(self, interface: str, mac: bytes) -> None:
        self.interface = interface
        self.mac = mac
        self._memberships: dict[IPv4Address, socket.socket] = {}
        # Protocol 0 receives nothing yet: not before the filter stands.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        try:
            self._socket.setblocking(False)
            make_room(self._socket, _RECEIVE_BUFFER)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_PRIORITY, _PRIORITY_CONTROL)
            self.listen(())
            self._socket.bind((interface, _ETH_P_IP))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def listen(self, vhids: Iterable[int]) -> None:
        """Receive these VHIDs and no others from now on; replaced atomically by the kernel."""
        bpf.attach(self._socket, _filter(vhids))

    def join(self, groups: Iterable[IPv4Address]) -> None:
        """Be a member of exactly these groups: the network card passes them up, and switches that
        snoop IGMP send them here. One socket each, because the kernel limits groups per socket."""
        wanted = set(groups)
        for group in self._memberships.keys() - wanted:
            self._memberships.pop(group).close()
        for group in wanted - self._memberships.keys():
            member = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            try:
                index = socket.if_nametoindex(self.interface)
                request = struct.pack("@4s4si", group.packed, bytes(4), index)
                member.setsockopt(socket.IPPROTO_IP, _IP_ADD_MEMBERSHIP, request)
            except OSError:
                member.close()
                raise
            self._memberships[group] = member

    def send_ipv4(self, destination: bytes, packet: bytes) -> None:
        """Send an IPv4 packet to an Ethernet address. Raises OSError when it did not leave
        (ENETDOWN, ENOBUFS, EAGAIN: the queue is full)."""
        self._socket.send(self.frame_ipv4(destination, packet))

    def frame_ipv4(self, destination: bytes, packet: bytes) -> bytes:
        """What `send_ipv4` sends."""
        return destination + self.mac + b"\x08\x00" + packet

    def send_frame(self, frame: bytes, interface: str | None = None) -> None:
        """Send a whole Ethernet frame of any protocol, on another ``interface`` if it is given.
        Raises OSError likewise."""
        protocol = int.from_bytes(frame[12:14], "big")
        self._socket.sendto(frame, (interface or self.interface, protocol))

    def receive(self) -> Iterator[bytes]:
        """The IPv4 packets that wait, oldest first, a bounded number of them. That the
        interface went down ends them, and is told by `vipd.linux.links`; raises OSError else."""
        receive = self._socket.recv
        for _ in range(_BATCH):
            try:
                yield receive(_MAX_PACKET)[ETHERNET_HEADER:]
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENETDOWN:
                    raise
                return

    def close(self) -> None:
        for member in self._memberships.values():
            member.close()
        self._memberships.clear()
        self._socket.close()


_PROTOCOL_AT = ETHERNET_HEADER + 9
_FRAGMENT_AT = ETHERNET_HEADER + 6
_VHID_AT = ETHERNET_HEADER + 1  # plus the length of the IP header


def _filter(vhids: Iterable[int]) -> list[bpf.Instruction]:
    """Pass CARP packets of ``vhids`` and nothing else: the VHID's bit in eight 32-bit words."""
    words = [0] * 8
    for vhid in vhids:
        words[vhid >> 5] |= 1 << (vhid & 31)
    code: list[bpf.Instruction] = [
        (bpf.LD_B_ABS, 0, 0, _PROTOCOL_AT),
        (bpf.JEQ, 0, bpf.REJECT, 112),
        (bpf.LD_H_ABS, 0, 0, _FRAGMENT_AT),
        (bpf.JSET, bpf.REJECT, 0, 0x3FFF),
        (bpf.LDX_MSH, 0, 0, ETHERNET_HEADER),
        (bpf.LD_B_IND, 0, 0, _VHID_AT),
        (bpf.TAX, 0, 0, 0),
        (bpf.RSH_K, 0, 0, 5),
    ]
    for number, word in enumerate(words):
        # which word? load it and go on behind the last of these
        code += [
            (bpf.JEQ, 0, 2, number),
            (bpf.LD_IMM, 0, 0, word),
            (bpf.JA, 0, 0, 3 * (len(words) - number - 1)),
        ]
    code += [
        (bpf.ST, 0, 0, 0),  # the word
        (bpf.TXA, 0, 0, 0),
        (bpf.AND_K, 0, 0, 31),
        (bpf.TAX, 0, 0, 0),
        (bpf.LD_MEM, 0, 0, 0),
        (bpf.RSH_X, 0, 0, 0),
        (bpf.AND_K, 0, 0, 1),
        (bpf.JEQ, bpf.REJECT, 0, 0),
        (bpf.RET, 0, 0, bpf.WHOLE),
        (bpf.RET, 0, 0, 0),
    ]
    return bpf.resolve(code)
