"""IP packets to hosts wherever they are: the kernel routes them, as it does any program's."""

import errno
import socket
from collections.abc import Iterable

from vipd.linux import bpf
from vipd.linux.addresses import AnyAddress
from vipd.linux.buffers import make_room_to_send
from vipd.linux.family import IPV4, IPV6, Family, family_of

_PROTOCOL = 112
_IPV6_HDRINCL = 36  # linux/in6.h; Python has no name for it
_SO_PRIORITY, _PRIORITY_CONTROL = 12, 7
#: While the kernel asks for the MAC address of a host, it keeps up to 208 KiB of packets for it,
#: which count as ours (net.ipv4.neigh.*.unres_qlen_bytes). Hosts that are down must not keep a
#: packet for another one from being sent: this is room for 40 of them.
_SEND_BUFFER = 8 << 20
#: The network says that it does not lead to this host.
NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EHOSTDOWN})


class Unicast:
    """Raw sockets of protocol 112, one for each family: to send with, and so that the kernel does
    not answer a peer with "protocol unreachable". What arrives is read by `vipd.linux.wire`."""

    def __init__(self) -> None:
        self._sockets: dict[Family, socket.socket] = {}

    def open(self, versions: Iterable[int]) -> None:
        """Be ready for these IP versions. Raises OSError (EPERM: no CAP_NET_RAW; EMFILE;
        EAFNOSUPPORT: the kernel has no IPv6)."""
        for version in versions:
            self._of(IPV4 if version == 4 else IPV6)

    def send(self, packet: bytes, destination: AnyAddress, index: int) -> None:
        """Send a whole IP packet to the address in its header, ``destination``. A link-local one is
        on the interface with number ``index``. Raises OSError: one of `NO_WAY` if there is no
        route; EPERM when a packet filter drops it."""
        opened = self._of(family_of(destination))
        if destination.version == 4:
            opened.sendto(packet, (str(destination), 0))
        else:
            scope = index if destination.is_link_local else 0
            opened.sendto(packet, (str(destination), 0, 0, scope))

    def _of(self, family: Family) -> socket.socket:
        if not (opened := self._sockets.get(family)):
            opened = self._sockets[family] = _open(family)
        return opened

    def close(self) -> None:
        for opened in self._sockets.values():
            opened.close()
        self._sockets.clear()


def _open(family: Family) -> socket.socket:
    opened = socket.socket(
        family.socket_family,
        socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK,
        _PROTOCOL,
    )
    try:
        bpf.attach(opened, [(bpf.RET, 0, 0, 0)])  # queue nothing
        if family is IPV4:
            opened.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
        else:
            opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_HDRINCL, 1)
        opened.setsockopt(socket.SOL_SOCKET, _SO_PRIORITY, _PRIORITY_CONTROL)
        make_room_to_send(opened, _SEND_BUFFER)
    except OSError:
        opened.close()
        raise
    return opened
