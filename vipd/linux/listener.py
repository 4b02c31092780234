"""A socket that hears all of IP protocol 112 on an interface, whatever group it is for."""

import errno
import socket
import struct
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import NamedTuple

from vipd.linux import bpf
from vipd.linux.addresses import AnyAddress
from vipd.linux.buffers import make_room
from vipd.linux.family import ETHERNET_HEADER, IPV4, IPV6, family_of
from vipd.linux.ifindex import index_of

_ETH_P_ALL = 0x0003
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP = 1
_PACKET_MR_ALLMULTI = 2
_RECEIVE_BUFFER = 4 << 20
_LONGEST = 65536


class Sound(NamedTuple):
    """An IP packet that was heard. ``here``: this host sent it."""

    packet: bytes
    here: bool


class Listener:
    """Hears other hosts and this one. It sends nothing itself; the kernel reports the membership
    of ``groups``, which switches that snoop IGMP or MLD need to know. Raises OSError if there is no
    such interface (ENODEV), or we may not (EPERM: CAP_NET_RAW)."""

    def __init__(self, interface: str, groups: Collection[AnyAddress]) -> None:
        index = index_of(interface)
        self._members: list[socket.socket] = []
        # Of all protocols only: no other socket gets what this host sends itself.
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        try:
            make_room(self._socket, _RECEIVE_BUFFER)
            bpf.attach(self._socket, _filter(index))
            self._socket.bind((interface, _ETH_P_ALL))
            # Groups that others have chosen with --mcast, too, as far as the card is concerned.
            request = struct.pack("@iHH8s", index, _PACKET_MR_ALLMULTI, 0, b"")
            self._socket.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, request)
        except OSError:
            self._socket.close()
            raise
        for group in groups:
            with suppress(OSError):  # no address of that family on the interface
                self._members.append(family_of(group).join(group, index))

    def listen(self, seconds: float) -> Iterator[Sound]:
        """What is heard from now on, for so long. Raises OSError (ENETDOWN) when the interface is
        down or goes down."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                frame, about = self._socket.recvfrom(_LONGEST)
            except TimeoutError:
                return
            yield Sound(frame[ETHERNET_HEADER:], about[2] == socket.PACKET_OUTGOING)

    def close(self) -> None:
        for each in (self._socket, *self._members):
            each.close()


def is_down(error: OSError) -> bool:
    """Whether that is why an interface cannot be listened to."""
    return error.errno == errno.ENETDOWN


def _filter(index: int) -> list[bpf.Instruction]:
    """Pass protocol 112 of both families."""
    return bpf.resolve(
        [
            *bpf.of_interface(index),
            (bpf.LD_H_ABS, 0, 0, ETHERNET_HEADER - 2),
            (bpf.JEQ, 0, 2, IPV4.ethertype),
            (bpf.LD_B_ABS, 0, 0, IPV4.protocol_at),
            (bpf.JA, 0, 0, 2),
            (bpf.JEQ, 0, bpf.REJECT, IPV6.ethertype),
            (bpf.LD_B_ABS, 0, 0, IPV6.protocol_at),
            (bpf.JEQ, 0, bpf.REJECT, 112),
            (bpf.RET, 0, 0, bpf.WHOLE),
            (bpf.RET, 0, 0, 0),
        ]
    )
