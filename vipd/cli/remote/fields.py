"""Reads fields of JSON that another host sent, and takes nothing for granted."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_interface

LONGEST = 1000
"""Characters of one text."""
MOST = 4096
"""Elements of one list."""


class AnswerError(Exception):
    """The answer is not what the command prints: which field, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object. Each method raises AnswerError if a field is missing or of another type."""

    found: Mapping[str, object]

    def has(self, name: str) -> bool:
        """Whether it is there: for what older versions do not tell."""
        return name in self.found

    def text(self, name: str) -> str:
        """A text: cut, and without lone surrogates, which no output takes. Not yet `safe`."""
        return _text(self._get(name), name)

    def text_or_none(self, name: str) -> str | None:
        return None if self._get(name) is None else self.text(name)

    def whole(self, name: str) -> int:
        value = self._get(name)
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > 2**63:
            raise AnswerError(f"{name} is not a whole number")
        return value

    def number_or_none(self, name: str) -> float | None:
        value = self._get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
            raise AnswerError(f"{name} is not a number")
        return float(value)

    def flag(self, name: str) -> bool:
        value = self._get(name)
        if not isinstance(value, bool):
            raise AnswerError(f"{name} is neither true nor false")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(_text(each, name) for each in self._list(name))

    def texts_or_none(self, name: str) -> tuple[str, ...] | None:
        return None if self._get(name) is None else self.texts(name)

    def addresses(self, name: str) -> tuple[str, ...]:
        """Addresses in their shortest form, without prefix length; at least one."""
        if not (found := self.texts(name)):
            raise AnswerError(f"{name} is empty")
        return tuple(address(each) for each in found)

    def object_or_none(self, name: str) -> "Fields | None":
        value = self._get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise AnswerError(f"{name} is not an object")
        return Fields(value)

    def objects(self, name: str) -> "list[Fields]":
        found = self._list(name)
        if not all(isinstance(each, dict) for each in found):
            raise AnswerError(f"{name} is not a list of objects")
        return [Fields(each) for each in found if isinstance(each, dict)]

    def _get(self, name: str) -> object:
        if name not in self.found:
            raise AnswerError(f"{name} is missing")
        return self.found[name]

    def _list(self, name: str) -> list[object]:
        value = self._get(name)
        if not isinstance(value, list) or len(value) > MOST:
            raise AnswerError(f"{name} is not a list of at most {MOST}")
        return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise AnswerError(f"{name} is not a text")
    return value[:LONGEST].encode("utf-8", "replace").decode()


def address(text: str) -> str:
    """An address in its shortest form, of ADDRESS[/LENGTH], without a zone, which may be any text.
    So it is safe to print. Raises AnswerError."""
    try:
        if "%" in text:
            raise ValueError("a zone")
        return str(ip_interface(text).ip)
    except ValueError:
        raise AnswerError("an address is none") from None
