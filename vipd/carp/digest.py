"""HMAC-SHA1 over what a group must agree on: VHID, addresses, and the counter of each packet.

The hash input is ``02 01 VHID``, the virtual addresses, and the 8 counter bytes. Addresses come in
OpenBSD's order (``carp_hmac_prepare``): IPv4 ascending, then IPv6 ascending. ucarp has one IPv4
address, so for it the order does not matter.
"""

import hashlib
from collections.abc import Collection, Iterable
from hmac import compare_digest

from vipd.carp.host import Address
from vipd.carp.packet import Advertisement, Drop

VERSION_AND_TYPE = b"\x02\x01"
BLOCK = 64
#: Longest password: CARP's key has 20 bytes. ucarp and the ifconfig of every BSD take 19. Shorter
#: ones are padded with zero bytes, which HMAC does by itself.
PASSWORD_MAX = 20


class Keyed:
    """HMAC-SHA1 under one password, with both key blocks and a constant prefix hashed once: a
    digest costs two copies of a SHA-1 state and two short updates."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, password: bytes, prefix: bytes = b"") -> None:
        key = password.ljust(BLOCK, b"\0")
        # Not a signature: HMAC-SHA1 stays permitted where plain SHA-1 is not (FIPS mode).
        self._inner = hashlib.sha1(bytes(b ^ 0x36 for b in key) + prefix, usedforsecurity=False)
        self._outer = hashlib.sha1(bytes(b ^ 0x5C for b in key), usedforsecurity=False)

    def __call__(self, data: bytes) -> bytes:
        """The digest of the prefix and ``data``."""
        inner = self._inner.copy()
        inner.update(data)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


def hash_forms(addresses: Iterable[Address]) -> tuple[bytes, ...]:
    """What is hashed of a set of addresses: with the link-local IPv6 ones left out, and, if there
    are any, with them."""
    everything = sorted(frozenset(addresses), key=lambda a: (a.version, a.packed))
    without = [a for a in everything if a.version == 4 or not a.is_link_local]
    forms = (without,) if len(without) == len(everything) else (without, everything)
    return tuple(b"".join(map(_hashed, form)) for form in forms)


def _hashed(address: Address) -> bytes:
    """FreeBSD keeps the zone in the second word of a link-local address, and hashes 0 there."""
    packed = address.packed
    local = address.version == 6 and address.is_link_local
    return packed[:2] + bytes(2) + packed[4:] if local else packed


def hash_input(vhid: int, form: bytes, counter: int) -> bytes:
    """What the digest of one advertisement is made of; ``form``: one of `hash_forms`."""
    return VERSION_AND_TYPE + bytes((vhid,)) + form + counter.to_bytes(8, "big")


class Digest:
    """The digest of one group.

    Link-local IPv6 addresses are in it or not: OpenBSD sends without and takes both, FreeBSD knows
    only the form with them. Both verify, and we sign in the form that was verified last, at first
    without.

    Raises ValueError for a password that is empty or longer than 20 bytes, a VHID outside 1..255,
    or no address at all.
    """

    __slots__ = ("_other", "_send", "_verified")

    def __init__(self, password: bytes, vhid: int, addresses: Iterable[Address]) -> None:
        everything = frozenset(addresses)
        if not 1 <= len(password) <= PASSWORD_MAX:
            raise ValueError(f"a CARP password has 1 to {PASSWORD_MAX} bytes")
        if not 1 <= vhid <= 255:
            raise ValueError("a VHID is 1 to 255")
        if not everything:
            raise ValueError("a group has at least one address")
        send, *other = (
            Keyed(password, VERSION_AND_TYPE + bytes((vhid,)) + form)
            for form in hash_forms(everything)
        )
        self._send = send
        self._other = other[0] if other else None
        #: Counter and digest that were verified last. They come again in the other family, and in
        #: each copy that a network with a loop makes. To compare with them need not take constant
        #: time: who finds them out can do no more with them than who repeats what he has heard.
        self._verified: tuple[int, bytes] | None = None

    def sign(self, counter: int) -> bytes:
        """The 20 bytes for an advertisement with this 64-bit counter."""
        return self._send(counter.to_bytes(8, "big"))

    def verify(self, counter: int, digest: bytes) -> bool:
        """Whether a host with our password, VHID and addresses made it; in constant time, but for
        a copy of the last one."""
        this = counter, digest
        if this == self._verified:
            return True
        data = counter.to_bytes(8, "big")
        if not compare_digest(self._send(data), digest):
            if self._other is None or not compare_digest(self._other(data), digest):
                return False
            self._send, self._other = self._other, self._send
        self._verified = this
        return True

    def doubts(self, ad: Advertisement, sources: Collection[Address], counter: int) -> Drop | None:
        """Why an advertisement that could be read is not to be believed; None if it is.

        ``sources`` and ``counter`` are those of our own last ones. ucarp ignores whatever comes
        from its own address, and so never notices that another host has it. On Linux we do not
        receive what we send, so it was another host, or our packet came back over a loop.
        """
        if not self.verify(ad.counter, ad.digest):
            return Drop.DIGEST
        if ad.source not in sources:
            return None
        return Drop.ECHO if ad.counter == counter else Drop.OWN_SOURCE
