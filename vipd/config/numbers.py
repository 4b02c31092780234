"""Numbers as ucarp reads them: `strtoul(text, NULL, 0)`, which has surprises.

With base 0 a leading 0 means octal and 0x hexadecimal, blanks and a sign may stand in front, a
negative number wraps around, and anything after the digits is ignored silently.
"""

import re
from dataclasses import dataclass

ULONG_MAX = 2**64 - 1

_NUMBER = re.compile(
    r"[ \t\n\v\f\r]*(?P<sign>[+-]?)"
    r"(?:0[xX](?P<hexadecimal>[0-9a-fA-F]+)|(?P<octal>0[0-7]*)|(?P<decimal>[1-9][0-9]*))"
)
_BASES = {"hexadecimal": 16, "octal": 8, "decimal": 10}


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of strtoul: the value (0 to 2**64-1) and the text that it left unread."""

    value: int
    rest: str
    found: bool = True
    """Whether there is a number at all."""

    @property
    def clean(self) -> bool:
        """Whether the whole text was a number."""
        return not self.rest


def strtoul(text: str) -> Reading:
    """Read like C's strtoul with base 0 on a 64-bit machine; (0, text) when there is no number."""
    match = _NUMBER.match(text)
    if match is None:
        return Reading(0, text or "(nothing)", found=False)
    kind = match.lastgroup or "decimal"
    digits = match[kind].lstrip("0")
    # Longer than any 64-bit number in any base: no need to convert, which takes time.
    value = ULONG_MAX if len(digits) > 24 else min(int(digits or "0", _BASES[kind]), ULONG_MAX)
    if match["sign"] == "-" and not (value == ULONG_MAX and digits):
        value = -value & ULONG_MAX
    return Reading(value, text[match.end() :])


def looks_decimal(text: str) -> bool:
    """Whether a person would read this as a plain decimal number."""
    return text.isascii() and text.isdigit()


def decimal(text: str) -> int:
    """The value a person reads in `looks_decimal` text, cut off at 2**64-1."""
    digits = text.lstrip("0")
    return ULONG_MAX if len(digits) > 19 else int(digits or "0")
