"""What the shells complete: the IDs that the daemon runs, or, without it, those of the files."""

from pathlib import Path

import click

from vipd.cli.paths import CONFIG_DIR, RUNTIME_DIR, Settings

PATIENCE = 1.0
"""Seconds; a Tab must not take longer."""


def complete_ids(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """IDs that begin with `incomplete`, without those that are there already. Never raises."""
    there = ctx.params.get("ids") or ()
    settings = given_settings(ctx)
    found = _of_daemon(settings)
    ids = _of_files(settings.config_dir) if found is None else found
    return [each for each in ids if each.startswith(incomplete) and each not in there]


def complete_groups(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Names of groups that begin with `incomplete`. Never raises."""
    from vipd.cli.client import CommandError, ask

    settings = given_settings(ctx)
    try:
        names = {vip.group for vip in ask(settings, lambda client: client.vips(), PATIENCE)}
    except CommandError:
        from vipd.config.load import load

        names = {vip.group for vip in load(settings.config_dir).vips}
    return sorted(name for name in names if name and name.startswith(incomplete))


def given_settings(ctx: click.Context) -> Settings:
    """The settings on the command line so far; no command has been called yet."""

    def given(name: str, default: Path) -> Path:
        context: click.Context | None = ctx
        while context is not None:
            if value := context.params.get(name):
                return Path(value)
            context = context.parent
        return default

    return Settings(given("config_dir", CONFIG_DIR), given("runtime_dir", RUNTIME_DIR))


def _of_daemon(settings: Settings) -> list[str] | None:
    # Only here: each command would wait for it.
    from vipd.cli.client import CommandError, ask

    try:
        return [vip.id for vip in ask(settings, lambda client: client.vips(), PATIENCE)]
    except CommandError:
        return None


def _of_files(directory: Path) -> list[str]:
    """The names of the files: “001” of vip-001.conf."""
    try:
        names = sorted(entry.name for entry in directory.iterdir())
    except OSError:
        return []
    ids = [n[4:-5] for n in names if n.startswith("vip-") and n.endswith(".conf")]
    return [each for each in ids if each != "common" and each.isprintable()]


@click.command("completion")
@click.argument("shell", metavar="bash|zsh|fish", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print what makes a shell complete commands and IDs.

    Packages install it. To try it in bash: source <(vipctl completion bash)
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    group = click.get_current_context().find_root().command
    click.echo(kind(group, {}, "vipctl", "_VIPCTL_COMPLETE").source().strip())
