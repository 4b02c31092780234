"""Every master of one group that is heard: how long each counts, and which one is followed.

A group has one master, but a backup may hear several: two that do not hear each other, a ucarp
that has been beaten and looks at its packets up to 1 s later, a host that yields and sends its
last advertisement after the winner's first. A backup follows the best of those that live, and
falls back to the next best when that one leaves, falls silent or becomes worse. Each host is in
one of these states:

::

              advertisement                          advertisement
              +-----------+                          +-----------+
              |           v                          |           v
    unknown -----------> LIVES --- 2 intervals ---> DOUBTED --- master-down ---> SILENT
                           |    and no word of it      |        time             (unknown)
                           |                           |
                           +---------- bow-out --------+-----------------------> LEFT --- 1 s --->
                                                                                        (unknown)

LIVES
    It is believed to own the addresses. One of its advertisements may get lost. While it lives, a
    worse host that advertises, or leaves, changes nothing.
DOUBTED
    It counts for the time-out only. When another host advertises or leaves, that decides.
SILENT
    It counts for nothing, and its place is free. Its time is our master-down time after its last
    advertisement, or its own interval (with a grace) if that is longer. A host whose interval is
    longer than our master-down time is bound to time out, and is silent from the beginning; unless
    we are sick, and it is less so (`Parameters.gives_up`). The interval that a sick host
    (`is_sick`) announces is not its own, and is not waited for.
LEFT
    It has bowed out (255/255). An advertisement with a lower counter than the bow-out's was sent
    before it and overtaken on the way: it is ignored. Without this, it makes the successor yield
    to a host that is gone; or, if that has only fallen sick (`is_sick`), both yield to each other.
    Counters of different hosts, or far apart in time, say nothing: ucarp draws random ones until it
    hears a peer, OpenBSD keeps one for life (so its are never lower) and draws a new one when it
    starts again. Therefore the rule ends after `OVERTAKEN` seconds or one interval, and after
    `OVERTAKEN_PACKETS`. It does not apply to counters in different halves of all numbers: an older
    vipd that has replaced one with tags at once counts in the lower one (`TAGGED`).

States are not stored. They follow from the time of the last advertisement, so that an
advertisement which says the same as the one before costs its receiver one assignment (`Peer.at`).

The source address is not covered by CARP's digest: one recorded advertisement can be sent again
from any number of forged sources. So there are `PLACES` at most, and each call looks at all of
them once or twice at most; mostly at none, because the best one is known until it is doubted or
says something else. A host that finds no place free takes that of the newest one, unless that is
the best one that lives: then of the one before it. Forged sources push each other out in this way,
and never a master that was there before them, nor the one that is followed.
"""

from collections.abc import Iterator
from math import inf
from operator import attrgetter

from vipd.carp import timing
from vipd.carp.packet import Advertisement, said
from vipd.carp.parameters import Parameters
from vipd.carp.rank import Rank, asks_for_successor, rank_of
from vipd.carp.tag import TAGGED

#: Hosts remembered at most. A segment with more than two masters of one group is broken already.
PLACES = 32
#: How long after a bow-out an advertisement that it has overtaken may still come, seconds; at most
#: one interval of its sender. Longer than packets wait in a network; shorter than a host takes to
#: start again with another counter.
OVERTAKEN = 1.0
#: How many such advertisements there can be: one, in both families, each doubled by the network.
#: Without this, a host that was frozen takes all that a restarted OpenBSD sent meanwhile for them.
OVERTAKEN_PACKETS = 4


class Peer:
    """A host that is heard.

    ``ad``: its last advertisement, which came ``at`` this time; ``said``: the part of it that
    decides. ``leaves``: it bowed out, or is too slow for us. In seconds: after ``patience`` it must
    have advertised again, after ``trust`` it is doubted, after ``wait`` it is silent.
    ``overtaken``: how many of its advertisements a later one had overtaken: they were ignored;
    ``late_for``: for how many seconds after it they may come.
    """

    __slots__ = (
        "ad",
        "at",
        "host",
        "late_for",
        "leaves",
        "overtaken",
        "patience",
        "rank",
        "said",
        "trust",
        "wait",
    )

    ad: Advertisement
    host: bytes
    said: tuple[int, int, int]
    rank: Rank
    leaves: bool
    patience: float
    trust: float
    wait: float

    def __init__(self, ad: Advertisement, at: float, ours: Parameters) -> None:
        self.at, self.host, self.overtaken = at, ad.host, 0
        self.late_for = OVERTAKEN
        self.assess(ad, ours)

    def assess(self, ad: Advertisement, ours: Parameters) -> None:
        """What its words mean to a host with these parameters."""
        self.ad, self.said = ad, said(ad)
        self.rank, self.leaves = rank_of(ad), ours.gives_up(ad)
        if not asks_for_successor(ad):
            self.late_for = min(OVERTAKEN, self.rank.interval)
        every = ours.interval_of(ad)
        self.patience = every + timing.grace(every)
        if self.leaves:
            self.trust = self.wait = -inf
        else:
            self.wait = max(ours.master_down, self.patience)
            self.trust = min(2 * self.patience, self.wait)

    def silent_at(self) -> float:
        """When it is silent, unless it is heard before."""
        return self.at + self.wait

    def needed_until(self) -> float:
        """When nothing is lost if it is forgotten."""
        return self.at + (self.late_for if self.leaves else self.wait)


class Peers:
    """The other hosts of one group, as one with the parameters ``ours`` hears them."""

    __slots__ = ("_best", "_by_host", "_full_until", "_ours")

    def __init__(self, ours: Parameters) -> None:
        self._by_host: dict[bytes, Peer] = {}  # the newest is the last
        self._ours = ours
        self._best: Peer | None = None  # None: look for it
        self._full_until = -inf  # in a table without free places, none gets free before this

    def change(self, ours: Parameters) -> None:
        """Other parameters: those that were heard before are assessed by them, too."""
        self._ours, self._best, self._full_until = ours, None, -inf
        for peer in self._by_host.values():
            peer.assess(peer.ad, ours)

    def hear(self, ad: Advertisement, now: float) -> Peer | None:
        """A host advertises, or bows out. None: it has asked for a successor since it sent that."""
        peer = self._by_host.get(ad.host)
        if peer is None:
            if len(self._by_host) >= PLACES:
                self._make_room(now)
            self._by_host[ad.host] = peer = Peer(ad, now, self._ours)
        elif (peer.leaves or peer.rank.demotion) and self._is_overtaken(ad, peer, now):
            peer.overtaken += 1
            return None
        elif said(ad) == peer.said:
            peer.ad, peer.at = ad, now
        else:
            peer.assess(ad, self._ours)
            peer.at, peer.overtaken = now, 0
            if peer is self._best:
                self._best = None
        if self._best is not None and peer.rank < self._best.rank and not peer.leaves:
            self._best = peer
        self._full_until = min(self._full_until, peer.needed_until())
        return peer

    def best(self, now: float) -> Peer | None:
        """The master to follow: the preferred one of those that live."""
        best = self._best
        if best is None or now >= best.at + best.trust:
            living = [p for p in self._by_host.values() if now < p.at + p.trust]
            best = self._best = min(living, key=attrgetter("rank"), default=None)
        return best

    def silent_at(self) -> float:
        """When the last of them is silent, unless one is heard before; -inf: there is none."""
        return max(map(Peer.silent_at, self._by_host.values()), default=-inf)

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._by_host.values())

    def __len__(self) -> int:
        return len(self._by_host)

    @staticmethod
    def _is_overtaken(ad: Advertisement, peer: Peer, now: float) -> bool:
        same_half = (ad.counter ^ peer.ad.counter) < TAGGED
        earlier = same_half and ad.counter < peer.ad.counter
        late = now < peer.at + peer.late_for and peer.overtaken < OVERTAKEN_PACKETS
        return earlier and asks_for_successor(peer.ad) and late

    def _make_room(self, now: float) -> None:
        if now >= self._full_until:
            oldest = min(self._by_host.values(), key=Peer.needed_until)
            self._full_until = oldest.needed_until()
            if now >= self._full_until:
                del self._by_host[oldest.ad.host]
                return
        best = self.best(now)
        newest = next(s for s in reversed(self._by_host) if self._by_host[s] is not best)
        del self._by_host[newest]
