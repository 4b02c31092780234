"""What the commands print with --json."""

from enum import Enum


def name_of(value: object) -> str:
    """`default` of json.dumps: enumerations by their names, as the daemon's interface has them."""
    return value.name if isinstance(value, Enum) else str(value)
