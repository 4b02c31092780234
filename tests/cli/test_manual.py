"""The manual pages are what the program makes of itself, complete, and well-formed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from vipd.api.io_vipd import VipdInterface
from vipd.cli.main import COMMANDS, vipctl
from vipd.config.keys import DAEMON_KEYS, KEYS
from vipd.config.options import OPTIONS
from vipd.daemon.metrics.families import FAMILIES
from vipd.daemon.options import SIGNALS, parser
from vipd.lab.errors import search_path

ROOT = Path(__file__).parents[2]
PAGES = ("vipd.8", "vipctl.8", "vipd-ucarp.8", "vip.conf.5", "io.vipd.7")


def page(name: str) -> str:
    """The committed page, its escaped hyphens as people write them."""
    return (ROOT / "docs/man" / name).read_text().replace(r"\-", "-")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which(words[0], path=search_path())
    assert program, f"{words[0]} is missing: make test installs it where it may"
    return subprocess.run(
        [program, *words[1:]], capture_output=True, text=True, timeout=60, check=False
    )


def test_making_the_pages_again_changes_nothing(tmp_path: Path) -> None:
    done = run(sys.executable, str(ROOT / "packaging/manual"), str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(PAGES)
    for name in PAGES:
        assert (tmp_path / name).read_text() == (ROOT / "docs/man" / name).read_text(), (
            "run: make manual"
        )


@pytest.mark.parametrize("name", PAGES)
def test_mandoc_and_groff_find_nothing_wrong(name: str) -> None:
    path = str(ROOT / "docs/man" / name)
    linted = run("mandoc", "-T", "lint", "-W", "warning", path)
    assert (linted.returncode, linted.stdout) == (0, "")
    shown = run("groff", "-mdoc", "-Tutf8", "-Kutf8", "-ww", path)
    assert (shown.returncode, shown.stderr) == (0, "")
    title, _, section = name.rpartition(".")
    assert shown.stdout.startswith(f"{title.upper()}({section})")


def test_every_key_and_every_option_of_ucarp_is_in_the_manual() -> None:
    text = page("vip.conf.5")
    for key in (*KEYS, *DAEMON_KEYS):
        assert re.search(rf"^\.It .*Ev {key}\b", text, re.MULTILINE), key
    for option in OPTIONS:
        name = option.name.removesuffix("ip") if option.name == "mcastip" else option.name
        assert re.search(rf"^\.It Fl {option.letter} , Fl -{name}\b", text, re.MULTILINE), name


def test_every_metric_and_its_labels_are_in_the_manual() -> None:
    text = page("vipd.8")
    for family in FAMILIES:
        entry = text.split(f"\n.It Va {family.name}\n")[1].split("\n.It ")[0]
        assert all(re.search(rf"\b{label}\b", entry) for label in family.labels), family.name


def test_every_option_and_signal_of_vipd_is_in_the_manual() -> None:
    text = page("vipd.8")
    for option in re.findall(r"--[a-z-]+", parser().format_help()):
        assert re.search(rf"^\.It .*Fl {option[1:]}\b", text, re.MULTILINE), option
    for signals in SIGNALS:
        for name in signals.split(", "):
            assert f"SIG{name}" in text
    assert [f".It Er {number}" in text for number in (0, 1, 2)] == [True] * 3


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "lab"])
def test_every_command_option_and_exit_status_of_vipctl_is_in_the_manual(name: str) -> None:
    text = page("vipctl.8")
    command = vipctl.get_command(click.Context(vipctl), name)
    assert command
    entry = text.split(f"\n.It Ic {name}")[1].split("\n.It Ic ")[0]
    common = {"--help", "--config-dir", "--runtime-dir"}
    for parameter in command.params:
        if getattr(parameter, "hidden", False):  # for vipctl itself, on another host
            continue
        for option in {each for each in parameter.opts if each.startswith("-")} - common:
            assert f"Fl {option[1:]}" in entry, option
    if name != "completion":
        assert text.count(f"\n.It Ic {name}") == 2, "its exit status is missing"


@pytest.mark.parametrize("name", [*COMMANDS])
def test_the_list_of_commands_says_what_their_own_help_begins_with(name: str) -> None:
    command = vipctl.get_command(click.Context(vipctl), name)
    assert command
    assert (command.help or "").split("\n\n")[0].split() == COMMANDS[name].split()


def test_every_method_error_and_type_of_the_interface_is_in_the_manual() -> None:
    text = page("io.vipd.7")
    found = re.findall(
        r"^(?:method|type|error) (\w+)", VipdInterface.render_interface_description(), re.MULTILINE
    )
    assert len(found) > 25
    for name in found:
        assert re.search(rf"^\.It (Ic|Er|Vt) {name}\b", text, re.MULTILINE), name
