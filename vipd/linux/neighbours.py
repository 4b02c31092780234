"""Who else answers for an address: the ARP packets of others that speak of it."""

import socket
import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address

from vipd.linux import bpf

_ETH_P_ARP = 0x0806
_HEADER = 14
_SENDER_MAC = _HEADER + 8
_SENDER_IP = _HEADER + 14
_LENGTH = _HEADER + 28
_BATCH = 64


class Neighbours:
    """ARP packets (requests, announcements, answers) whose sender has a watched address. The
    kernel drops all others. Raises OSError as `vipd.linux.wire.Wire` does."""

    def __init__(self, interface: str) -> None:
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
        program: list[bpf.Instruction] = [(bpf.LD_W_ABS, 0, 0, _SENDER_IP)]
        for address in addresses:
            if isinstance(address, IPv4Address) and len(program) < bpf.MAX_INSTRUCTIONS - 2:
                program += [(bpf.JEQ, 0, 1, int(address)), (bpf.RET, 0, 0, bpf.WHOLE)]
        program.append((bpf.RET, 0, 0, 0))
        bpf.attach(self._socket, program)

    def receive(self) -> Iterator[tuple[IPv4Address, bytes]]:
        """Address and MAC (6 bytes) of each packet that waits, a bounded number of them."""
        for _ in range(_BATCH):
            try:
                frame = self._socket.recv(_LENGTH)
            except OSError:  # nothing more, or the interface went down
                return
            if len(frame) == _LENGTH:
                mac, packed = struct.unpack_from("6s4s", frame, _SENDER_MAC)
                yield IPv4Address(packed), mac

    def close(self) -> None:
        self._socket.close()


def mac_text(mac: bytes) -> str:
    """02:00:5e:10:00:01"""
    return mac.hex(":")
