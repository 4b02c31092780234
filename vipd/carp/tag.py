"""What the counter of a vipd says to other vipds: when in the order of its advertisements this one
was sent, by whom, and with which words.

CARP's digest covers the counter and the addresses, but neither advbase, advskew and byte 4 nor the
source. The 64 bits of the counter mean nothing to other programs, so they say it::

     63 62                                  29 28             15 14              0
    +--+--------------------------------------+-----------------+-----------------+
    |1 |         sequence (34 bits)           | tag (14 bits)   | marker (15 bits)|
    +--+--------------------------------------+-----------------+-----------------+

Sequence
    Larger in each advertisement of a host in a group (`vipd.daemon.vips.counter`); compared modulo
    2**34, see `is_newer`. The counters of older vipds are below 2**63, so that it grows when a host
    is updated.
Tag
    A hash of host, advbase, advskew and byte 4. Its function is another one for each sequence, and
    only who knows the password knows which: a one-time key for a universal hash (Carter, Wegman) is
    taken from the HMAC-SHA1 of the sequence.
Marker
    Follows from the same HMAC and from the tag. It says that this is a tagged counter. Nobody else
    can make a counter that is signed, and so nobody can take the marker off a recorded
    advertisement: one with a marker and another tag than it should have was altered. A receiver
    need not know anything about the sender to see that. The marker has the lowest bits because
    ucarp and FreeBSD continue from the counter that they heard last: the next number has no marker.

The keys are the password of the group, with labels that no input of CARP's digest begins with. A
tag belongs to one password: of an advertisement that is sent with two, each copy has its own.
docs/authentication.md says what this protects from.
"""

from enum import Enum

from vipd.carp.digest import Keyed
from vipd.carp.packet import Advertisement

SEQUENCE_BITS, TAG_BITS, MARKER_BITS = 34, 14, 15
_BELOW = TAG_BITS + MARKER_BITS
#: The lowest counter of a program that tags; those of older vipds are below.
TAGGED = 1 << 63
_SEQUENCES = 1 << SEQUENCE_BITS
_HALF = _SEQUENCES >> 1
#: So far apart are two sequences of a host that come one after the other, at most: its clock, or
#: another's that it goes on behind, is wrong by 34 years.
FAR = _HALF >> 1
_TAG, _MARKER = (1 << TAG_BITS) - 1, (1 << MARKER_BITS) - 1
_LABEL = b"vipd "
#: For the universal hash: what is hashed has 56 bits.
_PRIME = (1 << 61) - 1


class Reading(Enum):
    """What the counter says about an advertisement whose digest is right. ``GENUINE``: its sender
    has sent it like this; ``ALTERED``: its sender has sent something else with this counter;
    ``UNTAGGED``: nothing."""

    GENUINE = 1
    ALTERED = 2
    UNTAGGED = 3


def sequence_of(counter: int) -> int:
    """The sequence in a tagged counter."""
    return counter >> _BELOW & _SEQUENCES - 1


def is_newer(one: int, other: int) -> bool:
    """Whether a sequence is later than another one. A host has used all of them after 2**34
    advertisements, and begins again."""
    return 0 < (one - other) % _SEQUENCES < _HALF


def following(sequence: int, by: int = 1) -> int:
    """The sequence that is so much later."""
    return (sequence + by) % _SEQUENCES


class Tags:
    """Makes and reads the counters of one group with one password (1 to 20 bytes)."""

    __slots__ = ("_found", "_hashed", "_keys", "_last", "_words")

    def __init__(self, password: bytes, vhid: int) -> None:
        group = bytes((vhid,))
        self._keys = Keyed(password, _LABEL + b"keys" + group)
        self._words = Keyed(password, _LABEL + b"words" + group)
        #: What was hashed last, and the hash: mostly it is the same again.
        self._last: tuple[bytes, tuple[int, ...]] = b"", ()
        self._hashed = 0
        #: The sequence whose keys were needed last, and these. The other family and copies come
        #: with the same sequence.
        self._found = -1, 0

    def counter(self, sequence: int, host: bytes, words: tuple[int, int, int]) -> int:
        """The counter of an advertisement of this host (`vipd.carp.host`) that says ``words``:
        advbase, advskew and byte 4."""
        keys = self._keys_of(sequence)
        tag = self._tag(keys, host, words)
        marker = (keys ^ tag) & _MARKER
        return TAGGED | (sequence << TAG_BITS | tag) << MARKER_BITS | marker

    def read(self, ad: Advertisement, host: bytes) -> Reading:
        """Whether this host has sent this advertisement with these words."""
        counter = ad[6]
        if counter < TAGGED:
            return Reading.UNTAGGED
        keys, tag = self._keys_of(sequence_of(counter)), counter >> MARKER_BITS & _TAG
        if (keys ^ tag ^ counter) & _MARKER:
            return Reading.UNTAGGED
        return Reading.GENUINE if self._tag(keys, host, ad[3:6]) == tag else Reading.ALTERED

    def _keys_of(self, sequence: int) -> int:
        """160 bits: from the lowest one, the key of the marker, and two numbers for the tag."""
        if self._found[0] != sequence:
            keys = self._keys(sequence.to_bytes(5, "big"))
            self._found = sequence, int.from_bytes(keys, "big")
        return self._found[1]

    def _tag(self, keys: int, host: bytes, words: tuple[int, ...]) -> int:
        if (host, words) != self._last:
            self._last = host, words
            self._hashed = int.from_bytes(self._words(bytes(words) + host)[:7], "big")
        factor, term = keys >> MARKER_BITS & _PRIME, keys >> MARKER_BITS + 61 & _PRIME
        return (factor * self._hashed + term) % _PRIME & _TAG
