"""The password of a VIP, or two while it is changed: whoever knows either of them is believed.

Each advertisement is then sent once with each password, and the tag that belongs to it
(`vipd.carp.tag`). A host that knows one of them takes that one, and has no use for the other; a
host that knows both takes the one that comes first.
"""

from collections.abc import Collection, Iterator, Sequence

from vipd.api.io_vipd import SignsWith
from vipd.carp.digest import Digest
from vipd.carp.host import Address, in_both
from vipd.carp.packet import Advertisement, Drop, said
from vipd.carp.tag import Tags, sequence_of
from vipd.config.fields import PASSWORD_KEYS
from vipd.config.model import VipConfig

#: Advertisements of a host in a row without one of the passwords, after which it does not have that
#: password: so many lost packets are no coincidence.
_IN_A_ROW = 4
#: Hosts that are remembered at most. Forged sources replace each other.
_HOSTS = 32


class Signer:
    """A host that is heard: its ``source``, IPv4 if it sends both families, and when it was heard
    last (``at``)."""

    __slots__ = ("_last", "_number", "_without", "at", "source")

    def __init__(self, source: Address) -> None:
        self.source = source
        self.at = 0.0
        self._last: tuple[object, ...] = ()
        self._number = 0  # of the password that `_last` came with first
        self._without = [_IN_A_ROW, _IN_A_ROW]  # advertisements since one came with each password

    def is_copy(self, ad: Advertisement, counter: int, number: int, now: float) -> bool:
        """Whether it was just heard with the other password. ``counter``: what its two copies have
        in common."""
        self.at = now
        if ad.source.version == 4:
            self.source = ad.source
        this = ad.source.version, counter, said(ad)
        if this == self._last and number != self._number:
            self._without[number] = 0
            return True
        self._last, self._number = this, number
        self._without[number] = 0
        self._without[1 - number] += 1
        return False

    @property
    def signs_with(self) -> SignsWith:
        """The passwords in its last few advertisements."""
        first, second = (without < _IN_A_ROW for without in self._without)
        if first and second:
            return "both"
        return PASSWORD_KEYS[0 if first else 1]


class Passwords:
    """Those of one configuration. Which hosts sign with which is remembered while there are two."""

    def __init__(self, config: VipConfig) -> None:
        addresses = [a.ip for a in config.addresses]
        first, *more = (Digest(each, config.vhid, addresses) for each in config.passwords)
        self._first = first
        self._second = more[0] if more else None
        self._tags = [Tags(each, config.vhid) for each in config.passwords]
        self._both_families = len(config.families) > 1
        self._number = 0  # of the password that the last advertisement was believed for
        self._signers: dict[bytes, Signer] = {}

    @property
    def signers(self) -> Iterator[Signer]:
        """The hosts that were heard since there are two passwords."""
        yield from self._signers.values()

    def sign(
        self, sequence: int, host: bytes, words: tuple[int, int, int]
    ) -> list[tuple[int, bytes]]:
        """The counter and the digest of an advertisement of ours, by each password. ``host`` and
        ``words``: see `vipd.carp.tag.Tags.counter`."""
        counter = self._tags[0].counter(sequence, host, words)
        signed = [(counter, self._first.sign(counter))]
        if self._second is not None:
            counter = self._tags[1].counter(sequence, host, words)
            signed.append((counter, self._second.sign(counter)))
        return signed

    def doubts(
        self, ad: Advertisement, sources: Collection[Address], counters: Sequence[int]
    ) -> Drop | None:
        """As `vipd.carp.digest.Digest.doubts`, with either password. ``counters``: those of our own
        last advertisement, by each."""
        drop = self._first.doubts(ad, sources, counters[0])
        if self._second is None:
            return drop
        self._number = 0
        if drop is Drop.DIGEST:
            self._number = 1
            drop = self._second.doubts(ad, sources, counters[-1])
        return drop

    @property
    def tags(self) -> Tags:
        """Those of the password that `doubts` has just believed an advertisement for."""
        return self._tags[self._number]

    def is_copy(self, ad: Advertisement, now: float, *, tagged: bool) -> bool:
        """Whether an advertisement that `doubts` has just believed is the one before it, with the
        other password: it says nothing new, and counts for nothing. ``tagged``: its counter is."""
        if self._second is None:
            return False
        counter = sequence_of(ad.counter) if tagged else ad.counter
        version = ad.source.version
        host = in_both(ad.source) if self._both_families and version == 4 else ad.host
        signer = self._signers.get(host)
        if signer is None:
            if len(self._signers) >= _HOSTS:
                del self._signers[min(self._signers, key=lambda each: self._signers[each].at)]
            signer = self._signers[host] = Signer(ad.source)
        return signer.is_copy(ad, counter, self._number, now)
