"""vipctl(8), from the commands themselves."""

import click
import mdoc

from vipd.cli.main import COMMANDS, vipctl


def vipctl_page() -> str:
    """The page."""
    context = vipctl.make_context("vipctl", [], resilient_parsing=True)
    commands = [(name, vipctl.get_command(context, name)) for name in COMMANDS]
    found = [(name, each) for name, each in commands if each]
    return mdoc.page(
        "vipctl",
        8,
        "show and control the floating IP addresses of vipd",
        [
            ("SYNOPSIS", [".Nm", ".Op Ar option ...", ".Ar command", ".Op Ar argument ..."]),
            ("DESCRIPTION", _description()),
            ("OPTIONS", mdoc.tagged(options(vipctl, context))),
            ("COMMANDS", mdoc.tagged(_commands(found, context))),
            ("ENVIRONMENT", mdoc.tagged(_ENVIRONMENT)),
            ("FILES", mdoc.tagged(_FILES)),
            ("EXIT STATUS", _exit_status(found, context)),
            ("EXAMPLES", _EXAMPLES),
            ("SEE ALSO", [".Xr vip.conf 5 ,", ".Xr io.vipd 7 ,", ".Xr vipd 8"]),
        ],
    )


def _description() -> list[str]:
    return mdoc.lines(
        "vipctl shows the state of the vipd on this host and controls it, over its varlink "
        "interface, see io.vipd(7). Commands that ask vipd have to run as root or as a member of "
        "the group vipd. The commands check, plan, scan, diff, completion and lab need no running "
        "vipd. The commands cluster and diff ask other hosts, by ssh(1). "
        "Without one, doctor looks at the files and the kernel only."
    )


def options(command: click.Command, context: click.Context) -> list[tuple[str, list[str]]]:
    """Its options: head and help. Not click's own words for them, which change with its version."""
    found = []
    for option in command.get_params(context):
        if isinstance(option, click.Option) and not option.hidden:
            value = "" if option.is_flag else option.metavar or option.type.name.upper()
            said = mdoc.lines(option.help or "")
            if option.show_default:
                said += mdoc.lines(f"Default: {option.default:g}.")
            found.append((mdoc.flags(sorted(option.opts, key=len), value), said))
    return found


def _commands(
    found: list[tuple[str, click.Command]], parent: click.Context, before: str = ""
) -> list[tuple[str, list[str]]]:
    entries = []
    for name, command in found:
        context = click.Context(command, info_name=name, parent=parent)
        if isinstance(command, click.Group):
            below = [(each, command.get_command(context, each)) for each in command.commands]
            entries += _commands([(n, c) for n, c in below if c], context, f"{before}{name} ")
            continue
        pieces = command.collect_usage_pieces(context)
        taken = " ".join(piece for piece in pieces if piece != "[OPTIONS]")
        head = f"Ic {before}{name}" + (f" Ar {mdoc.text(taken)}" if taken else "")
        own = [each for each in options(command, context) if each[0] not in _COMMON]
        said = mdoc.body(command.help)
        entries.append((head, said + (mdoc.tagged(own) if own else [])))
    return entries


_COMMON = ("Fl h , Fl \\-help", "Fl \\-config\\-dir Ar DIR", "Fl \\-runtime\\-dir Ar DIR")
"""Options that all commands take, and that are told once."""


def _exit_status(found: list[tuple[str, click.Command]], context: click.Context) -> list[str]:
    told = [
        (f"Ic {name}", mdoc.lines(status))
        for name, each in _flat(found, context)
        if (status := mdoc.exit_status(each.help))
    ]
    rest = mdoc.lines("Every command exits with 2 after wrong usage, and with 130 after Ctrl-C.")
    return [*mdoc.tagged(told), ".Pp", *rest]


def _flat(
    found: list[tuple[str, click.Command]], parent: click.Context
) -> list[tuple[str, click.Command]]:
    """Groups replaced by their commands."""
    out: list[tuple[str, click.Command]] = []
    for name, command in found:
        if isinstance(command, click.Group):
            below = [
                (f"{name} {each}", command.get_command(parent, each)) for each in command.commands
            ]
            out += [(n, c) for n, c in below if c]
        else:
            out.append((name, command))
    return out


_ENVIRONMENT = [
    ("Ev NO_COLOR", mdoc.lines("If not empty, output has no colours, even at a terminal.")),
    ("Ev COLUMNS , Ev LINES", mdoc.lines("Override the size of the terminal.")),
]
_FILES = [
    ("Pa /run/vipd/io.vipd", mdoc.lines("The control socket of vipd.")),
    ("Pa /etc/ucarp", mdoc.lines("The configuration files that check and doctor read.")),
]
_EXAMPLES = [
    *mdoc.lines("A Nagios check, which uses the first line and the exit status:"),
    ".Pp",
    ".Dl vipctl status",
    ".Pp",
    *mdoc.lines("Take this host out of service for an update, and bring it back:"),
    ".Pp",
    ".Dl vipctl maintenance on",
    ".Dl vipctl maintenance off",
    ".Pp",
    *mdoc.lines("Wait until all hosts are fine again, before the next one is restarted:"),
    ".Pp",
    ".Dl until vipctl cluster web01 web02 web03; do sleep 1; done",
    ".Pp",
    *mdoc.lines("Completion in bash, if the package has not installed it:"),
    ".Pp",
    ".Dl source <(vipctl completion bash)",
]
