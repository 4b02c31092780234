"""vip.conf(5), from the models: every field whose description begins with the names of its keys."""

import json
from collections.abc import Iterator
from pathlib import Path

import mdoc
from pydantic import BaseModel

from vipd.config.keys import KEYS
from vipd.config.model import Settings, VipConfig
from vipd.config.options import OPTIONS

EXAMPLES = Path(__file__).parents[2] / "conf.d.example" / "web02"


def conf_page() -> str:
    """The page."""
    return mdoc.page(
        "vip.conf",
        5,
        "files of vipd and of the EPEL ucarp service",
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
        "There is one file for each floating address, vip-NNN.conf, where NNN is a number from 1 "
        "to 255 (any other NAME works if ID or VHID stands in the file; a file that has neither a "
        "number in its name, nor these, nor VIP_ADDRESS, is ignored), and what they share in "
        "vip-common.conf, which is read before each of them. Names like vip-001.conf.rpmnew do "
        "not count. BIND_INTERFACE, PASSWORD and PASSFILE, when a numbered file and "
        "vip-common.conf do not set them, are taken from the numbered files before it, with a "
        "warning.",
        "They are shell-style assignments: NAME=value, with export, quotes of both kinds, "
        "backslashes, comments, continuation lines, and $NAME or ${NAME} of an earlier line or of "
        "vip-common.conf. A line . FILE, with a path that begins with /, reads more assignments "
        "from another file. Nothing is ever executed.",
        "What the shell of the ucarp service did without a doubt is done, and warned of: "
        "${NAME:-text} and its relatives := :+ :?, declare, typeset, readonly, unset; and commands "
        "that set no variable are skipped. What could change values in ways that reading cannot "
        "follow is refused with its line and column: substitutions of commands, if, loops, "
        "functions, arrays, eval, exit, pipes. A broken file does not stop the others. vipctl "
        "check shows how the files are understood.",
        "Files that hold a password should have mode 0600.",
    )
    out: list[str] = []
    for number, each in enumerate(paragraphs):
        out += [".Pp"] * bool(number) + mdoc.lines(each)
    return out


def documented(model: type[BaseModel]) -> Iterator[tuple[list[str], str, object]]:
    """Of each field that can be set: the keys and options that set it, what it means, the
    default (None if there is none)."""
    options = {f"--{option.name}" for option in OPTIONS} | {"--mcast"}
    for field in model.model_fields.values():
        names, colon, said = (field.description or "").partition(": ")
        found = names.split(", ")
        if colon and all(name in (*KEYS, *_GLOBAL) or name in options for name in found):
            yield found, said, None if field.is_required() else field.default


_GLOBAL = ("METRICS_LISTEN",)
_LINE = (
    "OPTIONS is ucarp's command line, in any spelling that ucarp takes: unambiguous beginnings of "
    "long options, --name value and --name=value, letters in clusters. It is split on blanks only, "
    "quotes in it are literal. An option counts more than the key of the same meaning, but "
    "UPSCRIPT, DOWNSCRIPT and VHID count more than theirs. Numbers are read as ucarp reads them: "
    "a leading 0 means octal."
)
_COMMON = "These keys stand in vip-common.conf."


def _keys() -> Iterator[tuple[str, list[str]]]:
    for names, said, default in documented(VipConfig):
        keys = [name for name in names if not name.startswith("-")]
        if keys:
            yield _head(keys), [*mdoc.lines(_sentence(said)), *_default(default)]
    yield _head(["OPTIONS"]), mdoc.lines("Options of ucarp, see below.")


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
    "help": "Refused, as the daemon would only print its help and end.",
    "debug": "Taken, and without effect: see vipd --log-level.",
    "daemonize": "Taken, and without effect: vipd stays in the foreground.",
    "facility": "Taken, and without effect: vipd logs to stderr or the journal.",
}


def _of_daemon() -> Iterator[tuple[str, list[str]]]:
    for names, said, _ in documented(Settings):
        yield _head(names), mdoc.lines(_sentence(said))


def _head(keys: list[str]) -> str:
    return " , ".join(f"Ev {key}" for key in keys)


def _sentence(said: str) -> str:
    return f"{said[:1].upper()}{said[1:]}"


def _default(value: object) -> list[str]:
    if value is None or isinstance(value, bool):
        return []
    return mdoc.lines(
        f"Default: {value if isinstance(value, str) else json.dumps(value, default=str)}.".replace(
            '"', ""
        )
    )


def _examples() -> list[str]:
    out = mdoc.lines("A host that is the second choice for its first address:")
    return [*out, *mdoc.literal(_bare(EXAMPLES / "vip-001.conf"))]


def _bare(file: Path) -> str:
    """A file without its comments."""
    kept = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return "\n".join(kept)
