"""HOSTS: the names by which the hosts of a group are asked, over ssh."""

import re
from typing import TYPE_CHECKING

from vipd.config.problem import cited, warning

if TYPE_CHECKING:  # without them it is imported in no time, by commands that need `is_host` only
    from vipd.config.shell import Value
    from vipd.config.values import Report

# [user@]name, an address, or ssh's URL. No leading “-”, which would be an option; nothing that a
# shell treats specially, because a ProxyCommand of ssh_config may pass the name to one.
_HOST = re.compile(r"[A-Za-z0-9_:\[][A-Za-z0-9_.:@%/+\[\]-]{0,254}")
RULE = "a name is letters, digits and . - _ : @ % / + [ ], and does not begin with - or ."


def is_host(text: str) -> bool:
    """Whether ssh can take this for the name of a host."""
    return _HOST.fullmatch(text) is not None


def hosts(value: "Value", report: "Report") -> tuple[str, ...]:
    """The names, each once. What cannot be a name is left out and reported, as a warning: no
    virtual IP depends on it."""
    found: dict[str, None] = {}
    for word in value.words():
        if is_host(word.text):
            found[word.text] = None
            continue
        what = f"HOSTS: “{cited(word.text)}” cannot be the name of a host, and is left out"
        report(warning(word.place, what, f"write names for ssh, separated by blanks: {RULE}"))
    return tuple(found)
