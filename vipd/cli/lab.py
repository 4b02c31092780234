"""`vipctl lab`: hosts on this machine to try things out, and a scripted tour."""

import gc
import shlex
import sys
from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv6Address,
    IPv6Interface,
    ip_address,
    ip_interface,
)
from pathlib import Path
from typing import NoReturn

import click

from vipd.lab import Lab, LabError
from vipd.lab.host import VIP_DOWN, VIP_UP
from vipd.lab.plan import HostPlan, plan_bare, plan_from_config


@click.group("lab", no_args_is_help=True)
def command() -> None:
    """Hosts on this machine, in network namespaces that vanish with the command."""
    gc.enable()


RUN_HELP = f"""Start hosts and play with them at a prompt: cables, crashes, frozen daemons.

vipctl lab run --host web01=conf.d.example/web01 --host web02=conf.d.example/web02

A host on a directory runs vipd, with the interfaces and source addresses that the files name;
a host on an address has it on eth1.
Either runs another command with --command, for instance a real
ucarp ({VIP_UP} and {VIP_DOWN} exist on every host):

--host old=198.51.100.180/24 --command 'old=ucarp -i eth1 -s 198.51.100.180 -v 1 -p love
-a 198.51.100.154 -u {VIP_UP} -d {VIP_DOWN}'

Health checks and systemd units are not run but played: they are well until you say “sick web01
web”, and again after “well web01 web”. So are the gateways of TRACK_GATEWAY. Interfaces of
TRACK_INTERFACE have cables to cut, and “sick web01 /run/drain” writes a TRACK_FILE.

Commands may come from a pipe; the exit status is then 1 if any of them failed.
"""

keep_logs_option = click.option(
    "--keep-logs",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep the logs of everything in this directory.",
)


@command.command(help=RUN_HELP)
@click.option(
    "--host",
    multiple=True,
    required=True,
    metavar="NAME=WHAT",
    help="NAME=DIRECTORY or NAME=ADDRESS/LENGTH; repeat it.",
)
@click.option(
    "--command",
    "commands",
    multiple=True,
    metavar="NAME=COMMAND",
    help="Run this there instead of vipd.",
)
@click.option(
    "--watch",
    multiple=True,
    metavar="ADDRESS",
    help="Ping this address too (those in files are anyway).",
)
@click.option(
    "--settle",
    default=4.0,
    show_default=True,
    metavar="SECONDS",
    help="After a fault, wait until nothing moved for so long.",
)
@click.option("--real-checks", is_flag=True, help="Run health checks as the files say.")
@keep_logs_option
def run(
    host: tuple[str, ...],
    commands: tuple[str, ...],
    watch: tuple[str, ...],
    settle: float,
    real_checks: bool,
    keep_logs: Path | None,
) -> None:
    """Build the hosts, start what they run, and read commands."""
    # Only here, as below: rich takes longer to import than vipctl --help may take.
    from rich.console import Console

    from vipd.lab.prompt import Prompt
    from vipd.lab.site import Site

    console = Console(highlight=False)
    try:
        plans = plan_hosts(host, commands, real_checks)
        extra = [_address(text) for text in watch]
        with Lab(keep_logs=keep_logs) as lab:
            site = Site(lab, plans, extra)
            site.start_all()
            site.settle(min(settle, 1.0), 6.0, all_answer=True)
            prompt = Prompt(site, console, settle)
            prompt.onecmd("status")
            if not prompt.piped:
                console.print("help lists the commands.")
            prompt.cmdloop()
            failed = prompt.piped and prompt.failed
    except (LabError, TimeoutError) as error:
        _die(error)
    except KeyboardInterrupt:
        failed = True
    sys.exit(1 if failed else 0)


@command.command()
@click.option(
    "--config",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Configuration directory of a host, instead of the example; repeat it.",
)
@keep_logs_option
def demo(config: tuple[Path, ...], keep_logs: Path | None) -> None:
    """The published pair of hosts: who owns what, a cable cut and joined, the gaps measured.

    The exit status is 1 when an address does not go where it belongs.
    """
    from rich.console import Console

    from vipd.lab.tour import Tour, example_pair

    try:
        tour = Tour(config or example_pair(), Console(highlight=False))
        with Lab(keep_logs=keep_logs) as lab:
            good = tour.run(lab)
    except (LabError, TimeoutError) as error:
        _die(error)
    sys.exit(0 if good else 1)


def plan_hosts(
    hosts: Sequence[str], commands: Sequence[str], real_checks: bool = False
) -> list[HostPlan]:
    """Read --host and --command; LabError names the invalid one."""
    wanted = dict(_pair(text, "--host NAME=DIRECTORY") for text in hosts)
    run_instead = dict(_pair(text, "--command NAME=COMMAND") for text in commands)
    if len(wanted) != len(hosts):
        raise LabError("two --host have the same name")
    for name in run_instead.keys() - wanted.keys():
        raise LabError(f"--command {name}=…: there is no --host {name}=…")
    plans: list[HostPlan] = []
    for name, value in wanted.items():
        words = shlex.split(run_instead.get(name, ""))
        if (address := _interface(value)) is not None:
            plans.append(plan_bare(name, address, words))
        elif Path(value).is_dir():
            plans.append(plan_from_config(name, Path(value), plans, words, real_checks=real_checks))
        else:
            raise LabError(f"--host {name}={value}: neither a directory nor an ADDRESS/LENGTH")
    return plans


def _pair(text: str, usage: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise LabError(f"{text!r}: write {usage}")
    return name, value


def _interface(text: str) -> IPv4Interface | IPv6Interface | None:
    try:
        return ip_interface(text) if "/" in text else None
    except ValueError:
        return None


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError as error:
        raise LabError(f"--watch {text}: {error}") from None


def _die(error: Exception) -> NoReturn:
    click.echo(f"vipctl lab: {error}", err=True)
    sys.exit(1)
