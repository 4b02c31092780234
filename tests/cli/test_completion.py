"""Tab in real shells, with the files that packages install."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.configured import write_vip

from vipd.lab.errors import search_path

SCRIPTS = Path(__file__).parents[2] / "packaging/completions"

#: What each shell is told to do after it has read its script: the words on the line are $@.
BASH = """
. "$SCRIPT"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_vipctl_completion vipctl; printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
autoload -Uz compinit; compinit -D -u
compdef() { }; . "$SCRIPT"
compadd() { local -a list; list=("${(@P)@[-1]}"); print -rl -- $list }
_describe() { print -rl -- ${${(P)3}%%:*} }
words=("$@"); CURRENT=$#; _vipctl_completion
"""
FISH = 'source $SCRIPT; complete --do-complete "$argv"'


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Files of three VIPs, and a vipctl on the PATH."""
    files = tmp_path / "ucarp"
    for name in ("001", "002", "web"):
        write_vip(files, name)
    (files / "vip-common.conf").write_text("")
    (files / "vip-003.conf.rpmnew").write_text("")
    command = tmp_path / "bin" / "vipctl"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m vipd.cli.main "$@"\n')
    command.chmod(0o755)
    return files


def tab(shell: str, directory: Path, line: str) -> list[str]:
    """What the shell offers for the last word of a line (behind the directories)."""
    where = f"--config-dir {directory} --runtime-dir {directory.parent / 'run'}"
    words = f"vipctl {where} {line}".split(" ")
    program = shutil.which(shell, path=search_path())
    assert program, f"{shell} is missing: make test installs it where it may"
    command, script = {
        "bash": ([program, "-c", BASH, "bash", *words], "vipctl.bash"),
        "zsh": ([program, "-f", "-c", ZSH, "zsh", *words], "_vipctl"),
        "fish": ([program, "--no-config", "-c", FISH, " ".join(words)], "vipctl.fish"),
    }[shell]
    environment = {
        "PATH": f"{directory.parent / 'bin'}:{search_path()}",
        "SCRIPT": str(SCRIPTS / script),
        "HOME": str(directory.parent),
        "PYTHONPATH": ":".join(sys.path),
    }
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert done.stderr == ""
    return [each.split("\t")[0] for each in done.stdout.splitlines() if each]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_ids_come_from_the_files_when_no_daemon_runs(shell: str, directory: Path) -> None:
    assert tab(shell, directory, "why ") == ["001", "002", "web"]
    assert tab(shell, directory, "demote 00") == ["001", "002"]
    assert tab(shell, directory, "status 001 ") == ["002", "web"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_commands_options_and_words_are_completed(shell: str, directory: Path) -> None:
    assert tab(shell, directory, "ma") == ["maintenance"]
    assert sorted(tab(shell, directory, "maintenance o")) == ["off", "on"]
    assert tab(shell, directory, "log-level d") == ["debug"]
    assert tab(shell, directory, "demote --ho") == ["--hold"]
    assert tab(shell, directory, "nonsense 0") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_groups_come_from_the_files_when_no_daemon_runs(shell: str, directory: Path) -> None:
    for name, group in (("001", "router"), ("002", "router"), ("web", "mail")):
        address = f"198.51.100.{len(group)}{name[-1:] if name != 'web' else 0}"
        write_vip(
            directory, name, GROUP=group, VIP_ADDRESS=address, VHID=name[-1].replace("b", "9")
        )
    assert tab(shell, directory, "demote --group ") == ["mail", "router"]
    assert tab(shell, directory, "maintenance on --group r") == ["router"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_hosts_come_from_the_files(shell: str, directory: Path) -> None:
    (directory / "vip-common.conf").write_text("HOSTS='web01 web02 root@db01'\n")
    assert sorted(tab(shell, directory, "cluster ")) == ["root@db01", "web01", "web02"]
    assert tab(shell, directory, "diff web01 w") == ["web02"]
