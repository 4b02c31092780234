"""Who else answers for an address: the ARP and ND packets of other hosts that claim it."""

import socket
from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address

from vipd.linux import bpf
from vipd.linux.addresses import AnyAddress
from vipd.linux.closing import close_beside
from vipd.linux.family import ETHERNET_HEADER, IPV6
from vipd.linux.ifindex import index_of

_ETH_P_ARP = 0x0806
_KIND = ETHERNET_HEADER  # Ethernet and IPv4,
_LENGTHS = ETHERNET_HEADER + 4  # with addresses of 6 and 4 bytes
_SENDER_MAC = ETHERNET_HEADER + 8
_SENDER_IP = ETHERNET_HEADER + 14
_ARP_LENGTH = ETHERNET_HEADER + 28

_ICMPV6 = 58
_IPV6_SOURCE = ETHERNET_HEADER + 8
_ICMPV6_TYPE = ETHERNET_HEADER + 40
_TARGET = ETHERNET_HEADER + 48
_OPTION = ETHERNET_HEADER + 64
_ND_LENGTH = _OPTION + 8
_SOLICITATION, _ADVERTISEMENT = 135, 136
_TARGET_MAC_OPTION = b"\x02\x01"
_NOBODY = bytes(16)

_BATCH = 64
#: Entries in the kernel's filter. A jump reaches 255 instructions; and the memory that a socket may
#: have for its filter (net.core.optmem_max) holds 829 addresses on Debian 12 and EL9.
_ENTRIES = 200


class Neighbours:
    """Packets of other hosts that claim a watched address: ARP (requests, announcements, answers)
    with it as sender; neighbour advertisements of it; neighbour solicitations from it, or from
    nobody (RFC 4862: somebody is about to use it). The kernel drops all others, and what there is
    no room for. The socket of a family is open while one of its addresses is watched."""

    def __init__(self, interface: str) -> None:
        """Raises OSError as `vipd.linux.wire.Wire` does."""
        self._interface = interface
        self._index = index_of(interface)
        self._watched: frozenset[bytes] = frozenset()
        self._sockets: dict[int, socket.socket] = {}

    def filenos(self) -> tuple[int, ...]:
        """What becomes readable; others after `watch`."""
        return tuple(opened.fileno() for opened in self._sockets.values())

    def watch(self, addresses: Iterable[AnyAddress]) -> None:
        """Look for these addresses from now on. Raises OSError when the kernel refuses that for one
        of the families; it may be tried again."""
        self._watched = frozenset(address.packed for address in addresses)
        refused: OSError | None = None
        for ethertype, length, program in ((_ETH_P_ARP, 4, _arp), (IPV6.ethertype, 16, _nd)):
            words = {int.from_bytes(p[-4:], "big") for p in self._watched if len(p) == length}
            try:
                self._follow(ethertype, bpf.resolve(program(self._index, words)), bool(words))
            except OSError as error:
                refused = error
        if refused:
            raise refused

    def _follow(self, ethertype: int, program: list[bpf.Instruction], wanted: bool) -> None:
        opened = self._sockets.get(ethertype)
        if opened is None and not wanted:
            return
        if opened is not None:
            bpf.attach(opened, program)
            return
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        try:
            opened.setblocking(False)
            bpf.attach(opened, program)
            opened.bind((self._interface, ethertype))
        except OSError:
            close_beside((opened,))
            raise
        self._sockets[ethertype] = opened

    def receive(self) -> Iterator[tuple[AnyAddress, bytes]]:
        """Address and MAC (6 bytes) of each packet that waits, a bounded number of them."""
        for ethertype, opened in self._sockets.items():
            read = _read_arp if ethertype == _ETH_P_ARP else _read_nd
            for _ in range(_BATCH):
                try:
                    frame = opened.recv(_ND_LENGTH)
                except OSError:  # nothing more, or the interface went down
                    break
                packed, mac = read(frame)
                if packed in self._watched:
                    yield IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed), mac

    def close(self) -> None:
        close_beside(self._sockets.values())


def _read_arp(frame: bytes) -> tuple[bytes, bytes]:
    """The claimed address, b"" if there is none, and the MAC address that claims it."""
    if len(frame) < _ARP_LENGTH:
        return b"", b""
    return frame[_SENDER_IP : _SENDER_IP + 4], frame[_SENDER_MAC : _SENDER_MAC + 6]


def _read_nd(frame: bytes) -> tuple[bytes, bytes]:
    """Likewise. A solicitation from an ordinary address asks for its target, and claims its
    source."""
    if len(frame) < _OPTION:
        return b"", b""
    mac = frame[6:12]
    source, target = frame[_IPV6_SOURCE : _IPV6_SOURCE + 16], frame[_TARGET : _TARGET + 16]
    if frame[_ICMPV6_TYPE] == _SOLICITATION:
        return (target if source == _NOBODY else source), mac
    option = frame[_OPTION:_ND_LENGTH]
    return target, option[2:] if option.startswith(_TARGET_MAC_OPTION) else mac


def _arp(index: int, watched: Collection[int]) -> list[bpf.Instruction]:
    """Pass ARP packets of these senders."""
    return [
        *bpf.of_interface(index),
        (bpf.LD_W_ABS, 0, 0, _KIND),
        (bpf.JEQ, 0, bpf.REJECT, 0x00010800),
        (bpf.LD_H_ABS, 0, 0, _LENGTHS),
        (bpf.JEQ, 0, bpf.REJECT, 0x0604),
        (bpf.LD_W_ABS, 0, 0, _SENDER_IP),
        *_one_of(watched),
    ]


def _nd(index: int, watched: Collection[int]) -> list[bpf.Instruction]:
    """Pass neighbour advertisements of, and solicitations from or (from nobody) for, addresses that
    end in these 32 bits. Hop limit 255 proves that they come from the segment (RFC 4861)."""
    return [
        *bpf.of_interface(index),
        (bpf.LD_B_ABS, 0, 0, IPV6.protocol_at),
        (bpf.JEQ, 0, bpf.REJECT, _ICMPV6),
        (bpf.LD_B_ABS, 0, 0, IPV6.ttl_at),
        (bpf.JEQ, 0, bpf.REJECT, 255),
        (bpf.LD_B_ABS, 0, 0, _ICMPV6_TYPE),
        (bpf.JEQ, 7, 0, _ADVERTISEMENT),
        (bpf.JEQ, 0, bpf.REJECT, _SOLICITATION),
        # from nobody? The first and the last 32 bits tell.
        (bpf.LD_W_ABS, 0, 0, _IPV6_SOURCE),
        (bpf.JEQ, 0, 2, 0),
        (bpf.LD_W_ABS, 0, 0, _IPV6_SOURCE + 12),
        (bpf.JEQ, 2, 0, 0),
        (bpf.LD_W_ABS, 0, 0, _IPV6_SOURCE + 12),
        (bpf.JA, 0, 0, 1),
        (bpf.LD_W_ABS, 0, 0, _TARGET + 12),
        *_one_of(watched),
    ]


def _one_of(watched: Collection[int]) -> list[bpf.Instruction]:
    """Pass the packet if the accumulator is one of these. Where they are too many, the kernel
    compares the first bits only, as many as make them few enough, and `Neighbours.receive` all of
    them."""
    mask, entries = _covered(watched)
    return [
        (bpf.AND_K, 0, 0, mask),
        # found: on to the last instruction but one
        *((bpf.JEQ, len(entries) - at, 0, entry) for at, entry in enumerate(entries)),
        (bpf.JA, 0, 0, 1),
        (bpf.RET, 0, 0, bpf.WHOLE),
        (bpf.RET, 0, 0, 0),
    ]


def _covered(watched: Collection[int]) -> tuple[int, list[int]]:
    """The longest network mask under which there are no more than `_ENTRIES` addresses, and these
    addresses under it."""
    for bits in range(33):
        mask = 0xFFFFFFFF << bits & 0xFFFFFFFF
        entries = {number & mask for number in watched}
        if len(entries) <= _ENTRIES:
            break
    return mask, sorted(entries)


def mac_text(mac: bytes) -> str:
    """02:00:5e:10:00:01"""
    return mac.hex(":")
