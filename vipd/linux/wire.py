"""The packet sockets of an interface, shared by all groups there.

AF_PACKET stands beside the IP stack, below the host's packet filter: a firewall that drops
protocol 112 (firewalld's default zone does) must not make two masters. A classic BPF program in
the kernel passes only incoming, unfragmented packets of protocol 112 for our VHIDs, so other
groups cost nothing here.
"""

import errno
import socket
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from vipd.linux import bpf
from vipd.linux.addresses import AnyAddress
from vipd.linux.buffers import make_room
from vipd.linux.family import (
    ETHERNET_HEADER,
    IPV4,
    IPV6,
    Family,
    family_of,
    family_of_packet,
)
from vipd.linux.ifindex import index_of

BROADCAST = b"\xff" * 6
#: An Ethernet header, the longest IP header and CARP; what is longer is not read to its end.
_MAX_PACKET = ETHERNET_HEADER + 60 + 36
#: Packets handed out in one go; then timers get their turn, whatever arrives.
BATCH = 512
#: Room for several seconds of 255 groups while the daemon does not get the processor.
_RECEIVE_BUFFER = 4 << 20
_PRIORITY_CONTROL = 7  # TC_PRIO_CONTROL: ahead of bulk traffic in the interface's queue
_SO_PRIORITY = 12


class _Listeners(NamedTuple):
    """The sockets of one family. ``known``: for the hosts that are trusted."""

    known: socket.socket
    others: socket.socket

    def close(self) -> None:
        self.known.close()
        self.others.close()


class Wire:
    """The sockets of one interface. Raises OSError when the interface is not there (ENODEV) or we
    may not (EPERM: CAP_NET_RAW).

    Each family has two to receive with: one for the hosts whose MAC is in `trust`, and one for all
    others. A flood fills the second one only, so no advertisement of a known host is lost for want
    of room; unless it is forged with that host's MAC, and then the network's switches do not know
    where that host is, either. Those of IPv6 are opened when the first VHID needs them.
    """

    def __init__(self, interface: str, mac: bytes) -> None:
        self.interface = interface
        self.mac = mac
        self._index = index_of(interface)
        self._memberships: dict[AnyAddress, socket.socket] = {}
        self._vhids: dict[Family, frozenset[int]] = {IPV4: frozenset()}
        self._one_of = 1
        self._routed = False
        self._trusted: tuple[bytes, ...] = ()
        self._listeners: dict[Family, _Listeners] = {}
        self._open(IPV4)

    def _open(self, family: Family) -> None:
        """Raises OSError, and then has opened nothing."""
        opened: list[socket.socket] = []
        try:
            for _ in range(2):
                # Protocol 0 receives nothing yet: not before the filter stands.
                each = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
                opened.append(each)
                each.setblocking(False)
                make_room(each, _RECEIVE_BUFFER)
            listeners = _Listeners(*opened)
            listeners.others.setsockopt(socket.SOL_SOCKET, _SO_PRIORITY, _PRIORITY_CONTROL)
            self._filter(family, listeners)
            for each in opened:
                each.bind((self.interface, family.ethertype))
        except OSError:
            for each in opened:
                each.close()
            raise
        self._listeners[family] = listeners

    @property
    def _socket(self) -> socket.socket:
        """What announcements are sent with."""
        return self._listeners[IPV4].others

    @property
    def bound(self) -> bool:
        """Whether its interface is still there. When that is deleted, the kernel takes the sockets
        off it for good, even if another gets its name and number."""
        return bool(self._socket.getsockname()[0])

    def filenos(self) -> tuple[int, ...]:
        """What becomes readable."""
        return tuple(each.fileno() for pair in self._listeners.values() for each in pair)

    def fileno(self) -> int:
        """What becomes readable when a host sends that is not trusted, by IPv4."""
        return self._socket.fileno()

    def listen(
        self, vhids: Mapping[Family, Iterable[int]], one_of: int = 1, routed: bool = False
    ) -> None:
        """Receive these VHIDs and no others from now on; replaced atomically by the kernel. Of the
        packets with another TTL, version, type or authentication length than CARP's, receive one of
        so many (a power of 2), chosen at random. ``routed``: any TTL is right. Raises OSError
        (ENOMEM: net.core.optmem_max; EMFILE) when things stay as they were in one family."""
        self._one_of, self._routed = one_of, routed
        self._vhids = {family: frozenset(vhids.get(family, ())) for family in (IPV4, IPV6)}
        refused: OSError | None = None
        for family, wanted in self._vhids.items():
            try:
                self._follow(family, wanted)
            except OSError as error:
                refused = error
        if refused:
            raise refused

    def _follow(self, family: Family, wanted: Collection[int]) -> None:
        listeners = self._listeners.get(family)
        if listeners:
            self._filter(family, listeners)
        elif wanted:
            self._open(family)

    def trust(self, macs: Iterable[bytes]) -> None:
        """What these hosts send waits in a socket of its own from now on. 16 of them at most; all
        virtual MAC addresses of CARP and VRRP (00:00:5e:00:…) are one. Raises OSError likewise."""
        self._trusted = tuple(macs)
        for family, listeners in self._listeners.items():
            self._filter(family, listeners)

    def _filter(self, family: Family, listeners: _Listeners) -> None:
        # `known` first: a packet that comes in between is received twice rather than not at all.
        vhids = self._vhids[family]
        for opened, known in ((listeners.known, True), (listeners.others, False)):
            senders = _senders(self._trusted, known)
            program = _filter(family, self._index, senders, vhids, self._one_of, self._routed)
            bpf.attach(opened, program)

    def join(self, groups: Iterable[AnyAddress]) -> None:
        """Be a member of exactly these groups: the network card passes them up, and switches that
        snoop IGMP or MLD send them here. A packet socket's own membership does not do that for
        IPv6. One socket each, because the kernel limits groups per socket. All that can be joined
        are; raises OSError for one that cannot."""
        wanted = set(groups)
        for group in self._memberships.keys() - wanted:
            self._memberships.pop(group).close()
        refused: OSError | None = None
        for group in wanted - self._memberships.keys():
            try:
                self._memberships[group] = family_of(group).join(group, self._index)
            except OSError as error:
                refused = error
        if refused:
            raise refused

    def send(self, destination: bytes, packet: bytes) -> None:
        """Send an IP packet to an Ethernet address. Raises OSError when it did not leave (ENETDOWN,
        ENOBUFS, EAGAIN: the queue is full)."""
        family = family_of_packet(packet)
        frame = self.frame(destination, packet)
        if listeners := self._listeners.get(family):
            listeners.others.send(frame)
        else:
            self.send_frame(frame)

    def frame(self, destination: bytes, packet: bytes) -> bytes:
        """What `send` sends."""
        ethertype = family_of_packet(packet).ethertype
        return destination + self.mac + ethertype.to_bytes(2, "big") + packet

    def send_frame(self, frame: bytes, interface: str | None = None) -> None:
        """Send a whole Ethernet frame of any protocol, on another ``interface`` if it is given.
        Raises OSError likewise."""
        protocol = int.from_bytes(frame[12:14], "big")
        self._socket.sendto(frame, (interface or self.interface, protocol))

    def receive(self, *, known: bool = False, most: int = BATCH) -> Iterator[bytes]:
        """The Ethernet frames that wait, oldest first in each family, and no more than ``most`` of
        each: those of the hosts that are trusted, or the others. That the interface went down ends
        them (`vipd.linux.links` reports it); raises OSError else."""
        for listeners in tuple(self._listeners.values()):
            receive = (listeners.known if known else listeners.others).recv
            for _ in range(most):
                try:
                    yield receive(_MAX_PACKET)
                except BlockingIOError:
                    break
                except OSError as error:
                    if error.errno != errno.ENETDOWN:
                        raise
                    break

    def close(self) -> None:
        for member in self._memberships.values():
            member.close()
        for listeners in self._listeners.values():
            listeners.close()
        self._memberships.clear()


def sender_of(frame: bytes) -> bytes:
    """The MAC address that a frame comes from; all virtual ones of CARP and VRRP are the same."""
    mac = frame[6:12]
    return _VIRTUAL if mac.startswith(_VIRTUAL) else mac


_VIRTUAL = b"\x00\x00\x5e\x00"
_SENDER_AT = 6
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
    family: Family,
    index: int,
    senders: Iterable[bpf.Instruction],
    vhids: Iterable[int],
    one_of: int,
    routed: bool,
) -> list[bpf.Instruction]:
    """Pass CARP packets of ``vhids`` on this interface and nothing else: the VHID's bit in eight
    32-bit words. Of those that are malformed, one of ``one_of``."""
    words = [0] * 8
    for vhid in vhids:
        words[vhid >> 5] |= 1 << (vhid & 31)
    code: list[bpf.Instruction] = [
        *bpf.of_interface(index),
        *senders,
        (bpf.LD_B_ABS, 0, 0, family.protocol_at),
        (bpf.JEQ, 0, bpf.REJECT, 112),
        *family.whole,
        family.header,
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
        family.header,
        (bpf.LD_B_ABS, 0, 0, family.ttl_at),
        (bpf.JEQ, 0, 0 if routed else 4, 255),
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
