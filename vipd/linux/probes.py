"""Probes of one host of a network segment, and its answers to them: ARP and ND."""

import socket
from ipaddress import IPv4Address, IPv6Address

from vipd.linux import bpf
from vipd.linux.addresses import AnyAddress
from vipd.linux.announce import question, solicitation
from vipd.linux.closing import close_beside
from vipd.linux.family import ETHERNET_HEADER, IPV6
from vipd.linux.ifindex import index_of

_ETH_P_ARP = 0x0806
_KIND = ETHERNET_HEADER  # Ethernet and IPv4,
_REPLY = ETHERNET_HEADER + 4  # with addresses of 6 and 4 bytes, an answer
_SENDER_MAC = ETHERNET_HEADER + 8
_SENDER_IP = ETHERNET_HEADER + 14
_TARGET_MAC = ETHERNET_HEADER + 18

_ICMPV6, _ADVERTISEMENT, _SOLICITED = 58, 136, 0x40
_ICMPV6_TYPE = ETHERNET_HEADER + 40
_FLAGS = ETHERNET_HEADER + 44
_TARGET = ETHERNET_HEADER + 48

_ENOUGH = 128  # bytes of a frame that are read
_BATCH = 16


class Probes:
    """Questions to one host on one interface. Only its answers to us are heard, so a host that we
    hear but cannot reach does not answer. The kernel drops everything else."""

    def __init__(self, interface: str, host: AnyAddress) -> None:
        """Raises OSError as `vipd.linux.wire.Wire` does."""
        self._host = host
        self._mac = b""
        index = index_of(interface)
        ethertype, program = _ETH_P_ARP, _arp
        if host.version == 6:
            ethertype, program = IPV6.ethertype, _nd
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        try:
            self._socket.setblocking(False)
            bpf.attach(self._socket, bpf.resolve(program(index, host.packed)))
            self._socket.bind((interface, ethertype))
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def ask(self, mac: bytes, own: AnyAddress | None, at: bytes | None = None) -> None:
        """Send one question from ``own``, an own address of this host at ``mac``. Nobody's cache
        changes for the worse: whoever learns from it learns where we are. ``own`` None: from nobody
        (IPv4 only). ``at``: ask only this MAC address, as the kernel asks a host that it knows.
        Raises OSError."""
        self._mac = mac
        if isinstance(self._host, IPv4Address):
            assert own is None or isinstance(own, IPv4Address)
            self._socket.send(question(self._host, mac, own, at))
        else:
            assert isinstance(own, IPv6Address)
            self._socket.send(solicitation(self._host, mac, own, at))

    def answer(self) -> bytes | None:
        """The MAC address of an answer that waits; None: there is none. Raises OSError when the
        interface has gone down or away."""
        found = None
        for _ in range(_BATCH):
            try:
                frame = self._socket.recv(_ENOUGH)
            except BlockingIOError:
                break
            if self._host.version == 6:
                found = frame[6:12]  # a neighbour advertisement need not say it otherwise
            elif frame[_TARGET_MAC : _TARGET_MAC + 6] == self._mac:
                found = frame[_SENDER_MAC : _SENDER_MAC + 6]
        return found

    def close(self) -> None:
        close_beside((self._socket,))


def _arp(index: int, host: bytes) -> list[bpf.Instruction]:
    """Pass ARP replies of this host. Some hosts send them to all (RFC 3927, section 2.5), so for
    whom they are is found out later."""
    return [
        *bpf.of_interface(index),
        (bpf.LD_W_ABS, 0, 0, _KIND),
        (bpf.JEQ, 0, bpf.REJECT, 0x00010800),
        (bpf.LD_W_ABS, 0, 0, _REPLY),
        (bpf.JEQ, 0, bpf.REJECT, 0x06040002),
        *_are(_SENDER_IP, host),
        (bpf.RET, 0, 0, bpf.WHOLE),
        (bpf.RET, 0, 0, 0),
    ]


def _nd(index: int, host: bytes) -> list[bpf.Instruction]:
    """Pass solicited neighbour advertisements of this host to us. Hop limit 255 proves that they
    come from the segment (RFC 4861)."""
    return [
        *bpf.of_interface(index),
        *bpf.to_us(),
        (bpf.LD_B_ABS, 0, 0, IPV6.protocol_at),
        (bpf.JEQ, 0, bpf.REJECT, _ICMPV6),
        (bpf.LD_B_ABS, 0, 0, IPV6.ttl_at),
        (bpf.JEQ, 0, bpf.REJECT, 255),
        (bpf.LD_B_ABS, 0, 0, _ICMPV6_TYPE),
        (bpf.JEQ, 0, bpf.REJECT, _ADVERTISEMENT),
        (bpf.LD_B_ABS, 0, 0, _FLAGS),
        (bpf.JSET, 0, bpf.REJECT, _SOLICITED),
        *_are(_TARGET, host),
        (bpf.RET, 0, 0, bpf.WHOLE),
        (bpf.RET, 0, 0, 0),
    ]


def _are(at: int, wanted: bytes) -> list[bpf.Instruction]:
    """Reject a packet that has other bytes there, a multiple of four of them."""
    program: list[bpf.Instruction] = []
    for number in range(0, len(wanted), 4):
        word = int.from_bytes(wanted[number : number + 4], "big")
        program += [(bpf.LD_W_ABS, 0, 0, at + number), (bpf.JEQ, 0, bpf.REJECT, word)]
    return program
