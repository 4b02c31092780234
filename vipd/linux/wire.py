"""The packet sockets of an interface, shared by all groups there.

AF_PACKET stands beside the IP stack, below the host's packet filter: a firewall that drops
protocol 112 (firewalld's default zone does) must not make two masters. A classic BPF program in
the kernel passes only incoming, unfragmented IPv4 packets of protocol 112 for our VHIDs, so other
people's groups cost nothing here.
"""

import errno
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address

from vipd.linux import bpf
from vipd.linux.buffers import make_room
from vipd.linux.ifindex import index_of

ETHERNET_HEADER = 14
BROADCAST = b"\xff" * 6
_ETH_P_IP = 0x0800
_IP_ADD_MEMBERSHIP = 35
#: An Ethernet header, the longest IP header and CARP; what is longer is not read to its end.
_MAX_PACKET = ETHERNET_HEADER + 60 + 36
#: Packets handed out in one go; then timers get their turn, whatever arrives.
BATCH = 512
#: Room for several seconds of 255 groups while the daemon does not get the processor.
_RECEIVE_BUFFER = 4 << 20
_PRIORITY_CONTROL = 7  # TC_PRIO_CONTROL: ahead of bulk traffic in the interface's queue
_SO_PRIORITY = 12


def multicast_mac(group: IPv4Address) -> bytes:
    """The Ethernet address of an IPv4 group: 01:00:5e and the low 23 bits (RFC 1112)."""
    return b"\x01\x00\x5e" + (int(group) & 0x7FFFFF).to_bytes(3, "big")


class Wire:
    """The sockets of one interface. Raises OSError when the interface is not there (ENODEV) or we
    may not (EPERM: CAP_NET_RAW).

    There are two to receive with: one for the hosts whose MAC is in `trust`, and one for everybody
    else. Somebody who sends more than we can take in fills the second one only, so no advertisement
    of a known host is lost for want of room; unless it is forged with that host's MAC, and then the
    network's switches do not know where that host is, either.
    """

    def __init__(self, interface: str, mac: bytes) -> None:
        self.interface = interface
        self.mac = mac
        self._index = index_of(interface)
        self._memberships: dict[IPv4Address, socket.socket] = {}
        self._vhids: frozenset[int] = frozenset()
        self._one_of = 1
        self._trusted: tuple[bytes, ...] = ()
        self._open: list[socket.socket] = []
        try:
            self._known = self._listener()
            self._socket = self._listener()
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_PRIORITY, _PRIORITY_CONTROL)
            self.listen(())
            for opened in self._open:
                opened.bind((interface, _ETH_P_IP))
        except OSError:
            self.close()
            raise

    def _listener(self) -> socket.socket:
        # Protocol 0 receives nothing yet: not before the filter stands.
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._open.append(opened)
        opened.setblocking(False)
        make_room(opened, _RECEIVE_BUFFER)
        return opened

    @property
    def bound(self) -> bool:
        """Whether its interface is still there. When that is deleted, the kernel takes the sockets
        off it for good, even if another gets its name and number."""
        return bool(self._socket.getsockname()[0])

    def filenos(self) -> tuple[int, ...]:
        """What becomes readable."""
        return self._known.fileno(), self._socket.fileno()

    def fileno(self) -> int:
        """What becomes readable when a host sends that is not trusted."""
        return self._socket.fileno()

    def listen(self, vhids: Iterable[int], one_of: int = 1) -> None:
        """Receive these VHIDs and no others from now on; replaced atomically by the kernel. Of the
        packets with another TTL, version, type or authentication length than CARP's, receive one of
        so many (a power of 2), chosen at random. Raises OSError (ENOMEM: net.core.optmem_max) when
        things stay as they were."""
        self._vhids, self._one_of = frozenset(vhids), one_of
        self._filter()

    def trust(self, macs: Iterable[bytes]) -> None:
        """What these hosts send waits in a socket of its own from now on. 16 of them at most; all
        virtual MAC addresses of CARP and VRRP (00:00:5e:00:…) are one. Raises OSError likewise."""
        self._trusted = tuple(macs)
        self._filter()

    def _filter(self) -> None:
        # The first one first: what comes in between is rather heard twice than not at all.
        for opened, known in (self._known, True), (self._socket, False):
            senders = _senders(self._trusted, known)
            bpf.attach(opened, _filter(self._index, senders, self._vhids, self._one_of))

    def join(self, groups: Iterable[IPv4Address]) -> None:
        """Be a member of exactly these groups: the network card passes them up, and switches that
        snoop IGMP send them here. One socket each, because the kernel limits groups per socket.
        All that can be joined are; raises OSError for one that cannot."""
        wanted = set(groups)
        for group in self._memberships.keys() - wanted:
            self._memberships.pop(group).close()
        refused: OSError | None = None
        for group in wanted - self._memberships.keys():
            try:
                self._memberships[group] = self._member(group)
            except OSError as error:
                refused = error
        if refused:
            raise refused

    def _member(self, group: IPv4Address) -> socket.socket:
        member = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            request = struct.pack("@4s4si", group.packed, bytes(4), self._index)
            member.setsockopt(socket.IPPROTO_IP, _IP_ADD_MEMBERSHIP, request)
        except OSError:
            member.close()
            raise
        return member

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

    def receive(self, *, known: bool = False, most: int = BATCH) -> Iterator[bytes]:
        """The Ethernet frames that wait, oldest first, and no more than ``most``: those of the
        hosts that are trusted, or the others. That the interface went down ends them, and is told
        by `vipd.linux.links`; raises OSError else."""
        receive = (self._known if known else self._socket).recv
        for _ in range(most):
            try:
                yield receive(_MAX_PACKET)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENETDOWN:
                    raise
                return

    def close(self) -> None:
        for opened in (*self._memberships.values(), *self._open):
            opened.close()
        self._memberships.clear()


def sender_of(frame: bytes) -> bytes:
    """The MAC address that a frame comes from; all virtual ones of CARP and VRRP are the same."""
    mac = frame[6:12]
    return _VIRTUAL if mac.startswith(_VIRTUAL) else mac


_VIRTUAL = b"\x00\x00\x5e\x00"
_SENDER_AT = 6
_PROTOCOL_AT = ETHERNET_HEADER + 9
_FRAGMENT_AT = ETHERNET_HEADER + 6
_TTL_AT = ETHERNET_HEADER + 8
_TYPE_AT = ETHERNET_HEADER  # plus the length of the IP header, as the next two
_AUTHLEN_AT = ETHERNET_HEADER + 3
_VHID_AT = ETHERNET_HEADER + 1


def _senders(trusted: Sequence[bytes], known: bool) -> list[bpf.Instruction]:
    """Pass on the frames from these MAC addresses, or all others, and reject the rest."""
    code: list[bpf.Instruction] = []
    rest = [4 if len(mac) == 6 else 2 for mac in trusted]
    for number, mac in enumerate(trusted):
        after = sum(rest[number + 1 :]) + 1  # instructions of the others, and the one below
        code.append((bpf.LD_W_ABS, 0, 0, _SENDER_AT))
        found = after if known else bpf.REJECT
        if len(mac) == 6:
            code += [
                (bpf.JEQ, 0, 2, int.from_bytes(mac[:4], "big")),
                (bpf.LD_H_ABS, 0, 0, _SENDER_AT + 4),
                (bpf.JEQ, found, 0, int.from_bytes(mac[4:], "big")),
            ]
        else:
            code.append((bpf.JEQ, found, 0, int.from_bytes(mac, "big")))
    if known:
        code.append((bpf.JEQ, bpf.REJECT, bpf.REJECT, 0))
    return code


def _filter(
    index: int, senders: Iterable[bpf.Instruction], vhids: Iterable[int], one_of: int
) -> list[bpf.Instruction]:
    """Pass CARP packets of ``vhids`` on this interface and nothing else: the VHID's bit in eight
    32-bit words. Of those that are malformed, one of ``one_of``."""
    words = [0] * 8
    for vhid in vhids:
        words[vhid >> 5] |= 1 << (vhid & 31)
    code: list[bpf.Instruction] = [
        *bpf.of_interface(index),
        *senders,
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
        # well-formed? skip the dice
        (bpf.LDX_MSH, 0, 0, ETHERNET_HEADER),
        (bpf.LD_B_ABS, 0, 0, _TTL_AT),
        (bpf.JEQ, 0, 4, 255),
        (bpf.LD_B_IND, 0, 0, _TYPE_AT),
        (bpf.JEQ, 0, 2, 0x21),
        (bpf.LD_B_IND, 0, 0, _AUTHLEN_AT),
        (bpf.JEQ, 3, 0, 7),
        (bpf.LD_W_ABS, 0, 0, bpf.RANDOM),
        (bpf.AND_K, 0, 0, one_of - 1),
        (bpf.JEQ, 0, bpf.REJECT, 0),
        (bpf.RET, 0, 0, bpf.WHOLE),
        (bpf.RET, 0, 0, 0),
    ]
    return bpf.resolve(code)
