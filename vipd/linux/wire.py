"""One packet socket per interface, shared by all groups there.

AF_PACKET stands beside the IP stack, below the host's packet filter: a firewall that drops
protocol 112 (firewalld's default zone does) must not make two masters. A classic BPF program in
the kernel passes only incoming, unfragmented IPv4 packets of protocol 112 for our VHIDs, so other
people's groups cost nothing here.
"""

import errno
import socket
import struct
from array import array
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from vipd.linux.buffers import make_room

ETHERNET_HEADER = 14
BROADCAST = b"\xff" * 6
_ETH_P_IP = 0x0800
_SO_ATTACH_FILTER = 26
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
        program = _filter(vhids)
        instructions = array("B", program)
        address, _ = instructions.buffer_info()
        fprog = struct.pack("@HP", len(program) // 8, address)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)

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
        self._socket.send(destination + self.mac + b"\x08\x00" + packet)

    def send_frame(self, frame: bytes) -> None:
        """Send a whole Ethernet frame of any protocol. Raises OSError likewise."""
        protocol = int.from_bytes(frame[12:14], "big")
        self._socket.sendto(frame, (self.interface, protocol))

    def receive(self) -> Iterator[bytes]:
        """The IPv4 packets that wait, oldest first, a bounded number of them; raises OSError
        ENETDOWN once when the interface went down."""
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


# The kernel's filter. Classic BPF has a load of packet bytes, jumps and shifts: enough to look a
# VHID up in eight 32-bit words.

_LD_W_IMM, _LD_H_ABS, _LD_B_ABS, _LD_B_IND, _LDX_MSH = 0x00, 0x28, 0x30, 0x50, 0xB1
_JEQ, _JSET, _RSH_K, _RSH_X, _AND_K, _TAX, _TXA, _RET, _JA = (
    0x15, 0x45, 0x74, 0x7C, 0x54, 0x07, 0x87, 0x06, 0x05,
)  # fmt: skip
_ST, _LD_MEM = 0x02, 0x60
_PROTOCOL_AT = ETHERNET_HEADER + 9
_FRAGMENT_AT = ETHERNET_HEADER + 6
_VHID_AT = ETHERNET_HEADER + 1  # plus the length of the IP header


def _filter(vhids: Iterable[int]) -> bytes:
    """The BPF program that passes CARP packets of ``vhids`` and nothing else."""
    words = [0] * 8
    for vhid in vhids:
        words[vhid >> 5] |= 1 << (vhid & 31)
    code: list[tuple[int, int, int, int]] = []
    reject = 0x1000  # patched below: jumps to the last instruction

    def emit(op: int, k: int = 0, yes: int = 0, no: int = 0) -> None:
        code.append((op, yes, no, k))

    emit(_LD_B_ABS, _PROTOCOL_AT)
    emit(_JEQ, 112, 0, reject)
    emit(_LD_H_ABS, _FRAGMENT_AT)
    emit(_JSET, 0x3FFF, reject, 0)
    emit(_LDX_MSH, ETHERNET_HEADER)
    emit(_LD_B_IND, _VHID_AT)
    emit(_TAX)
    emit(_RSH_K, 5)
    for number, word in enumerate(words):
        # which word? load it and go on behind the last of these
        emit(_JEQ, number, 0, 2)
        emit(_LD_W_IMM, word)
        emit(_JA, 3 * (len(words) - number - 1))
    emit(_ST)  # the word
    emit(_TXA)
    emit(_AND_K, 31)
    emit(_TAX)
    emit(_LD_MEM)
    emit(_RSH_X)
    emit(_AND_K, 1)
    emit(_JEQ, 0, 1, 0)
    emit(_RET, 0xFFFF)
    emit(_RET, 0)
    last = len(code) - 1
    return b"".join(
        struct.pack(
            "=HBBI",
            op,
            last - at - 1 if yes == reject else yes,
            last - at - 1 if no == reject else no,
            k,
        )
        for at, (op, yes, no, k) in enumerate(code)
    )
