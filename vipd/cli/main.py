"""`vipctl`: the command line. Each command is a module of its own, imported when it is called.

click and not typer: with typer, which validates arguments with pydantic, no command would answer
within the 0.3 s that a person takes for “at once”.
"""

import gc
import io
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import click
from click.shell_completion import CompletionItem

from vipd import __version__
from vipd.cli.settings import config_dir_option, runtime_dir_option, settings
from vipd.without_tls import without_tls

COMMANDS = {
    "status": "Show the state of every virtual IP, or of these.",
    "watch": "Show the state live, with who owned each virtual IP in the last minutes.",
    "cluster": "Show every virtual IP on every host, as the hosts tell it now.",
    "diff": "Show what the configuration files of several hosts disagree about.",
    "history": "Show what happened, why, and how long it took.",
    "why": "Explain why this host is or is not master of a virtual IP.",
    "doctor": "Look for problems, and show the cure for each.",
    "check": "Show what the configuration files say and what is wrong with them.",
    "plan": "Make the files of many hosts, so that the load is even whoever fails.",
    "scan": "Listen for CARP and VRRP on a network, and show which VHIDs are free.",
    "demote": "Hand over now, and stay backup for a while.",
    "maintenance": "Hand over and stay backup until switched off.",
    "reload": "Make the daemon read its files again, and show what that changed.",
    "log-level": "Make the daemon log more or less.",
    "version": "Show the versions of vipctl and of the daemon.",
    "completion": "Print what makes a shell complete commands and IDs.",
    "lab": "Hosts on this machine, in network namespaces that vanish with the command.",
}
"""Name → the first line of its help. Each is a module with a `command`; importing all of them
would make every command as slow as the slowest."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [name for name in COMMANDS if name.startswith(incomplete)]
        items = [CompletionItem(name, help=COMMANDS[name]) for name in names]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"vipd.cli.{cmd_name.replace('-', '_')}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        unknown = args[0] not in COMMANDS and not args[0].startswith("-")
        if unknown and not ctx.resilient_parsing:  # not while a shell completes
            # Only here: it is slow to import, and seldom needed.
            from difflib import get_close_matches

            near = get_close_matches(args[0][:40], COMMANDS, 1, 0.5)
            hint = f"did you mean “{near[0]}”?" if near else "see vipctl --help"
            ctx.fail(f"there is no command “{args[0]}”; {hint}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@config_dir_option
@runtime_dir_option
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def vipctl(ctx: click.Context, config_dir: Path | None, runtime_dir: Path | None) -> None:
    """Look after vipd's floating IP addresses."""
    ctx.obj = settings(config_dir, runtime_dir)


def main() -> None:
    """Entry point of `vipctl`."""
    # Most commands run for a fraction of a second; this would take a quarter of it.
    gc.disable()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a quotation mark must not turn a report into a traceback.
            stream.reconfigure(errors="backslashreplace")
    try:
        with without_tls():
            vipctl(prog_name="vipctl")
    except SystemExit as end:
        _leave(end)


def _leave(end: SystemExit) -> NoReturn:
    """Exit without freeing every object first: a tenth of the time."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # nobody reads it any more
            raise end from None
    if end.code is None or isinstance(end.code, int):
        os._exit(end.code or 0)
    raise end


if __name__ == "__main__":
    main()
