"""Numbers: C's own strtoul is the oracle."""

import ctypes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vipd.config.numbers import decimal, looks_decimal, strtoul

LIBC = ctypes.CDLL(None)
LIBC.strtoul.restype = ctypes.c_ulong
LIBC.strtoul.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)


def c_strtoul(text: str) -> tuple[int, int]:
    """Value, and number of bytes read."""
    buffer = ctypes.create_string_buffer(text.encode())
    end = ctypes.c_void_p()
    value = LIBC.strtoul(ctypes.addressof(buffer), ctypes.byref(end), 0)
    return value, (end.value or 0) - ctypes.addressof(buffer)


@given(
    st.from_regex(r"[ \t]{0,2}[+-]?(0[xX]?)?[0-9a-fA-F]{0,24}[g ]?", fullmatch=True)
    | st.text(st.sampled_from("0123456789xX+- aFé"), max_size=8)
)
@example("010")
@example("0x")
@example("0x10")
@example("008")
@example("018")
@example("-1")
@example("-18446744073709551616")
@example("18446744073709551615")
@example("18446744073709551616")
@example("00000000000000000000000000000000000000000000000007")
@example("")
def test_strtoul_reads_what_c_reads(text: str) -> None:
    ours = strtoul(text)
    value, read = c_strtoul(text)
    assert ours.value == value
    if read:
        assert ours.rest.encode() == text.encode()[read:]
    else:
        assert not ours.clean


@pytest.mark.parametrize(
    ("text", "value"), [("8", 8), ("008", 8), ("0", 0), ("9" * 5000, 2**64 - 1)]
)
def test_plain_decimal_numbers_are_read_as_people_do(text: str, value: int) -> None:
    assert looks_decimal(text)
    assert decimal(text) == value


@pytest.mark.parametrize("text", ["", "-1", "1 ", "٣", "0x1"])
def test_nothing_else_looks_like_one(text: str) -> None:
    assert not looks_decimal(text)
