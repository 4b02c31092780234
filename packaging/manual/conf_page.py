"""vip.conf(5), from the models: every field whose description begins with the names of its keys."""

import json
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path

import mdoc

from vipd.config.checks import PREFIX, SETTINGS
from vipd.config.field import Model
from vipd.config.keys import DAEMON_KEYS, KEYS
from vipd.config.model import Settings, VipConfig
from vipd.config.options import OPTIONS

EXAMPLES = Path(__file__).parents[2] / "conf.d.example" / "web02"


def conf_page() -> str:
    """The page."""
    return mdoc.page(
        "vip.conf",
        5,
        "configuration files of vipd and of the EPEL ucarp service",
        [
            (
                "SYNOPSIS",
                [".Pa /etc/ucarp/vip\\-NNN.conf", ".Pp", ".Pa /etc/ucarp/vip\\-common.conf"],
            ),
            ("DESCRIPTION", _description()),
            ("KEYS", mdoc.tagged(_keys())),
            ("OPTIONS", [*mdoc.lines(_LINE), *mdoc.tagged(_options())]),
            ("THE DAEMON AS A WHOLE", [*mdoc.lines(_COMMON), *mdoc.tagged(_of_daemon())]),
            ("EXAMPLES", _examples()),
            ("SEE ALSO", [".Xr ucarp 8 ,", ".Xr vipctl 8 ,", ".Xr vipd 8"]),
        ],
    )


def _description() -> list[str]:
    paragraphs = (
        "Each floating address has one file, vip-NNN.conf, where NNN is a number from 1 to 255. "
        "Settings that they share are in vip-common.conf, which is read before each of them. "
        "vip-NAME.conf with another NAME works if ID or VHID is set in it. Without a number in its "
        "name, ID, VHID and VIP_ADDRESS, a file is ignored, and so are names like "
        "vip-001.conf.rpmnew. If neither a numbered file nor vip-common.conf sets BIND_INTERFACE, "
        "PASSWORD or PASSFILE, vipd uses the value of an earlier numbered file, and warns.",
        "The files are shell-style assignments: NAME=value, with export, quotes of both kinds, "
        "backslashes, comments, continuation lines, and $NAME or ${NAME} of an earlier line or of "
        "vip-common.conf. A line . FILE, with a path that begins with /, reads more assignments "
        "from another file. Nothing is ever executed.",
        "Some more constructs of the shell have their usual meaning, with a warning: "
        "${NAME:-text}, := :+ :?, declare, typeset, readonly, unset. Commands that set no variable "
        "are skipped, with a warning. Code whose effect on the values is unknown until it runs is "
        "refused, with its line and column: command substitution, if, loops, functions, arrays, "
        "eval, exit, pipes. An error in one file does not affect the VIPs of the others. vipctl "
        "check shows the settings in the files.",
        "Files that hold a password should have mode 0600.",
    )
    out: list[str] = []
    for number, each in enumerate(paragraphs):
        out += [".Pp"] * bool(number) + mdoc.lines(each)
    return out


def documented(model: type[Model]) -> Iterator[tuple[list[str], str, object]]:
    """Of each field that can be set: the keys and options that set it, what it means, the
    default (None if there is none)."""
    options = {f"--{option.name}" for option in OPTIONS} | {"--mcast"}
    for field in fields(model):
        names, colon, said = field.metadata.get("description", "").partition(": ")
        found = names.split(", ")
        if colon and all(
            name in (*KEYS, _CHECK, *DAEMON_KEYS) or name in options for name in found
        ):
            yield found, said, None if field.default is MISSING else field.default


_CHECK = f"{PREFIX}<NAME>"
_LINE = (
    "OPTIONS is ucarp's command line, in any spelling that ucarp accepts: unambiguous "
    "abbreviations of long options, --name value and --name=value, letters in clusters. It is "
    "split on blanks only; quotes in it are literal. An option overrides the key of the same "
    "meaning, except that UPSCRIPT, DOWNSCRIPT and VHID override their options. Numbers are read "
    "as ucarp reads them: a leading 0 means octal."
)
_COMMON = "These keys are valid in vip-common.conf only."


def _keys() -> Iterator[tuple[str, list[str]]]:
    for names, said, default in documented(VipConfig):
        keys = [name for name in names if not name.startswith("-")]
        if keys:
            yield _head(keys), [*mdoc.lines(_sentence(said)), *_default(default)]
        if keys == [_CHECK]:
            yield from _of_checks()
    yield _head(["OPTIONS"]), mdoc.lines("Options of ucarp, see below.")


def _of_checks() -> Iterator[tuple[str, list[str]]]:
    for name, each in SETTINGS.items():
        both = [f"{PREFIX}{name}", f"{_CHECK}_{name}"]
        yield _head(both), [*mdoc.lines(_sentence(each.description)), *_default(each.default)]


def _options() -> Iterator[tuple[str, list[str]]]:
    told = set()
    for names, said, default in documented(VipConfig):
        keys = [name for name in names if not name.startswith("-")]
        for name in (each for each in names if each.startswith("-")):
            option = next(each for each in OPTIONS if each.name.startswith(name[2:]))
            told.add(option.name)
            value = "value" if option.takes_value else ""
            head = mdoc.flags((f"-{option.letter}", name), value)
            same = mdoc.lines(f"As {keys[0]}.") if keys else mdoc.lines(_sentence(said))
            yield head, same if keys else [*same, *_default(default)]
    rest = [each for each in OPTIONS if each.name not in told]
    for option in rest:
        value = "value" if option.takes_value else ""
        head = mdoc.flags((f"-{option.letter}", f"--{option.name}"), value)
        yield head, mdoc.lines(_WITHOUT_EFFECT[option.name])


_WITHOUT_EFFECT = {
    "help": "Refused, because ucarp would only print its help and exit.",
    "debug": "Accepted, without effect: see vipd --log-level.",
    "daemonize": "Accepted, without effect: vipd stays in the foreground.",
    "facility": "Accepted, without effect: vipd logs to stderr or the journal.",
}


def _of_daemon() -> Iterator[tuple[str, list[str]]]:
    for names, said, _ in documented(Settings):
        yield _head(names), mdoc.lines(_sentence(said))


def _head(keys: list[str]) -> str:
    return " , ".join(f"Ev {key}" for key in keys)


def _sentence(said: str) -> str:
    return f"{said[:1].upper()}{said[1:]}"


def _default(value: object) -> list[str]:
    if value is None or isinstance(value, bool) or value == ():
        return []
    return mdoc.lines(
        f"Default: {value if isinstance(value, str) else json.dumps(value, default=str)}.".replace(
            '"', ""
        )
    )


def _examples() -> list[str]:
    out = mdoc.lines("The backup of an address:")
    return [*out, *mdoc.literal(_bare(EXAMPLES / "vip-001.conf"))]


def _bare(file: Path) -> str:
    """A file without its comments."""
    kept = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return "\n".join(kept)
