"""The packet sockets of an interface, shared by all groups there.

AF_PACKET stands beside the IP stack, below the host's packet filter: a firewall that drops
protocol 112 (firewalld's default zone does) must not make two masters. A classic BPF program in
the kernel passes only incoming, unfragmented packets of protocol 112 for our VHIDs, so other
groups cost nothing here.
"""

import errno
import socket
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from vipd.linux import bpf
from vipd.linux.addresses import AnyAddress
from vipd.linux.arrivals import AT_ONCE, Arrival, Arrivals, note_times
from vipd.linux.buffers import make_room, make_room_to_send
from vipd.linux.closing import close_beside
from vipd.linux.departures import Departures
from vipd.linux.family import (
    ETHERNET_HEADER,
    IPV4,
    IPV6,
    Family,
    family_of,
)
from vipd.linux.ifindex import index_of
from vipd.linux.wire_filter import WORDS, Wanted, Words, passes, remarkable

BROADCAST = b"\xff" * 6
#: An Ethernet header, the longest IP header and CARP; what is longer is not read to its end.
LONGEST = ETHERNET_HEADER + 60 + 36
#: Packets handed out in one go; then timers get their turn, whatever arrives.
BATCH = 512
#: Room for several seconds of 255 groups while the daemon does not get the processor.
_RECEIVE_BUFFER = 4 << 20
#: Room for what hundreds of groups send in a moment, until the network card has it.
_SEND_BUFFER = 1 << 20
#: Room for the wake-ups of a moment; when it is full, there is one already.
_SMALL_BUFFER = 4096
_PRIORITY_CONTROL = 7  # TC_PRIO_CONTROL: ahead of bulk traffic in the interface's queue
_SO_PRIORITY = 12
_FAMILIES = {family.ethertype.to_bytes(2, "big"): family for family in (IPV4, IPV6)}


class _Listeners(NamedTuple):
    """The sockets of one family. ``known``: for the hosts that are trusted."""

    known: socket.socket
    others: socket.socket


class Wire:
    """The sockets of one interface. Raises OSError when the interface is not there (ENODEV) or we
    may not (EPERM: CAP_NET_RAW).

    Each family has two to receive with: one for the hosts whose MAC is in `trust`, and one for all
    others. A flood fills the second one only, so no advertisement of a known host is lost for want
    of room; unless it is forged with that host's MAC, and then the network's switches do not know
    where that host is, either. Those of IPv6 are opened when the first VHID needs them.

    With `expect`, what the trusted hosts say again and again need not wake us up: a third socket
    for each family gets one byte of each packet that says something else, and nobody else has to
    look at it at once.
    """

    def __init__(self, interface: str, mac: bytes) -> None:
        self.interface = interface
        self.mac = mac
        self._wanted = Wanted(index_of(interface))
        self._expected: Mapping[Words, Collection[int]] = {}
        self._memberships: dict[AnyAddress, socket.socket] = {}
        self._listeners: dict[Family, _Listeners] = {}
        self._urgent: dict[Family, socket.socket] = {}
        self._arrivals = Arrivals(LONGEST)
        self._open(IPV4)

    def _open(self, family: Family) -> None:
        """Raises OSError, and then has opened nothing."""
        opened: list[socket.socket] = []
        try:
            for _ in range(2):
                opened.append(_unbound(_RECEIVE_BUFFER))
            listeners = _Listeners(*opened)
            note_times(listeners.known)
            listeners.others.setsockopt(socket.SOL_SOCKET, _SO_PRIORITY, _PRIORITY_CONTROL)
            make_room_to_send(listeners.others, _SEND_BUFFER)
            self._filter(family, listeners)
            for each in opened:
                each.bind((self.interface, family.ethertype))
        except OSError:
            close_beside(opened)
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

    def known_filenos(self) -> tuple[int, ...]:
        """What becomes readable when a host sends that is trusted."""
        return tuple(pair.known.fileno() for pair in self._listeners.values())

    def urgent_filenos(self) -> tuple[int, ...]:
        """What becomes readable when a host that is trusted says something that is not expected;
        nothing before `expect`."""
        return tuple(each.fileno() for each in self._urgent.values())

    def other_filenos(self) -> tuple[int, ...]:
        """What becomes readable when any other host sends."""
        return tuple(pair.others.fileno() for pair in self._listeners.values())

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
        self._wanted = replace(
            self._wanted,
            vhids={family: frozenset(vhids.get(family, ())) for family in (IPV4, IPV6)},
            one_of=one_of,
            routed=routed,
        )
        refused: OSError | None = None
        for family, wanted in self._wanted.vhids.items():
            try:
                self._follow(family, wanted)
            except OSError as error:
                refused = error
        self._follow_expected()
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
        self._wanted = replace(self._wanted, trusted=tuple(macs))
        for family, listeners in self._listeners.items():
            self._filter(family, listeners)
        self._follow_expected()

    def expect(self, words: Mapping[Words, Collection[int]]) -> bool:
        """The hosts that are trusted are expected to say these words (advbase and advskew, without
        demotion) for these VHIDs: `urgent_filenos` tell of anything else. `WORDS` of them at most
        are known, and nothing else is expected. None: there is nothing to tell any more. Returns
        whether the kernel does it; if not, there is nothing in `urgent_filenos`."""
        most = sorted(words.items(), key=lambda each: len(each[1]), reverse=True)[:WORDS]
        self._expected = dict(most)
        self._follow_expected()
        return bool(self._urgent)

    def _follow_expected(self) -> None:
        try:
            for family in self._listeners if self._expected else ():
                program = remarkable(self._wanted, family, self._expected)
                if urgent := self._urgent.get(family):
                    bpf.attach(urgent, program)
                else:
                    self._urgent[family] = self._open_urgent(family, program)
        except OSError:  # net.core.optmem_max, open files: then all wakes us up
            self._expected = {}
        if not self._expected:
            close_beside(self._urgent.values())
            self._urgent.clear()

    def _open_urgent(self, family: Family, program: list[bpf.Instruction]) -> socket.socket:
        urgent = _unbound(_SMALL_BUFFER)
        try:
            bpf.attach(urgent, program)
            urgent.bind((self.interface, family.ethertype))
        except OSError:
            close_beside((urgent,))
            raise
        return urgent

    def _filter(self, family: Family, listeners: _Listeners) -> None:
        # `known` first: a packet that comes in between is received twice rather than not at all.
        for opened, known in ((listeners.known, True), (listeners.others, False)):
            bpf.attach(opened, passes(self._wanted, family, known))

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
                self._memberships[group] = family_of(group).join(group, self._wanted.index)
            except OSError as error:
                refused = error
        if refused:
            raise refused

    def send(self, frame: bytes) -> None:
        """Send an IP packet behind its `header`. Raises OSError when it did not leave (ENETDOWN,
        ENOBUFS, EAGAIN: the queue is full)."""
        if listeners := self._listeners.get(_FAMILIES[frame[12:14]]):
            listeners.others.send(frame)
        else:
            self.send_frame(frame)

    def send_all(self, frames: Sequence[bytes], by: Departures) -> dict[int, int]:
        """As `send`, many at once; return those that did not leave, by their position in
        ``frames``, with the errno."""
        refused: dict[int, int] = {}
        for family in (IPV4, IPV6):
            ethertype = family.ethertype.to_bytes(2, "big")
            its = [n for n, frame in enumerate(frames) if frame[12:14] == ethertype]
            if listeners := self._listeners.get(family):
                codes = by.send(listeners.others, [frames[n] for n in its])
                refused |= {its[n]: code for n, code in codes.items()}
            else:
                refused |= {n: code for n in its if (code := self._refusal(frames[n]))}
        return refused

    def _refusal(self, frame: bytes) -> int:
        try:
            self.send(frame)
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    def header(self, destination: bytes, family: Family) -> bytes:
        """What comes before an IP packet to an Ethernet address."""
        return destination + self.mac + family.ethertype.to_bytes(2, "big")

    def send_frame(self, frame: bytes, interface: str | None = None) -> None:
        """Send a whole Ethernet frame of any protocol, on another ``interface`` if it is given.
        Raises OSError likewise."""
        protocol = int.from_bytes(frame[12:14], "big")
        self._socket.sendto(frame, (interface or self.interface, protocol))

    def receive(self, *, known: bool = False, most: int = BATCH) -> Iterator[list[Arrival]]:
        """The Ethernet frames that wait, oldest first in each family, some at a time, and about
        ``most`` of each: those of the hosts that are trusted, with the time when they came, or the
        others. That the interface went down ends them (`vipd.linux.links` reports it); raises
        OSError else."""
        for listeners in tuple(self._listeners.values()):
            for _ in range(0, most, AT_ONCE):
                some = self._read(listeners.known if known else listeners.others)
                if some:
                    yield some
                if len(some) < AT_ONCE:
                    break

    def hush(self) -> None:
        """Forget what `urgent_filenos` have told so far. Raises OSError."""
        for urgent in self._urgent.values():
            self._read(urgent)  # as many as there is room for

    def _read(self, sock: socket.socket) -> list[Arrival]:
        try:
            return self._arrivals.read(sock)
        except OSError as error:
            if error.errno != errno.ENETDOWN:
                raise
            return []

    def close(self) -> None:
        for member in self._memberships.values():
            member.close()
        close_beside(chain(*self._listeners.values(), self._urgent.values()))
        self._memberships.clear()
        self._urgent.clear()


def _unbound(room: int) -> socket.socket:
    """A packet socket that receives nothing yet (protocol 0): not before its filter stands."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    opened.setblocking(False)
    try:
        make_room(opened, room)
    except OSError:
        close_beside((opened,))
        raise
    return opened


def sender_of(frame: bytes) -> bytes:
    """The MAC address that a frame comes from; all virtual ones of CARP and VRRP are the same."""
    mac = frame[6:12]
    return _VIRTUAL if mac.startswith(_VIRTUAL) else mac


_VIRTUAL = b"\x00\x00\x5e\x00"
