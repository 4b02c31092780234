"""glibc's getopt_long with ucarp's table, as an oracle."""

import ctypes
from collections.abc import Sequence

from vipd.config.options import OPTIONS

_LETTERS = {ord(option.letter): option for option in OPTIONS}


class _LongOption(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("has_arg", ctypes.c_int),
        ("flag", ctypes.c_void_p),
        ("val", ctypes.c_int),
    )


_LONG = (_LongOption * (len(OPTIONS) + 1))(
    *(_LongOption(o.name.encode(), int(o.takes_value), None, ord(o.letter)) for o in OPTIONS)
)
_SHORT = "".join(o.letter + ":" * o.takes_value for o in OPTIONS).encode()
_LIBC = ctypes.CDLL(None)
_OPTERR, _OPTIND = (ctypes.c_int.in_dll(_LIBC, name) for name in ("opterr", "optind"))
_OPTARG = ctypes.c_char_p.in_dll(_LIBC, "optarg")


def glibc_reads(words: Sequence[str]) -> list[tuple[str, str | None]] | None:
    """The letters and values that getopt_long finds; None when it finds an error or -h."""
    arguments = [b"ucarp", *(word.encode("utf-8", "surrogateescape") for word in words)]
    argv = (ctypes.c_char_p * (len(arguments) + 1))(*arguments, None)
    _OPTERR.value = _OPTIND.value = 0
    result: list[tuple[str, str | None]] = []
    while (letter := _LIBC.getopt_long(len(arguments), argv, _SHORT, _LONG, None)) != -1:
        if letter in (ord("?"), ord("h")):
            return None
        takes_value = _LETTERS[letter].takes_value
        value = (_OPTARG.value or b"").decode("utf-8", "surrogateescape") if takes_value else None
        result.append((chr(letter), value))
    return result
