"""Compares passwords of several hosts, none of which leaves its host.

Each host signs the same random number with the password of each VIP: HMAC-SHA1, as in CARP, but of
a text that no advertisement begins with, so that a signature is of no use on the network. Who has
one can try passwords against it, as anybody can who hears an advertisement.
"""

import re
import secrets

from vipd.carp.digest import Keyed

_NUMBER = re.compile(r"[0-9a-f]{32}")
_PREFIX = b"vipctl diff\0"


def fresh() -> str:
    """A number that was never signed before: 16 random bytes, in hexadecimal."""
    return secrets.token_hex(16)


def is_number(text: str) -> bool:
    """Whether this is what `fresh` makes."""
    return _NUMBER.fullmatch(text) is not None


def signature(password: bytes, number: str) -> str:
    """The signature of a number of `fresh`, in hexadecimal."""
    return Keyed(password, _PREFIX)(bytes.fromhex(number)).hex()
