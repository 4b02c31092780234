"""The keys of the files. A key of vipd's own is one row here and one field of the model."""

from collections.abc import Callable
from dataclasses import dataclass

from vipd.config import commands, plain_values, tracked, values
from vipd.config.health_fields import MAX_LISTEN_FIRST
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
    return lambda key, value, report: plain_values.word(key, value, words, hint, report)


def _seconds(*words: str) -> Read:
    return lambda key, value, report: plain_values.seconds(key, value, report, words)


def _number(low: int, high: int, *words: str) -> Read:
    return lambda key, value, report: plain_values.whole(key, value, report, low, high, words)


def _peers(key: str, value: Value, report: Report) -> object:
    hint = f"write the SOURCE_ADDRESS of every other host, like {key}=192.0.2.2"
    return values.hosts(key, value, report, hint)


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
    Key(
        "GUARD_SCRIPT",
        "guard_script",
        _one_of(
            *("yes", "no"),
            hint="write GUARD_SCRIPT=no if DOWNSCRIPT must not run when vipd is killed or frozen",
        ),
    ),
    Key("EXTRA_ADDRESSES", "extra_addresses", values.extras),
    Key("PEERS", "peers", _peers, "list the other hosts, or remove PEERS for multicast"),
    Key("ANNOUNCE_TO", "announce_to", values.targets),
    Key("ANNOUNCE_EVERY", "announce_every", plain_values.seconds_or_0),
    Key("TRACK_INTERFACE", "track_interface", tracked.interfaces),
    Key("TRACK_FILE", "track_file", tracked.files),
    Key("TRACK_UNIT", "track_unit", tracked.units),
    Key("TRACK_DOWN", "track_down", plain_values.fractional_seconds),
    Key("TRACK_UP", "track_up", plain_values.fractional_seconds),
    Key("TRACK_GATEWAY", "track_gateway", tracked.gateways),
    Key("PREEMPT_DELAY", "preempt_delay", plain_values.seconds_or_0),
    Key("LISTEN_FIRST", "listen_first", _number(0, MAX_LISTEN_FIRST)),
    Key(
        "AUTHENTICATE",
        "authenticate",
        _one_of(
            *("auto", "strict", "off"),
            hint="write AUTHENTICATE=strict if every host of the group runs a vipd that knows this "
            "key; else leave it out",
        ),
    ),
    Key("GROUP", "group", plain_values.name),
    Key("DEMOTE_BY", "demote_by", _number(1, 240, "hand-over")),
    Key("NOTIFY", "notify", commands.words),
)
"""Keys that ucarp does not have. Those of checks, which have names of their own, are in
`vipd.config.checks`."""

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
