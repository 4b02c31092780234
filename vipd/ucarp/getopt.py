"""The C library's getopt_long, which ucarp uses: the same abbreviations, the same order of
processing, the same error messages. (Python's getopt and argparse differ in all three.)
"""

import ctypes
from collections.abc import Iterator, Sequence

from vipd.config.options import OPTIONS, Option


class _Long(ctypes.Structure):
    """struct option"""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("has_arg", ctypes.c_int),
        ("flag", ctypes.c_void_p),
        ("val", ctypes.c_int),
    )


#: ucarp's short list has no m: only its long form works there, so only that works here.
_SHORT = "".join(
    option.letter + ":" * option.takes_value for option in OPTIONS if option.letter != "m"
)


def read(program: str, arguments: Sequence[str]) -> Iterator[tuple[Option, str] | None]:
    """Option after option, each with its value ("" if it takes none). None: the C library has just
    said on stderr what is wrong. To be read to its end, or not again."""
    libc = ctypes.CDLL(None)
    words = [word.encode(errors="surrogateescape") for word in (program, *arguments)]
    argv = (ctypes.c_char_p * (len(words) + 1))(*words, None)
    table = (_Long * (len(OPTIONS) + 1))(
        *(_Long(o.name.encode(), o.takes_value, None, ord(o.letter)) for o in OPTIONS)
    )
    value = ctypes.c_char_p.in_dll(libc, "optarg")
    by_letter = {ord(option.letter): option for option in OPTIONS}
    while (letter := libc.getopt_long(len(words), argv, _SHORT.encode(), table, None)) != -1:
        option = by_letter.get(letter)
        text = value.value or b""
        yield (option, text.decode(errors="surrogateescape")) if option else None
