"""Who else answers for an address: the ARP packets of others that speak of it."""

import socket
import struct
from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address

from vipd.linux import bpf
from vipd.linux.ifindex import index_of

_ETH_P_ARP = 0x0806
_HEADER = 14
_KIND = _HEADER  # Ethernet and IPv4,
_LENGTHS = _HEADER + 4  # with addresses of 6 and 4 bytes
_SENDER_MAC = _HEADER + 8
_SENDER_IP = _HEADER + 14
_LENGTH = _HEADER + 28
_BATCH = 64
#: Entries in the kernel's filter. A jump reaches 255 instructions; and the memory that a socket may
#: have for its filter (net.core.optmem_max) holds 829 addresses on Debian 12 and EL9.
_ENTRIES = 200


class Neighbours:
    """ARP packets (requests, announcements, answers) whose sender has a watched address. The
    kernel drops all others, and what there is no room for. Raises OSError as
    `vipd.linux.wire.Wire` does."""

    def __init__(self, interface: str) -> None:
        self._index = index_of(interface)
        self._watched: frozenset[bytes] = frozenset()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        try:
            self._socket.setblocking(False)
            self.watch(())
            self._socket.bind((interface, _ETH_P_ARP))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def watch(self, addresses: Iterable[IPv4Address | IPv6Address]) -> None:
        """Look for these IPv4 addresses from now on."""
        watched = {int(address) for address in addresses if isinstance(address, IPv4Address)}
        bpf.attach(self._socket, _filter(self._index, watched))
        self._watched = frozenset(number.to_bytes(4, "big") for number in watched)

    def receive(self) -> Iterator[tuple[IPv4Address, bytes]]:
        """Address and MAC (6 bytes) of each packet that waits, a bounded number of them."""
        for _ in range(_BATCH):
            try:
                frame = self._socket.recv(_LENGTH)
            except OSError:  # nothing more, or the interface went down
                return
            if len(frame) == _LENGTH:
                mac, packed = struct.unpack_from("6s4s", frame, _SENDER_MAC)
                if packed in self._watched:
                    yield IPv4Address(packed), mac

    def close(self) -> None:
        self._socket.close()


def _filter(index: int, watched: Collection[int]) -> list[bpf.Instruction]:
    """Pass ARP packets of these senders. Where they are too many, the kernel compares the first
    bits only, as many as make them few enough, and `Neighbours.receive` all of them."""
    mask, entries = _covered(watched)
    return bpf.resolve(
        [
            *bpf.of_interface(index),
            (bpf.LD_W_ABS, 0, 0, _KIND),
            (bpf.JEQ, 0, bpf.REJECT, 0x00010800),
            (bpf.LD_H_ABS, 0, 0, _LENGTHS),
            (bpf.JEQ, 0, bpf.REJECT, 0x0604),
            (bpf.LD_W_ABS, 0, 0, _SENDER_IP),
            (bpf.AND_K, 0, 0, mask),
            # found: on to the last instruction but one
            *((bpf.JEQ, len(entries) - at, 0, entry) for at, entry in enumerate(entries)),
            (bpf.JA, 0, 0, 1),
            (bpf.RET, 0, 0, bpf.WHOLE),
            (bpf.RET, 0, 0, 0),
        ]
    )


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
