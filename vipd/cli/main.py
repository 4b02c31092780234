"""`vipctl`: the command line. Each command group is a module of its own, imported when called."""

import io
import sys
from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vipd import __version__
from vipd.cli.settings import ConfigDir, RuntimeDir, settings

COMMANDS = {"check": "vipd.cli.check", "lab": "vipd.cli.lab"}
"""Name → module with an `app`. Importing them all would make every command wait for the slowest."""


class LazyGroup(TyperGroup):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (typer's signature)
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 (typer's signature)
        if cmd_name not in COMMANDS:
            return None
        command = typer.main.get_command(import_module(COMMANDS[cmd_name]).app)
        command.name = cmd_name
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            near = get_close_matches(args[0][:40], COMMANDS, 1, 0.5)
            hint = f"did you mean “{near[0]}”?" if near else "see vipctl --help"
            ctx.fail(f"there is no command “{args[0]}”; {hint}")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=LazyGroup,
    name="vipctl",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vipctl {__version__}")
        raise typer.Exit


@app.callback()
def vipctl(
    ctx: typer.Context,
    config_dir: ConfigDir = None,
    runtime_dir: RuntimeDir = None,
    version: Annotated[  # noqa: ARG001 (its callback has done the work)
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Look after vipd's floating IP addresses."""
    ctx.obj = settings(ctx, config_dir, runtime_dir)


def main() -> None:
    """Entry point of `vipctl`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a quotation mark must not turn a report into a traceback.
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="vipctl")


if __name__ == "__main__":
    main()
