"""io.vipd(7), from the varlink interface: its methods, types and errors, as the daemon has them."""

import dataclasses
import enum
import inspect
import re
from types import ModuleType
from typing import Any

import mdoc
from asyncvarlink import TypedVarlinkErrorReply, varlinksignature

from vipd.api import events, io_vipd
from vipd.api.io_vipd import SOCKET, VipdInterface
from vipd.carp import machine

_FIELD = re.compile(r"^    (?P<name>\w+): .*?#\s*(?P<said>.+)$", re.MULTILINE)


def interface_page() -> str:
    """The page."""
    return mdoc.page(
        "io.vipd",
        7,
        "varlink interface of vipd",
        [
            ("SYNOPSIS", [f".Pa /run/vipd/{SOCKET}"]),
            ("DESCRIPTION", _description()),
            ("METHODS", mdoc.tagged(_methods())),
            ("ERROR REPLIES", mdoc.tagged(_errors())),
            ("TYPES", mdoc.tagged(_types())),
            ("EXAMPLES", _EXAMPLES),
            (
                "SEE ALSO",
                [
                    ".Xr varlinkctl 1 ,",
                    ".Xr vipctl 8 ,",
                    ".Xr vipd 8",
                    ".Pp",
                    ".Lk https://varlink.org",
                ],
            ),
        ],
    )


def _description() -> list[str]:
    return [
        *mdoc.body(_plain(VipdInterface.__doc__)),
        ".Pp",
        *mdoc.lines(
            "varlinkctl introspect prints the interface. Fields named at, since and last are Unix "
            "time; all other times are seconds from now, seconds ago, or durations in seconds. "
            "Text may come from other hosts and from files: it is printable and contains no "
            "password."
        ),
    ]


def _methods() -> list[tuple[str, list[str]]]:
    found = []
    for name, method in sorted(vars(VipdInterface).items()):
        signature = varlinksignature(method) if callable(method) else None
        if signature is not None:
            head = f"Ic {name} No {mdoc.text(signature.parameter_type.as_varlink)}"
            answer = mdoc.text(f"→ {signature.return_type.as_varlink}")
            more = mdoc.lines("With the flag more, it replies many times.")
            said = [answer, ".Pp", *mdoc.body(_plain(method.__doc__))]
            found.append((head, said + (more if signature.more else [])))
    return found


def _errors() -> list[tuple[str, list[str]]]:
    found = []
    for error in VipdInterface.errors:
        assert issubclass(error, TypedVarlinkErrorReply)
        head = f"Er {error.__name__} No {mdoc.text(error.paramtype.as_varlink)}"
        found.append((head, mdoc.body(_plain(error.__doc__))))
    return found


def _types() -> list[tuple[str, list[str]]]:
    """Every type that the methods speak of, as the interface's own description names them."""
    description = VipdInterface.render_interface_description(comments=False)
    names = sorted(re.findall(r"^type (\w+) ", description, re.MULTILINE))
    return [(f"Vt {name}", _type(_named(name))) for name in names]


def _named(name: str) -> type:
    modules: tuple[ModuleType, ...] = (io_vipd, events, machine)
    kinds = [
        kind
        for module in modules
        if inspect.isclass(kind := getattr(module, name, None))
        and (dataclasses.is_dataclass(kind) or issubclass(kind, enum.Enum))
    ]
    # Event and Transition are also the machine's own; the interface's come first.
    assert kinds, name
    return kinds[0]


def _type(kind: Any) -> list[str]:
    said = mdoc.body(_plain(kind.__doc__))
    if issubclass(kind, enum.Enum):
        entries = [(f"Dv {each.name}", mdoc.lines(_meaning(each))) for each in kind]
        return [*said, *mdoc.tagged(entries)]
    comments = dict(_FIELD.findall(inspect.getsource(kind)))
    return [*said, *mdoc.tagged(_field(each, comments) for each in dataclasses.fields(kind))]


def _field(field: "dataclasses.Field[object]", comments: dict[str, str]) -> tuple[str, list[str]]:
    from asyncvarlink.conversion import VarlinkType

    kind = VarlinkType.from_type_annotation(field.type).as_varlink
    said = comments.get(field.name, "")
    return f"Va {field.name} No : {mdoc.text(kind)}", mdoc.lines(f"{said[:1].upper()}{said[1:]}")


def _meaning(member: enum.Enum) -> str:
    meaning = getattr(member, "meaning", member.value)
    return f"{str(meaning)[:1].upper()}{str(meaning)[1:]}." if meaning != member.name else ""


def _plain(doc: str | None) -> str:
    """Without the marks that make code of a word in a docstring."""
    return inspect.cleandoc(doc or "").replace("``", "").replace("`", "")


_EXAMPLES = [
    *mdoc.lines("The methods, the state of the daemon, and events as they happen:"),
    ".Pp",
    f".Dl varlinkctl introspect /run/vipd/{SOCKET} io.vipd",
    f".Dl varlinkctl call /run/vipd/{SOCKET} io.vipd.Describe {{}}",
    f".Dl varlinkctl call \\-\\-more /run/vipd/{SOCKET} io.vipd.Monitor {{}}",
]
