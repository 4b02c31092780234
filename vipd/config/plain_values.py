"""Words and numbers: the values of most of vipd's own keys."""

import re

from vipd.config.fields import MAX_SECONDS
from vipd.config.health_fields import MAX_NAME, MIN_INTERVAL
from vipd.config.numbers import decimal, looks_decimal
from vipd.config.problem import cited, error
from vipd.config.shell import Value
from vipd.config.values import Report

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")


def word(key: str, value: Value, words: tuple[str, ...], hint: str, report: Report) -> str | None:
    """One of the words that our own key `key` takes, in any case."""
    given = value.text.strip().lower()
    if given in words:
        return given
    wrong = f"{key} “{cited(value.text)}” is none of {', '.join(words)}"
    report(error(value.place, wrong, hint))
    return None


def name(key: str, value: Value, report: Report) -> str | None:
    """The name that our own key `key` gives: letters, digits, - _ and ., MAX_NAME at most."""
    given = value.text.strip()
    if _NAME.fullmatch(given) and len(given) <= MAX_NAME:
        return given
    wrong = f"{key} “{cited(value.text)}” is not a name of 1 to {MAX_NAME} letters, digits, - _ ."
    report(error(value.place, wrong, f"write one word, like {key}=router"))
    return None


def seconds(
    key: str, value: Value, report: Report, words: tuple[str, ...] = ()
) -> int | str | None:
    """Whole seconds of our own key `key`, 1 to MAX_SECONDS, decimal; or one of its `words`."""
    given = value.text.strip().lower()
    if given in words:
        return given
    if looks_decimal(given) and 1 <= decimal(given) <= MAX_SECONDS:
        return decimal(given)
    wrong = f"{key} “{cited(value.text)}” is not a number of seconds from 1 to {MAX_SECONDS}"
    instead = "".join(f", or {key}={each}" for each in words)
    report(error(value.place, wrong, f"write whole seconds, like {key}=30{instead}"))
    return None


def seconds_or_0(key: str, value: Value, report: Report) -> int | None:
    """Whole seconds of our own key `key`, 0 to MAX_SECONDS, decimal."""
    read = seconds(key, value, report, ("0",))
    return 0 if isinstance(read, str) else read


def whole(
    key: str, value: Value, report: Report, low: int, high: int, words: tuple[str, ...] = ()
) -> int | str | None:
    """A decimal number of our own key `key` from `low` to `high`; or one of its `words`."""
    given = value.text.strip().lower()
    if given in words:
        return given
    if looks_decimal(given) and low <= decimal(given) <= high:
        return decimal(given)
    wrong = f"{key} “{cited(value.text)}” is not a number from {low} to {high}"
    instead = "".join(f", or {key}={each}" for each in words)
    report(error(value.place, wrong, f"write a whole number from {low} to {high}{instead}"))
    return None


def fractional_seconds(key: str, value: Value, report: Report) -> float | None:
    """Seconds of our own key `key`, MIN_INTERVAL to MAX_SECONDS, decimal, with one point at
    most."""
    match = _SECONDS.fullmatch(value.text.strip())
    if match and MIN_INTERVAL <= (read := float(match[0])) <= MAX_SECONDS:
        return read
    wrong = (
        f"{key} “{cited(value.text)}” is not a number of seconds from {MIN_INTERVAL:g} to "
        f"{MAX_SECONDS}"
    )
    report(error(value.place, wrong, f"write seconds, like {key}=2 or {key}=0.5"))
    return None
