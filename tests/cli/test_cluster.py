"""`vipctl cluster` and `vipctl diff` over a real sshd on each host, and beside what can go wrong."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.configured import PASSWORD, VIP, WEB01, WEB02, write_script, write_vip
from helpers.sshd import Keys

from cli.conftest import COMMAND
from vipd.lab import Host, Lab
from vipd.lab.waiting import wait_until

pytestmark = pytest.mark.lab

SECOND = "198.51.100.155"
FIRST = "--preempt --shutdown --deadratio=2"
THEN = f"{FIRST} --advskew=100"
Done = subprocess.CompletedProcess[str]


class Group:
    """web01 and web02 with vipd and sshd, each first for one address, and admin, who asks them."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.keys = Keys(directory / "keys")
        self.admin = lab.host("admin", "198.51.100.200/24")
        self.hosts = {n: lab.host(n, f"{a}/24") for n, a in (("web01", WEB01), ("web02", WEB02))}
        self.files = {name: directory / name for name in self.hosts}
        common = directory / "ucarp"
        common.mkdir()
        (common / "vip-common.conf").write_text('HOSTS="web01 web02"\n')
        self.admin.bind(common, "/etc/ucarp")
        for name, (one, two) in {"web01": (FIRST, THEN), "web02": (THEN, FIRST)}.items():
            write_vip(self.files[name], "001", OPTIONS=one)
            write_vip(self.files[name], "002", VIP_ADDRESS=SECOND, OPTIONS=two)
            self.hosts[name].bind(self.files[name], "/etc/ucarp")
        for (name, host), address in zip(self.hosts.items(), (WEB01, WEB02), strict=True):
            self.keys.serve(host, address)
            host.vipd("/etc/ucarp", "--state-dir", "/run/state")
        for host in (self.admin, *self.hosts.values()):
            self.keys.trust(host)
        lab.wait_owner(VIP, "web01", timeout=60, stable=0.5)
        lab.wait_owner(SECOND, "web02", timeout=60, stable=0.5)

    def vipctl(self, *arguments: str | Path, host: Host | None = None) -> Done:
        return (host or self.admin).run([*COMMAND, *map(str, arguments)], timeout=60)


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    """One for all tests of this file, which leave it as they found it."""
    with Lab() as lab:
        yield Group(lab, tmp_path_factory.mktemp("group"))


def words(done: Done) -> list[list[str]]:
    return [line.split() for line in done.stdout.splitlines()]


def test_every_host_is_asked_by_ssh_and_shown_beside_the_others(group: Group) -> None:
    done = group.vipctl("cluster")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "OK: 2 hosts, 2 VIPs"
    assert words(done)[2:] == [
        ["ID", "ADDRESS", "web01", "web02"],
        ["001", VIP, "MASTER", "BACKUP"],
        ["002", SECOND, "BACKUP", "MASTER"],
    ]
