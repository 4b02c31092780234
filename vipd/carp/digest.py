"""HMAC-SHA1 over what a group must agree on: VHID, addresses, and the counter of each packet.

The hash input is ``02 01 VHID``, the virtual addresses, and the 8 counter bytes. Addresses come in
OpenBSD's order (``carp_hmac_prepare``): IPv4 ascending, then IPv6 ascending. ucarp has one IPv4
address, so for it the order does not matter.
"""

import hashlib
from collections.abc import Iterable
from hmac import compare_digest
from ipaddress import IPv4Address, IPv6Address

from vipd.carp.packet import Advertisement, Drop

VERSION_AND_TYPE = b"\x02\x01"
BLOCK = 64
#: Longest password: 20 bytes in the BSDs, 19 in ucarp. Shorter ones are padded with zero bytes,
#: which HMAC does by itself.
PASSWORD_MAX = 20

Address = IPv4Address | IPv6Address


class _Keyed:
    """HMAC-SHA1 with both key blocks and the constant prefix hashed once: a digest costs two copies
    of a SHA-1 state and two short updates."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, password: bytes, prefix: bytes) -> None:
        key = password.ljust(BLOCK, b"\0")
        # Not a signature: HMAC-SHA1 stays permitted where plain SHA-1 is not (FIPS mode).
        self._inner = hashlib.sha1(bytes(b ^ 0x36 for b in key) + prefix, usedforsecurity=False)
        self._outer = hashlib.sha1(bytes(b ^ 0x5C for b in key), usedforsecurity=False)

    def __call__(self, counter: int) -> bytes:
        inner = self._inner.copy()
        inner.update(counter.to_bytes(8, "big"))
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


def _hash_input(vhid: int, addresses: Iterable[Address]) -> bytes:
    ordered = sorted(addresses, key=lambda a: (a.version, a.packed))
    return VERSION_AND_TYPE + bytes((vhid,)) + b"".join(a.packed for a in ordered)


class Digest:
    """The digest of one group.

    Link-local IPv6 addresses are left out when sending; a peer may include them or not, and both
    verify (OpenBSD keeps both forms for the same reason).

    Raises ValueError for a password that is empty or longer than 20 bytes, a VHID outside 1..255,
    or no address at all.
    """

    __slots__ = ("_other", "_send")

    def __init__(self, password: bytes, vhid: int, addresses: Iterable[Address]) -> None:
        everything = frozenset(addresses)
        if not 1 <= len(password) <= PASSWORD_MAX:
            raise ValueError(f"a CARP password has 1 to {PASSWORD_MAX} bytes")
        if not 1 <= vhid <= 255:
            raise ValueError("a VHID is 1 to 255")
        if not everything:
            raise ValueError("a group has at least one address")
        global_only = [a for a in everything if a.version == 4 or not a.is_link_local]
        self._send = _Keyed(password, _hash_input(vhid, global_only))
        self._other = (
            _Keyed(password, _hash_input(vhid, everything))
            if len(global_only) != len(everything)
            else None
        )

    def sign(self, counter: int) -> bytes:
        """The 20 bytes for an advertisement with this 64-bit counter."""
        return self._send(counter)

    def verify(self, counter: int, digest: bytes) -> bool:
        """Whether a host with our password, VHID and addresses made it; in constant time."""
        if compare_digest(self._send(counter), digest):
            return True
        return self._other is not None and compare_digest(self._other(counter), digest)

    def doubts(self, ad: Advertisement, source: IPv4Address, counter: int) -> Drop | None:
        """Why an advertisement that could be read is not to be believed; None if it is.

        ``source`` and ``counter`` are those of our own last one. ucarp ignores whatever comes from
        its own address, and so never notices that another host has it; on Linux we do not receive
        what we send, so it was another host, or our packet came back over a loop.
        """
        if not self.verify(ad.counter, ad.digest):
            return Drop.DIGEST
        if ad.source != source:
            return None
        return Drop.ECHO if ad.counter == counter else Drop.OWN_SOURCE
