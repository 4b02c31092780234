"""The keys of the files. A key of vipd's own is one row here and one field of the model."""

from collections.abc import Callable
from dataclasses import dataclass

from vipd.config import values
from vipd.config.shell import Value
from vipd.config.values import Report

Read = Callable[[str, Value, Report], object]


@dataclass(frozen=True, slots=True)
class Key:
    """``field``: the field of `VipConfig`, which has its default, range and description. ``read``
    makes its value of the key's name and text; None: it was refused, and reported. ``blank``: what
    to do about a key that is there, but has no value; "": nothing, it is as if it was left out."""

    name: str
    field: str
    read: Read
    blank: str = ""


def _one_of(*words: str, hint: str) -> Read:
    return lambda key, value, report: values.word(key, value, words, hint, report)


def _seconds(*words: str) -> Read:
    return lambda key, value, report: values.seconds(key, value, report, words)


def _seconds_or_0(key: str, value: Value, report: Report) -> object:
    read = values.seconds(key, value, report, ("0",))
    return 0 if read == "0" else read


OWN = (
    Key(
        "MANAGE_ADDRESS",
        "manage_address",
        _one_of(
            *("auto", "yes", "no"),
            hint="write MANAGE_ADDRESS=yes if vipd is to add the address, no if your script does",
        ),
    ),
    Key("LEASE", "lease", _seconds("auto", "off")),
    Key("SCRIPT_TIMEOUT", "script_timeout", _seconds()),
    Key(
        "UPSCRIPT_FAILURE",
        "upscript_failure",
        _one_of(
            *("ignore", "demote"),
            hint="write UPSCRIPT_FAILURE=demote if a failed UPSCRIPT is to hand the address on",
        ),
    ),
    Key("EXTRA_ADDRESSES", "extra_addresses", values.extras),
    Key("PEERS", "peers", values.peers, "list the other hosts, or remove PEERS for multicast"),
    Key("ANNOUNCE_TO", "announce_to", values.targets),
    Key("ANNOUNCE_EVERY", "announce_every", _seconds_or_0),
)
"""Keys that ucarp does not have."""

UCARP = (
    "ID",
    "VID",
    "VHID",
    "VIP_ADDRESS",
    "BIND_INTERFACE",
    "SOURCE_ADDRESS",
    "PASSWORD",
    "PASSFILE",
    "OPTIONS",
    "UPSCRIPT",
    "DOWNSCRIPT",
)
"""The keys of the ucarp service, and VHID: they depend on each other and on OPTIONS
(`vipd.config.build`). VID is the systemd-era name of ID."""

ALSO = ("PASSWORD_ALSO", "PASSFILE_ALSO")
"""Keys of vipd's own, too, that make one field together (`vipd.config.password`)."""

KEYS = (*UCARP, *ALSO, *(key.name for key in OWN))
"""Every known key of a virtual IP."""

DAEMON_KEYS = ("METRICS_LISTEN", "HOSTS")
"""Keys that count in vip-common.conf only: they are about vipd and vipctl, not a virtual IP."""
